"""Whose job starts next. One leader decides per endpoint, so plain reads suffice.

Each tier has a share of the GPU slots that the other cannot take from it; a share that nobody asks
for is lent, so that no slot is empty while somebody may use it. What is left goes to whoever waits,
paid plans first. Within a tier it is the turn of the account with the fewest runs, then of the one
whose turn came longest ago; no account runs more than its cap.

An account that waits has a *lane* with the time of its turn: when it joined the line, or was served
last. Lanes are opened by a trigger (see the migration) and closed here, when their turn has come
and nothing waits in them. So a start reads one lane and one job, however many wait.
"""

import math
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from contracts.message import Tier
from services.kit import failpoints, telemetry
from services.kit.db import Connection, uuid7
from services.processing import attempts, budgets
from services.processing.budgets import Limits
from services.processing.endpoints import LED_WITHIN

TIERS: tuple[Tier, Tier] = ("priority", "standard")
RESERVED: dict[Tier, float] = {"priority": 0.4, "standard": 0.1}
STANDARD_EACH = 10
"""With a single slot nothing can be kept free; then every tenth start is for the standard tier."""

RUNS_PER_ACCOUNT_MAX: dict[Tier, int] = {"priority": 4, "standard": 2}
NORMAL = Limits()
EMPTY_LANES_MAX = 100
"""So many lanes may turn out to be empty before the next look begins anew."""

_RUNNING = text(
    """
    select count(*) filter (where tier = 'priority') as priority,
           count(*) filter (where tier = 'standard') as standard,
           exists (select from lanes where is_waiting) as is_anybody_waiting,
           exists (select from endpoints where id = :endpoint and paused_at is not null)
               as is_paused,
           (select array_agg(scope) from budgets where day = (now() at time zone 'utc')::date
                and paused_at is not null and scope in ('total', 'tier:priority', 'tier:standard'))
               as used_up
    from attempts where state in ('RELEASED', 'SUBMITTING', 'RUNNING') and endpoint = :endpoint
    """
)
# By the database's clock. Ids are of the dispatcher's: one that was ahead for a moment would make
# the attempts of that moment the latest for as long as it was ahead.
_LATEST = text(
    """
    select count(*) filter (where tier = 'standard') as standard
    from (select tier from attempts order by created_at desc limit :starts) latest
    """
)
# The lane is locked, so that a job that joins it right now waits until we have closed it or not. A
# lane that somebody is joining is left for the next look: no other process can make us wait.
_TURN = text(
    """
    with run as (
        select account_id, count(*) as runs from attempts
        where state in ('RELEASED', 'SUBMITTING', 'RUNNING') group by account_id
    ), used_up as (
        select split_part(scope, ':', 3)::uuid as account_id from budgets
        where day = (now() at time zone 'utc')::date and paused_at is not null
            and scope like 'account:' || :tier || ':%'
    ), idle as (
        select account_id, turn_at, 0 as runs from lanes
        where tier = :tier and is_waiting
            and not exists (select from run where run.account_id = lanes.account_id)
            and not exists (select from used_up where used_up.account_id = lanes.account_id)
        order by turn_at limit 1 for update of lanes skip locked
    ), busy as (
        select account_id, turn_at, run.runs from lanes join run using (account_id)
        where tier = :tier and is_waiting and run.runs < :runs_max
            and not exists (select from idle)
            and not exists (select from used_up where used_up.account_id = lanes.account_id)
        order by run.runs, turn_at limit 1 for update of lanes skip locked
    ), turn as (
        select account_id from idle union all select account_id from busy
    )
    select turn.account_id, head.id as job_id, head.kind, head.attempts,
        usd_per_gpu_s((select gpu from endpoints where id = :endpoint)) * cost_factor() as usd_per_s
    from turn left join lateral (
        select id, kind, attempts from jobs where state = 'QUEUED' and ready_at is not null
            and tier = :tier and account_id = turn.account_id
            and (avoid_endpoint is distinct from :endpoint or not exists (
                select from endpoints where id <> :endpoint and paused_at is null
                    and led_at > now() - cast(:led_within as interval)))
        order by queued_at limit 1 for update skip locked
    ) head on true
    """
)
# Its turn is over; a lane in which nothing is left is closed. A job may be there and be locked by
# whoever cancels it, so what was just started or not found does not tell.
_END_TURN = """
    update lanes set turn_at = clock_timestamp(), is_waiting = exists (
        select from jobs where state = 'QUEUED' and ready_at is not null
            and tier = :tier and account_id = :account_id and id is distinct from :job_id)
    where account_id = :account_id and tier = :tier
"""
_PASS = text(_END_TURN)
_START = text(
    f"""
    with started as (
        update jobs set state = 'RUNNING', attempts = attempts + 1, version = version + 1,
            started_at = coalesce(started_at, clock_timestamp())
        where id = :job_id returning *
    ), turn as ({_END_TURN})
    insert into attempts (id, job_id, account_id, tier, number, state, endpoint, seed,
        short_side_max, runs_at_most_s, cost_day, reserved_usd, result_key, next_poll_at, deadline)
    select cast(:attempt_id as uuid), id, account_id, tier, attempts, 'RELEASED', :endpoint,
        (seed + attempts * cast(:seed_step as bigint)) % cast(:seeds as bigint), short_side_max,
        :runs_at_most_s, :cost_day, :usd,
        concat('results/', account_id, '/', id, '/', cast(:attempt_id as uuid), '.png'),
        now() + cast(:within as interval), now() + cast(:within as interval)
    from started
    """  # noqa: S608  # texts of this file
)


def runs_max(slots: int) -> dict[Tier, int]:
    """How many runs each tier may have while the other waits: all slots but the other's share."""
    kept = {
        "priority": math.ceil(RESERVED["priority"] * slots),
        "standard": math.ceil(max(1, RESERVED["standard"] * slots)),
    }
    return {
        "priority": max(1, slots - kept["standard"]),
        "standard": max(1, slots - kept["priority"]),
    }


async def start_next(
    connection: Connection, *, slots: int, endpoint: str, limits: Limits = NORMAL
) -> UUID | None:
    """Start the job whose turn it is, if a slot is free for it; the caller owns the transaction."""
    running = (await connection.execute(_RUNNING, {"endpoint": endpoint})).one()
    if running.is_paused or not running.is_anybody_waiting:
        return None
    used_up = running.used_up or ()
    if running.priority + running.standard >= slots or "total" in used_up:
        return None
    for tier in await _tiers_in_order(connection, running, slots):
        if f"tier:{tier}" in used_up:
            continue
        if job_id := await _start_in(connection, tier, endpoint, limits):
            return job_id
    return None


async def _tiers_in_order(connection: Connection, running: Row[Any], slots: int) -> list[Tier]:
    """Whom to ask: tiers within their share, paid plans first; then whoever may borrow a slot."""
    order = TIERS
    if slots == 1:
        latest = (await connection.execute(_LATEST, {"starts": STANDARD_EACH - 1})).one()
        order = TIERS if latest.standard else (TIERS[1], TIERS[0])
    most = runs_max(slots)
    within = [tier for tier in order if getattr(running, tier) < most[tier]]
    return [*within, *(tier for tier in order if tier not in within)]


async def _start_in(
    connection: Connection, tier: Tier, endpoint: str, limits: Limits
) -> UUID | None:
    """Start the first job of the first account in line that has one and can afford it."""
    seen: set[UUID] = set()
    asked = {
        "tier": tier,
        "endpoint": endpoint,
        "runs_max": RUNS_PER_ACCOUNT_MAX[tier],
        "led_within": LED_WITHIN,
    }
    for _ in range(EMPTY_LANES_MAX):
        turn = (await connection.execute(_TURN, asked)).one_or_none()
        if turn is None or turn.account_id in seen:
            return None
        seen.add(turn.account_id)
        reserved: date | str = ""
        if turn.job_id:
            runs_at_most_s = attempts.runs_at_most_s(turn.kind, turn.attempts + 1)
            usd = runs_at_most_s * Decimal(turn.usd_per_s)
            reserved = await budgets.reserve(
                connection, account_id=turn.account_id, tier=tier, usd=usd, limits=limits
            )
            if isinstance(reserved, date):
                await failpoints.reach("after_reserve_before_start")
                await _start(
                    connection,
                    turn,
                    tier=tier,
                    endpoint=endpoint,
                    cost_day=reserved,
                    runs_at_most_s=runs_at_most_s,
                    usd=usd,
                )
                await failpoints.reach("after_start_before_commit")
                return UUID(str(turn.job_id))
            if not reserved.startswith("account:"):
                return None
        await connection.execute(
            _PASS, {"tier": tier, "account_id": turn.account_id, "job_id": None}
        )
    return None


async def _start(
    connection: Connection,
    turn: Row[Any],
    *,
    tier: Tier,
    endpoint: str,
    cost_day: date,
    runs_at_most_s: int,
    usd: Decimal,
) -> None:
    attempt_id = uuid7()
    await connection.execute(
        _START,
        {
            "job_id": turn.job_id,
            "attempt_id": attempt_id,
            "account_id": turn.account_id,
            "tier": tier,
            "endpoint": endpoint,
            "cost_day": cost_day,
            "runs_at_most_s": runs_at_most_s,
            "usd": usd,
            "seed_step": attempts.SEED_STEP,
            "seeds": attempts.SEEDS,
            "within": attempts.SUBMITTED_WITHIN,
        },
    )
    # From here on the job's own id is what its messages and log lines have in common.
    with telemetry.caused_by(telemetry.Cause(correlation_id=turn.job_id), doing="start job"):
        await attempts.order_submit(
            connection, attempt_id=attempt_id, job_id=turn.job_id, tier=tier
        )
