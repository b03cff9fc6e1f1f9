"""However Stripe's events are delivered, billing ends where it ends when they come in order.

`make histories` plays two thousand; each has at least 25 events, and each event comes up to four
times, in any order, up to three days late.
"""

import os
from difflib import ndiff
from random import Random

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.billing.histories import State, played
from tests.billing.world import World

pytestmark = pytest.mark.usefixtures("logs")

HISTORIES = int(os.environ.get("REKINDLE_HISTORIES", "15"))
FIRST_SEED = int(os.environ.get("REKINDLE_FIRST_SEED", "1"))
TIMEOUT_S = 240 + 15 * HISTORIES


@pytest.mark.timeout(TIMEOUT_S)
async def test_the_order_of_events_is_no_matter(priced: AsyncEngine) -> None:
    wrong: dict[int, list[str]] = {}
    for seed in range(FIRST_SEED, FIRST_SEED + HISTORIES):
        in_order, world = await played(priced, seed, post=None)
        shuffled, other = await played(priced, seed, post=Random(seed))

        assert len(world.events) >= 25, seed
        assert in_order["undone"] == shuffled["undone"] == [], seed
        expected, ended = _comparable(in_order, world), _comparable(shuffled, other)
        if ended != expected:
            wrong[seed] = [line for line in ndiff(expected, ended) if line[0] in "-+"]

    assert wrong == {}


def _comparable(state: State, world: World) -> list[str]:
    return [
        str(line).replace(world.customer_id, "")
        for value in state.values()
        for line in (sorted(value.items(), key=str) if isinstance(value, dict) else [value])
    ]
