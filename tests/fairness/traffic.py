"""A generated hour: paid and free accounts in bursts, and one account with most of the jobs."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from contracts.message import Tier
from services.kit.db import uuid7

HOUR_S = 3_600.0
SLOTS = 10
RUN_S = 15.0
RUN_SPREAD = 0.35
ACCOUNTS: dict[Tier, int] = {"priority": 40, "standard": 60}
BURST = (1, 12)
HOG_SHARE = 0.8
HOG_ALBUMS = 6
"""The account with most of the jobs sends whole albums, at once."""

LOAD: dict[Tier, float] = {"priority": 0.85, "standard": 0.12}
"""What the others ask for, as parts of what all slots can do: both tiers are backlogged."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One job that somebody will ask for."""

    at_s: float
    account_id: UUID
    tier: Tier
    runs_s: float


@dataclass(slots=True)
class Traffic:
    """All wishes in the order in which they come, and who is the one that wants so much."""

    wishes: list[Wish] = field(default_factory=list)
    hog: UUID = field(default_factory=uuid7)


def generate(seed: int, *, for_s: float = HOUR_S, slots: int = SLOTS) -> Traffic:
    """The same traffic for the same seed."""
    rng, traffic = random.Random(seed), Traffic()
    for tier, accounts in ACCOUNTS.items():
        ids = [uuid7() for _ in range(accounts)]
        jobs = round(LOAD[tier] * slots * for_s / RUN_S)
        for at_s, account_id, count in _bursts(rng, ids, jobs, for_s):
            traffic.wishes += [Wish(at_s, account_id, tier, _runs_s(rng)) for _ in range(count)]
    album = round(len(traffic.wishes) * HOG_SHARE / (1 - HOG_SHARE) / HOG_ALBUMS)
    for number in range(HOG_ALBUMS):
        at_s = for_s * number / HOG_ALBUMS / 2
        traffic.wishes += [Wish(at_s, traffic.hog, "standard", _runs_s(rng)) for _ in range(album)]
    traffic.wishes.sort(key=lambda wish: wish.at_s)
    return traffic


def _bursts(
    rng: random.Random, ids: list[UUID], jobs: int, for_s: float
) -> Iterator[tuple[float, UUID, int]]:
    while jobs > 0:
        count = min(jobs, rng.randint(*BURST))
        jobs -= count
        yield rng.uniform(0, for_s), rng.choice(ids), count


def _runs_s(rng: random.Random) -> float:
    return RUN_S * rng.lognormvariate(-(RUN_SPREAD**2) / 2, RUN_SPREAD)
