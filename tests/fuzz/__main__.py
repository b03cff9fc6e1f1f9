"""The long run: `make fuzz [only=decode] [files=200000] [seed=1] [minutes=]`."""

import argparse
import asyncio
import sys
import time

from tests.fuzz.decode import run
from tests.fuzz.originals import originals

WORKERS = 2


def main() -> None:
    reading = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    reading.add_argument("only", nargs="?", choices=("decode",), default="decode")
    reading.add_argument("--files", type=int, default=200_000)
    reading.add_argument("--seed", type=int, default=1, help="which files")
    reading.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    options = reading.parse_args()
    until = time.monotonic() + options.minutes * 60
    report = asyncio.run(
        run(originals(), files=options.files, seed=options.seed, workers=WORKERS, until=until)
    )
    print(report.text())  # noqa: T201
    sys.exit(1 if report.broken() else 0)


if __name__ == "__main__":
    main()
