"""One chaos run: `make chaos minutes=2 seed=1`.

Starts a stack of its own, lets seeded users work while a nemesis strikes, waits for quiet, and lets
the checker prove that nothing was lost, doubled, stuck or wrongly charged. Prints one verdict;
exit code 1 when there is an anomaly.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from deploy.local.home import Home
from deploy.local.places import PRIVATE
from tests.chaos import checker
from tests.chaos.history import History
from tests.chaos.nemesis import Nemesis
from tests.chaos.workload import User

USERS = 5
CALM_S = 3.0
FOLDER = PRIVATE / "chaos"


def main() -> None:
    reading = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    reading.add_argument("--minutes", type=float, default=2.0, help="how long faults happen")
    reading.add_argument("--seed", type=int, default=1, help="which faults, and which users")
    options = reading.parse_args()
    document = run(seed=options.seed, faults_s=options.minutes * 60)
    print(json.dumps(document, indent=2))  # noqa: T201
    sys.exit(1 if document["anomalies"] else 0)


def run(*, seed: int, faults_s: float) -> dict[str, Any]:
    """Start a stack, torment it, check it, stop it; the verdict."""
    home = Home(FOLDER.resolve())
    _local("clean", home)
    _local("up", home, "--any-port", "--detach")
    try:
        return asyncio.run(_torment(home, seed=seed, faults_s=faults_s))
    finally:
        _local("down", home)


async def _torment(home: Home, *, seed: int, faults_s: float) -> dict[str, Any]:
    stack = home.state()
    history = History(home.folder / f"history-{seed}.jsonl")
    nemesis = Nemesis(home.folder, seed)
    users = [User(stack, history, random.Random(f"{seed}/{n}")) for n in range(USERS)]
    await asyncio.gather(*(user.sign_up() for user in users))
    stop = asyncio.Event()
    with tempfile.TemporaryDirectory(prefix="rekindle-chaos-") as folder:
        living = [asyncio.create_task(user.live(Path(folder), stop)) for user in users]
        await asyncio.sleep(CALM_S)
        await nemesis.rage(for_s=faults_s, now_s=history.now_s)
        stop.set()
        await asyncio.gather(*living)
    quiet_since_s = history.now_s()
    is_settled = await checker.settle(stack)
    settled_after_s = history.now_s() - quiet_since_s
    found = await checker.anomalies(stack, history.records)
    history.close()
    outcomes = Counter(f"{r.call} {r.outcome}" for r in history.records)
    facts = {
        "seed": seed,
        "operations": len(history.records),
        "by_outcome": dict(sorted(outcomes.items())),
        "jobs": await _count_jobs(stack),
        "faults": nemesis.strikes.total(),
        "faults_by_kind": dict(sorted(nemesis.strikes.items())),
        "settled_after_s": round(settled_after_s, 1) if is_settled else None,
    }
    document: dict[str, Any] = json.loads(checker.verdict(found, facts))
    (home.folder / f"verdict-{seed}.json").write_text(json.dumps(document, indent=2))
    return document


async def _count_jobs(stack: dict[str, Any]) -> dict[str, int]:
    states = await checker.states_of_jobs(stack)
    return dict(sorted(Counter(states).items()))


def _local(command: str, home: Home, *options: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "deploy.local", command, "--home", str(home.folder), *options],
        check=command != "clean",
        stdout=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    main()
