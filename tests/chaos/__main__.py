"""One chaos run: `make chaos minutes=2 seed=1`, or `make chaos only=failpoints`.

Starts a stack of its own with every program twice, lets seeded users work while a nemesis strikes,
waits for quiet, and lets the checker prove that nothing was lost, doubled, stuck or wrongly
charged. Prints one verdict; exit code 1 when there is an anomaly.
"""

import argparse
import json
import sys
from dataclasses import replace

from tests.chaos.run import SCALES, run


def main() -> None:
    reading = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    reading.add_argument("--minutes", type=float, default=2.0, help="how long faults happen")
    reading.add_argument("--seed", type=int, default=1, help="which faults, and which users")
    reading.add_argument("--scale", choices=SCALES, default="full", help="how much at once")
    reading.add_argument("--users", type=int, help="other than the scale says")
    reading.add_argument("--patience", type=float, help="seconds until what rests is stuck")
    reading.add_argument(
        "--fault", action="append", default=[], help="this kind only; `kind@target`; repeatable"
    )
    options = reading.parse_args()
    scale = SCALES[options.scale]
    scale = replace(
        scale,
        users=options.users or scale.users,
        patience_s=options.patience or scale.patience_s,
    )
    document = run(
        seed=options.seed, faults_s=options.minutes * 60, scale=scale, wishes=options.fault
    )
    print(json.dumps(document, indent=2))  # noqa: T201
    sys.exit(1 if document["anomalies"] else 0)


if __name__ == "__main__":
    main()
