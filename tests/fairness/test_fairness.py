"""Minutes of generated traffic keep the promises, and the table notices who breaks them."""

from collections.abc import Callable

import pytest

from tests.fairness import ideal, report
from tests.fairness.__main__ import run
from tests.fairness.replay import Story
from tests.fairness.traffic import SLOTS, Traffic, generate

FOR_S = 900.0


@pytest.mark.timeout(300)
async def test_traffic_is_served_fairly(database_url: Callable[[str], str]) -> None:
    table = await run(database_url("processing"), seed=7, for_s=FOR_S)

    assert table.broken == [], table.text


@pytest.fixture(name="traffic")
def _traffic() -> Traffic:
    return generate(7, for_s=FOR_S)


def test_one_account_has_four_of_five_jobs(traffic: Traffic) -> None:
    hogged = sum(wish.account_id == traffic.hog for wish in traffic.wishes)
    assert hogged / len(traffic.wishes) == pytest.approx(0.8, abs=0.01)


def test_first_come_first_served_is_found_to_be_unfair(traffic: Traffic) -> None:
    """Without turns everybody waits behind the one with most of the jobs."""
    stories, free_at = [], [0.0] * SLOTS
    for wish in traffic.wishes:
        slot = min(range(SLOTS), key=free_at.__getitem__)
        starts_at_s = max(wish.at_s, free_at[slot])
        free_at[slot] = starts_at_s + wish.runs_s
        stories.append(Story(wish, started_at_s=starts_at_s, shown_s=0.0))

    broken = report.table(stories, traffic, SLOTS).broken

    assert any("waited too long" in promise for promise in broken)
    assert any("of the positions were right" in promise for promise in broken)
    assert any(promise.startswith("paid got") for promise in broken)


def test_the_fair_wait_of_who_comes_alone_is_none(traffic: Traffic) -> None:
    alone = [traffic.wishes[0]]
    assert ideal.waits(alone, SLOTS) == [pytest.approx(0.0, abs=ideal.STEP_S)]
