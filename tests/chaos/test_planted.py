"""The list of planted bugs is kept true; `make chaos only=planted` meets the bugs themselves."""

import ast
from pathlib import Path

import pytest

from deploy.local.places import ROOT
from tests.chaos import checker, schedule
from tests.chaos.planted import BUGS
from tests.chaos.planting import Bug
from tests.chaos.world import World

NAMES = [bug.name for bug in BUGS]
FOUND_APART = {"misheard", "bare_errors"}
"""Rules that need more than the world and what users were told."""


@pytest.mark.parametrize("bug", BUGS, ids=NAMES)
def test_a_bug_can_still_be_planted(bug: Bug) -> None:
    """What it replaces stands there once, and what stands there then is still a program."""
    texts: dict[str, str] = {}
    for edit in bug.edits:
        before = texts.get(edit.file) or (ROOT / edit.file).read_text()
        texts[edit.file] = edit.applied_to(before)
        assert texts[edit.file] != before

    for file, text in texts.items():
        ast.parse(text, file)


def test_every_rule_of_the_checker_is_bitten_by_a_bug() -> None:
    nothing = World(jobs={}, captured={}, held={}, photos={})
    rules = checker.judge(nothing, []).keys() | FOUND_APART

    assert {rule for bug in BUGS for rule in bug.bites} == rules


@pytest.mark.parametrize("bug", BUGS, ids=NAMES)
def test_the_faults_of_a_bug_can_happen(bug: Bug) -> None:
    wishes = set(bug.faults)
    if not wishes:
        return
    planned = schedule.plan(bug.seed, for_s=120, pause_s=(0.3, 0.9), wishes=bug.faults)

    assert {fault.kind for fault in planned} == {wish.partition("@")[0] for wish in wishes}


def test_the_list_has_bugs_and_controls_and_is_described() -> None:
    described = Path(__file__).with_name("README.md").read_text()

    assert len(set(NAMES)) == len(BUGS)
    assert sum(not bug.bites for bug in BUGS) >= 1
    assert sum(bool(bug.bites) for bug in BUGS) >= 12
    assert [name for name in NAMES if f"| `{name}` |" not in described] == []
