"""Every invariant and fault case has its row in README.md, and the tests it names exist."""

import re
from pathlib import Path

from deploy.local.places import ROOT

ROWS = Path(__file__).with_name("README.md").read_text().splitlines()
NUMBERS = [*(f"I{n}" for n in range(1, 31)), *(f"F{n}" for n in range(1, 19))]


def test_every_number_has_its_row_in_order() -> None:
    assert re.findall(r"^\| ([IF]\d+) \|", "\n".join(ROWS), re.MULTILINE) == NUMBERS


def test_every_row_names_tests_that_exist_or_says_what_is_missing() -> None:
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    for row in ROWS:
        if re.match(r"\| [IF]\d+ ", row):
            named = set(re.findall(r"`(test_\w+)`", row))
            assert named <= defined, row
            assert named or "**not there" in row, row
