"""One chaos run: `make chaos minutes=2 seed=1`, or `make chaos only=failpoints`.

Starts a stack of its own with every program twice, lets seeded users work while a nemesis strikes,
waits for quiet, and lets the checker prove that nothing was lost, doubled, stuck or wrongly
charged. Prints one verdict; exit code 1 when there is an anomaly.
"""

import argparse
import json
import sys
from dataclasses import replace

from tests.chaos import failpoints
from tests.chaos.run import FULL, run


def main() -> None:
    reading = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    reading.add_argument("--minutes", type=float, default=2.0, help="how long faults happen")
    reading.add_argument("--seed", type=int, default=1, help="which faults, and which users")
    reading.add_argument("--users", type=int, default=FULL.users)
    reading.add_argument("--only", choices=["", "failpoints"], default="", help="another kind")
    options = reading.parse_args()
    if options.only == "failpoints":
        document = failpoints.run()
    else:
        scale = replace(FULL, users=options.users)
        document = run(seed=options.seed, faults_s=options.minutes * 60, scale=scale)
    print(json.dumps(document, indent=2))  # noqa: T201
    sys.exit(1 if document["anomalies"] else 0)


if __name__ == "__main__":
    main()
