"""Whose job starts next. One leader decides, so plain reads suffice.

Each tier keeps a part of the GPU slots that the other can never take; the rest goes to whoever
waits, paid plans first. Within a tier it is the turn of the account with the fewest runs, then of
the one served longest ago, then of the oldest job; no account runs more than its cap.
"""

import math
from uuid import UUID

from sqlalchemy import text

from contracts.message import Tier
from services.kit import telemetry
from services.kit.db import Connection
from services.processing import attempts, jobs
from services.processing.models import jobs as jobs_table

RESERVED: dict[Tier, float] = {"priority": 0.4, "standard": 0.1}
STANDARD_EACH = 10
"""With a single slot nothing can be kept free; then every tenth start is for the standard tier."""

RUNS_PER_ACCOUNT_MAX: dict[Tier, int] = {"priority": 4, "standard": 2}

_WAITING = text(
    """
    select exists (select from jobs where state = 'QUEUED' and ready_at is not null
                   and tier = 'priority') as priority,
           exists (select from jobs where state = 'QUEUED' and ready_at is not null
                   and tier = 'standard') as standard
    """
)
_RUNNING = text(
    """
    select count(*) filter (where tier = 'priority') as priority,
           count(*) filter (where tier = 'standard') as standard
    from attempts where state in ('RELEASED', 'SUBMITTING', 'RUNNING')
    """
)
_LATEST = text(
    """
    select count(*) filter (where tier = 'standard') as standard
    from (select tier from attempts order by id desc limit :starts) latest
    """
)
_PICK = text(
    """
    with run as (
        select account_id, count(*) as runs from attempts
        where state in ('RELEASED', 'SUBMITTING', 'RUNNING') group by account_id
    ), head as (
        select distinct on (account_id) id, account_id, queued_at from jobs
        where state = 'QUEUED' and ready_at is not null and tier = :tier
        order by account_id, queued_at
    )
    select head.id, head.account_id from head
    left join run using (account_id) left join served using (account_id)
    where coalesce(run.runs, 0) < :runs_max
    order by coalesce(run.runs, 0), served.last_served_at nulls first, head.queued_at limit 1
    """
)
_START = text(
    """
    update jobs set state = 'RUNNING', attempts = attempts + 1, version = version + 1,
        started_at = coalesce(started_at, clock_timestamp())
    where id = :job_id and state = 'QUEUED' and ready_at is not null returning *
    """
).columns(*jobs_table.columns)
_SERVE = text(
    """
    insert into served (account_id, last_served_at) values (:account_id, clock_timestamp())
    on conflict (account_id) do update set last_served_at = excluded.last_served_at
    """
)


def runs_max(slots: int) -> dict[Tier, int]:
    """How many runs each tier may have at most: all slots but those kept for the other."""
    kept = {
        "priority": math.ceil(RESERVED["priority"] * slots),
        "standard": math.ceil(max(1, RESERVED["standard"] * slots)),
    }
    return {
        "priority": max(1, slots - kept["standard"]),
        "standard": max(1, slots - kept["priority"]),
    }


async def start_next(connection: Connection, *, slots: int, endpoint: str) -> UUID | None:
    """Start the job whose turn it is, if a slot is free for it; the caller owns the transaction."""
    waiting = (await connection.execute(_WAITING)).one()
    if not (waiting.priority or waiting.standard):
        return None
    running = (await connection.execute(_RUNNING)).one()
    if running.priority + running.standard >= slots:
        return None
    most = runs_max(slots)
    for tier in await _order_of_tiers(connection, slots):
        if not getattr(waiting, tier) or getattr(running, tier) >= most[tier]:
            continue
        if job := await _start_head(connection, tier, endpoint):
            return UUID(str(job.id))
    return None


async def _order_of_tiers(connection: Connection, slots: int) -> tuple[Tier, Tier]:
    if slots == 1:
        latest = (await connection.execute(_LATEST, {"starts": STANDARD_EACH - 1})).one()
        if latest.standard == 0:
            return "standard", "priority"
    return "priority", "standard"


async def _start_head(connection: Connection, tier: Tier, endpoint: str) -> jobs.Job | None:
    pick = {"tier": tier, "runs_max": RUNS_PER_ACCOUNT_MAX[tier]}
    head = (await connection.execute(_PICK, pick)).one_or_none()
    if head is None:
        return None
    job = (await connection.execute(_START, {"job_id": head.id})).one_or_none()
    if job is None:  # cancelled since the pick
        return None
    await connection.execute(_SERVE, {"account_id": job.account_id})
    # From here on the job's own id is what its messages and log lines have in common.
    with telemetry.caused_by(telemetry.Cause(correlation_id=job.id), doing="start job"):
        await attempts.release(connection, job, endpoint=endpoint)
    return job
