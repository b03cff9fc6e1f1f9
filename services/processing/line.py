"""The line, as the one who waits in it sees it: how many come first, and when it is one's turn.

Accounts take turns, so a job does not wait for everything that was asked for earlier. With `r` jobs
of its own account before it, it waits for about `r` rounds, in each of which every other account
that still has something starts one job. What is read is bounded, however long the line is: a sample
of lanes stands for all of them, and the latest starts tell how fast the tier moves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from contracts.message import Tier
from services.kit.db import Connection
from services.processing import budgets
from services.processing.dispatching import RUNS_PER_ACCOUNT_MAX, STANDARD_EACH, runs_max

LANES_SAMPLED = 500
OWN_JOBS_MAX = 10_000
"""Further back in one's own line nobody counts; the number would be wrong before it is read."""

LATEST_STARTS = 200
"""What happened last tells how fast the line moves."""

OVERTAKEN_HALF = 10
"""Of those who are still to come, half get ahead of a job with this many own ones before it."""

RUN_S = 20.0
"""What a run takes as long as none has been seen."""


_OTHER: dict[Tier, Tier] = {"priority": "standard", "standard": "priority"}


@dataclass(frozen=True, slots=True)
class Place:
    """A waiting job: how many start before it, plus one, and in how many seconds it starts.

    When the day's budget is used up, the line stands still until then.
    """

    position: int
    starts_in_s: float
    paused_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """Another account that waits in the same tier, as far back as matters."""

    waiting: int
    runs: int
    is_before: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What is known of a tier from the place of one account."""

    tier: Tier
    slots: int
    lanes: Sequence[Lane]
    lanes_in_all: int
    own_runs: int
    running: int
    run_s: float
    other_tier_per_s: float
    arrivals_per_s: float

    def place(self, rank: int) -> Place:
        """Where the job stands that has `rank` jobs of its own account before it."""
        before = float(sum(self._starts_before(lane, rank) for lane in self.lanes))
        if self.lanes:
            before *= self.lanes_in_all / len(self.lanes)
        position = 1 + rank + before
        pace, own_pace = self._pace(), self._own_pace(rank)
        # While it waits, some that are still to come start first: they take turns as well.
        overtaken = position * (pace / own_pace - 1)
        return Place(
            position=round(position + overtaken),
            starts_in_s=self._starts_in_s(position, rank, own_pace),
        )

    def _starts_before(self, lane: Lane, rank: int) -> int:
        """Who runs less goes first; among equals, whose turn came longest ago."""
        rounds = rank + self.own_runs - lane.runs + (1 if lane.is_before else 0)
        return max(0, min(lane.waiting, rounds))

    def _starts_in_s(self, position: float, rank: int, own_pace: float) -> float:
        by_line = max(0.0, position - max(0, self.slots - self.running)) / own_pace
        own_cap = RUNS_PER_ACCOUNT_MAX[self.tier]
        by_cap = max(0, rank + 1 + self.own_runs - own_cap) * self.run_s / own_cap
        return max(by_line, by_cap)

    def _pace(self) -> float:
        """Starts of the tier a second: what the other leaves it, and never less than its share."""
        pace = self.slots / self.run_s
        return max(self._share() * pace, pace - self.other_tier_per_s)

    def _own_pace(self, rank: int) -> float:
        """Without those that will come, and start before what is deep in one's own line."""
        overtaken = self.arrivals_per_s * rank / (rank + OVERTAKEN_HALF)
        pace = self._pace()
        return max(pace - overtaken, pace / (self.lanes_in_all + 1))

    def _share(self) -> float:
        """The part of all starts that the other tier cannot take."""
        if self.slots == 1:  # nothing can be kept free: the tiers take turns
            each = 1 / STANDARD_EACH
            return each if self.tier == "standard" else 1 - each
        return 1 - runs_max(self.slots)[_OTHER[self.tier]] / self.slots


_OWN = text(
    """
    select id, row_number() over (order by queued_at) - 1 as rank
    from (select id, queued_at from jobs
          where state = 'QUEUED' and ready_at is not null
            and tier = :tier and account_id = :account_id
          order by queued_at limit :own_jobs_max) mine
    """
)
_LANES = text(
    """
    with run as (
        select account_id, count(*) as runs from attempts
        where state in ('RELEASED', 'SUBMITTING', 'RUNNING') group by account_id
    ), mine as (
        select turn_at from lanes where tier = :tier and account_id = :account_id
    )
    select coalesce(lane.turn_at < (select turn_at from mine), true) as is_before,
           coalesce(run.runs, 0) as runs,
           (select count(*) from (
                select from jobs where state = 'QUEUED' and ready_at is not null
                    and tier = :tier and account_id = lane.account_id limit :depth) jobs
           ) as waiting
    from (select account_id, turn_at from lanes
          where tier = :tier and is_waiting and account_id <> :account_id
          order by turn_at limit :lanes_sampled) lane
    left join run using (account_id)
    """
)
_PACE = text(
    """
    with latest as (
        select attempts.account_id, attempts.tier, jobs.queued_at,
               attempts.created_at, attempts.finished_at
        from (select * from attempts order by created_at desc limit :latest_starts) attempts
        join jobs on jobs.id = attempts.job_id
    ), pace as (
        select extract(epoch from max(created_at) - min(created_at)) as window_s,
               min(created_at) as since,
               avg(extract(epoch from finished_at - created_at)) as run_s,
               count(*) filter (where tier <> :tier) as other_tier_starts
        from latest
    )
    select pace.*,
        (select count(*) from latest where tier = :tier and account_id <> :account_id
            and queued_at >= pace.since) as arrivals,
        (select count(*) from lanes where is_waiting and tier = :tier
            and account_id <> :account_id) as lanes_in_all,
        (select count(*) from attempts
            where state in ('RELEASED', 'SUBMITTING', 'RUNNING')) as running,
        (select count(*) from attempts where account_id = :account_id
            and state in ('RELEASED', 'SUBMITTING', 'RUNNING')) as own_runs
    from pace
    """
)


async def places(
    connection: Connection, found: Sequence[Row[Any]], *, slots: int
) -> dict[UUID, Place]:
    """The place of each of these jobs of one account that waits."""
    waiting = [job for job in found if job.state == "QUEUED"]
    placed: dict[UUID, Place] = {}
    for tier in {job.tier for job in waiting}:
        mine = [job for job in waiting if job.tier == tier]
        placed |= await _places_in(connection, mine, tier, slots)
    return placed


async def _places_in(
    connection: Connection, mine: Sequence[Row[Any]], tier: Tier, slots: int
) -> dict[UUID, Place]:
    who = {"tier": tier, "account_id": mine[0].account_id}
    own = await connection.execute(_OWN, {**who, "own_jobs_max": OWN_JOBS_MAX})
    ranks: dict[UUID, int] = {row.id: row.rank for row in own}
    # A job whose photo is not ready yet would come after those that are.
    asked = {job.id: ranks.get(job.id, len(ranks)) for job in mine}
    pace = (await connection.execute(_PACE, {**who, "latest_starts": LATEST_STARTS})).one()
    depth = max(asked.values()) + pace.own_runs + 1
    lanes = await connection.execute(
        _LANES, {**who, "depth": depth, "lanes_sampled": LANES_SAMPLED}
    )
    line = Line(
        tier=tier,
        slots=slots,
        lanes=[Lane(lane.waiting, lane.runs, lane.is_before) for lane in lanes],
        lanes_in_all=pace.lanes_in_all,
        own_runs=pace.own_runs,
        running=pace.running,
        run_s=float(pace.run_s or RUN_S),
        other_tier_per_s=_per_s(pace.other_tier_starts, pace.window_s),
        arrivals_per_s=_per_s(pace.arrivals, pace.window_s),
    )
    paused_until = await budgets.paused_until(connection, mine[0].account_id, tier)
    return {
        job_id: replace(line.place(rank), paused_until=paused_until)
        for job_id, rank in asked.items()
    }


def _per_s(count: int, window_s: Any) -> float:
    return count / float(window_s) if window_s else 0.0
