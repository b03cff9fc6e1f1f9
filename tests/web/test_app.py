"""The app in a real Chromium, before the real stack; the tests themselves are `web/tests/`."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.local import node
from deploy.local.places import WEB

TESTS = sorted((WEB / "tests").glob("*.test.ts"))
UNITS = sorted((WEB / "tests" / "unit").glob("*.test.ts"))
WITHIN_S = 280


def run(files: list[Path], environment: dict[str, str]) -> None:
    outcome = subprocess.run(
        [str(node.find().program), "--import", "tsx", "--test", *map(str, files)],
        cwd=WEB,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout


def test_there_is_something_to_run() -> None:
    assert len(TESTS) >= 7
    assert len(UNITS) >= 3


def test_geometry_words_and_what_is_kept() -> None:
    run(UNITS, {})


@pytest.mark.timeout(WITHIN_S + 20)
@pytest.mark.parametrize("file", TESTS, ids=lambda path: path.name.removesuffix(".test.ts"))
def test_in_the_browser(file: Path, environment: dict[str, str]) -> None:
    run([file], environment)
