"""What a waiting job is told of its start, where a formula has an edge."""

import math

import pytest

from contracts.message import Tier
from services.processing.line import Line

RUN_S = 20.0


def line(tier: Tier, *, slots: int, other_tier_per_s: float) -> Line:
    return Line(
        tier=tier,
        slots=slots,
        lanes=(),
        lanes_in_all=0,
        own_runs=0,
        running=slots,
        run_s=RUN_S,
        other_tier_per_s=other_tier_per_s,
        arrivals_per_s=0.0,
    )


@pytest.mark.parametrize("tier", ["priority", "standard"])
@pytest.mark.parametrize("slots", [1, 2, 3, 40])
def test_a_tier_that_the_other_keeps_busy_still_gets_a_start(tier: Tier, slots: int) -> None:
    crowded = line(tier, slots=slots, other_tier_per_s=10 * slots / RUN_S)

    place = crowded.place(0)

    assert place.position == 1
    assert 0 < place.starts_in_s < math.inf


def test_with_one_slot_the_standard_tier_waits_for_every_tenth_start() -> None:
    crowded = line("standard", slots=1, other_tier_per_s=1.0)

    assert crowded.place(0).starts_in_s == pytest.approx(10 * RUN_S)
