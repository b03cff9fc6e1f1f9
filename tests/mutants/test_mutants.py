"""The list of planted bugs is kept true; `make mutants` meets the bugs themselves."""

import ast

import pytest

from deploy.local.places import ROOT
from tests.mutants.bugs import BUGS, Bug

LEAST = 20


@pytest.mark.parametrize("bug", BUGS, ids=[bug.name for bug in BUGS])
def test_a_bug_can_still_be_planted(bug: Bug) -> None:
    """What it replaces stands there once, and what stands there then is still a program."""
    for edit in bug.edits:
        before = (ROOT / edit.file).read_text()
        after = edit.applied_to(before)

        assert after != before
        ast.parse(after, edit.file)
    for name in bug.tests.split():
        assert (ROOT / "tests/credits" / name).exists()


def test_there_are_enough_of_them() -> None:
    assert len({bug.name for bug in BUGS if bug.edits}) == len(BUGS) - 1 >= LEAST
