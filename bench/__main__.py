"""Run the benchmarks: `make bench [only=saga] [rounds=5] [jobs=600]`.

Each prints a table, writes `bench/results/<name>.json`, and fails if a peer did not really run. A
missed goal is a finding, not a failure.
"""

import argparse
import asyncio
import importlib
import sys
from pathlib import Path

import uvloop

from bench import peer_process
from bench.options import JOBS, ROUNDS, Options
from deploy.local.trouble import StackError, plain_words

NAMES = (
    *("saga", "ledger", "client", "relay", "gateway", "stream", "growth"),
    *("prepare", "formats", "enhance", "files", "outline", "engine", "check"),
)


def main() -> int:
    reading = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    reading.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    reading.add_argument("--rounds", type=int, default=ROUNDS)
    reading.add_argument("--jobs", type=int, default=JOBS, help="per round of the saga")
    reading.add_argument("--watch", default="", help="of the saga: program,program (py-spy)")
    reading.add_argument(
        "--photos",
        default="",
        help="of enhancement, outlines, the engine and the check: a folder of more photos",
    )
    asked = reading.parse_args()
    if unknown := set(asked.names) - set(NAMES):
        reading.error(f"there is no {', '.join(unknown)}: there is {', '.join(NAMES)}")
    watched = tuple(filter(None, asked.watch.split(",")))
    options = Options(
        rounds=asked.rounds,
        jobs=asked.jobs,
        watched=watched,
        photos=Path(asked.photos) if asked.photos else None,
    )
    try:
        with plain_words():
            peer_process.set_up()
            broken = [fault for name in asked.names or NAMES for fault in _run(name, options)]
    except StackError as trouble:
        print(f"\n{trouble}", file=sys.stderr)
        return 2
    return int(bool(broken))


def _run(name: str, options: Options) -> list[str]:
    module = importlib.import_module(f"bench.{name}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report = runner.run(module.measure(options))
    print(report.table(), flush=True)
    print(f"  {report.write()}", flush=True)
    broken: list[str] = report.broken
    return broken


if __name__ == "__main__":
    sys.exit(main())
