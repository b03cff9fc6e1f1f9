"""Bugs of the ledger that its tests have to find: `make mutants`, or some: `bugs="a b"`.

Each is planted in a copy of the product, and the tests that should notice run there against a
database that the copy's own migrations made. Prints a table; exit code 1 when a bug was not found,
or when the tests fail without one.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local.places import PRIVATE, ROOT
from tests.chaos.planting import copied_tree
from tests.mutants.bugs import BUGS, Bug

HOME = PRIVATE / "mutants"
UP_TIMEOUT_S, RUN_TIMEOUT_S = 600, 900
PASSED, FAILED = 0, 1
LINE = "{:<26}{:<28}{:>8}  {}"


def main() -> None:
    by_name = {bug.name: bug for bug in BUGS}
    if strange := set(sys.argv[1:]) - by_name.keys():
        sys.exit(f"no such bug: {', '.join(strange)}")
    chosen = [by_name[name] for name in sys.argv[1:] or by_name]
    print(LINE.format("bug", "looked for by", "seconds", "found"), flush=True)  # noqa: T201
    wrong = []
    with _stack():
        for bug in chosen:
            began = time.monotonic()
            found = _look_for(bug)
            is_right = found == ("yes" if bug.edits else "no")
            wrong += [] if is_right else [bug.name]
            seconds = round(time.monotonic() - began)
            verdict = found if is_right else f"{found}  WRONG"
            print(LINE.format(bug.name, bug.tests, seconds, verdict), flush=True)  # noqa: T201
    sys.exit(f"not as expected: {', '.join(wrong)}" if wrong else 0)


@contextmanager
def _stack() -> Iterator[None]:
    """Servers for all of the runs."""
    _local("clean")
    _local("up", "--any-port", "--detach")
    try:
        yield
    finally:
        _local("down")


def _local(action: str, *options: str) -> None:
    command = [sys.executable, "-m", "deploy.local", action, "--home", str(HOME), *options]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=UP_TIMEOUT_S)


def _look_for(bug: Bug) -> str:
    with copied_tree() as tree:
        for edit in bug.edits:
            edit.apply(tree)
        ran = subprocess.run(
            [
                *(str(tree / ".venv/bin/python"), "-m", "pytest", "-x", "-q", "--tb=short"),
                *(
                    "-p",
                    "no:cacheprovider",
                    *(f"tests/credits/{name}" for name in bug.tests.split()),
                ),
            ],
            cwd=tree,
            env=os.environ | {"REKINDLE_TEST_HOME": str(HOME.resolve())},
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
    # Tests that could not begin have not found anything.
    if ran.returncode not in (PASSED, FAILED) or "ERROR at setup" in ran.stdout:
        return "the tests did not run"
    return "yes" if ran.returncode == FAILED else "no"


if __name__ == "__main__":
    main()
