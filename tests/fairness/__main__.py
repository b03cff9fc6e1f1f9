"""The fairness run: `make fairness [seed=1] [minutes=60]`.

Plays an hour of generated traffic through the real dispatcher's decisions and prints who waited for
how long, next to what would be fair, and how right the expected starts were that people were shown.
Exit code 1 when a promise of the table is broken.
"""

import argparse
import asyncio
import subprocess
import sys

from deploy.local.home import Home
from deploy.local.places import PRIVATE
from services.kit.db import create_engine
from services.kit.migrations import upgrade
from tests.fairness import report
from tests.fairness.replay import Replay
from tests.fairness.traffic import SLOTS, generate


def main() -> None:
    reading = argparse.ArgumentParser(prog="python -m tests.fairness", description=__doc__)
    reading.add_argument("--seed", type=int, default=1, help="which traffic")
    reading.add_argument("--minutes", type=float, default=60, help="how long people ask for jobs")
    options = reading.parse_args()
    home = Home((PRIVATE / "fairness").resolve())
    _local("clean", home)
    _local("up", home, "--only", "postgres", "--any-port", "--detach")
    try:
        url = home.state()["environments"]["processing"]["DATABASE_URL"]
        table = asyncio.run(run(url, seed=options.seed, for_s=options.minutes * 60))
    finally:
        _local("down", home)
    print(table.text)  # noqa: T201
    sys.exit(1 if table.broken else 0)


async def run(url: str, *, seed: int, for_s: float) -> report.Table:
    """Play the traffic on an empty database of processing."""
    await upgrade("processing", url)
    engine = create_engine(url, name="fairness")
    traffic = generate(seed, for_s=for_s)
    stories = await Replay(engine, traffic, SLOTS).run()
    await engine.dispose()
    return report.table(stories, traffic, SLOTS)


def _local(command: str, home: Home, *options: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "deploy.local", command, "--home", str(home.folder), *options],
        check=command != "clean",
        stdout=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    main()
