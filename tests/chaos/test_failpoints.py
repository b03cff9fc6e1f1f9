"""A handful of failpoints on a running stack, and the plan of all of them."""

from collections import Counter
from pathlib import Path

import pytest

from deploy.local.home import Home
from deploy.local.places import PRIVATE
from services.kit.failpoints import HOWS, POINTS
from tests.chaos import failpoints
from tests.chaos.failpoints import Played
from tests.chaos.history import History
from tests.chaos.points import AT_ONCE, CASES, Run, waves
from tests.chaos.scenes import Person

FEW = ("after_hold_commit", "mid_capture", "after_confirm_before_commit")
"""One of the saga, one of the ledger, one of the relay."""

SOME_WAYS = ("exit", "hang")


@pytest.mark.stack
@pytest.mark.timeout(240)
def test_a_process_that_dies_or_stops_between_two_steps_leaves_nothing_wrong() -> None:
    cases = [case for case in CASES if case.point in FEW]
    folder = PRIVATE / "few-failpoints"
    verdict = failpoints.run(cases, hows=SOME_WAYS, folder=folder, until_swept=False)

    assert verdict["anomalies"] == 0, verdict
    assert verdict["reached"] == verdict["runs"] == len(FEW) * len(SOME_WAYS)


def test_every_point_is_made_to_happen_in_every_way() -> None:
    planned = [run for wave in waves() for run in wave]

    assert {run.case.point for run in planned} == POINTS.keys()
    assert Counter(planned) == dict.fromkeys(planned, 1)
    assert len(planned) == len(POINTS) * len(HOWS) >= 120


def test_every_scene_of_the_table_can_be_played() -> None:
    scenes = {scene for case in CASES for scene in (case.scene, case.before) if scene}

    assert not [scene for scene in scenes if not callable(getattr(Person, scene, None))]


def test_the_plan_is_always_the_same_and_arms_no_program_twice_at_once() -> None:
    plan = list(waves())

    assert plan == list(waves())
    for wave in plan:
        programs = [run.case.program for run in wave]
        assert len(set(programs)) == len(programs) <= AT_ONCE


def test_a_point_that_was_not_reached_is_an_anomaly(tmp_path: Path) -> None:
    runs = [Run(CASES[0], how) for how in HOWS]
    played = Played(History(tmp_path / "history.jsonl"), reached=runs[:2])

    played.history.close()
    verdict = failpoints._verdict(Home(tmp_path), played, runs)

    assert verdict["details"] == {"unreached": [runs[2].name]}
    assert verdict["anomalies"] == 1
