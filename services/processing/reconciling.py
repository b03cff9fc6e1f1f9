"""Tidying up after whatever died in between, so that every job ends and every hold closes."""

from collections.abc import Awaitable
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import telemetry
from services.kit.problems import Unavailable
from services.processing import batches, jobs, orders
from services.processing.holds import Holds

BATCH = 50
PENDING_FOR = timedelta(seconds=30)
ABANDONED_AFTER = timedelta(minutes=2)
PHOTO_WITHIN = timedelta(minutes=10)
CHECKED_WITHIN = timedelta(hours=1)
"""Longer than a check can be retried: after it, its message is parked or lost."""

log = structlog.get_logger()

_TAKE_PENDING = text(
    """
    with pending as (
        select id from jobs where state = 'PENDING_HOLD' and batch_id is null
          and hold_tried_at < now() - cast(:pending_for as interval)
        order by hold_tried_at limit :batch for update skip locked
    )
    update jobs set hold_tried_at = now() from pending where jobs.id = pending.id
    returning jobs.*, jobs.created_at < now() - cast(:abandoned_after as interval) as is_too_old
    """
)
_TAKE_PENDING_BATCHES = text(
    """
    with pending as (
        select id from batches where state = 'PENDING_HOLD'
          and hold_tried_at < now() - cast(:pending_for as interval)
        order by hold_tried_at limit :batch for update skip locked
    )
    update batches set hold_tried_at = now() from pending where batches.id = pending.id
    returning batches.*, batches.created_at < now() - cast(:abandoned_after as interval)
        as is_too_old
    """
)
_WAITING_TOO_LONG = text(
    """
    select id from jobs where state = 'QUEUED' and ready_at is null
        and queued_at < now() - cast(:photo_within as interval) order by queued_at limit :batch
    """
)


_UNCHECKED = text(
    """
    select jobs.id from jobs
    join attempts on attempts.job_id = jobs.id and attempts.number = jobs.attempts
    where jobs.state = 'CHECKING'
      and attempts.finished_at < now() - cast(:checked_within as interval)
    limit :batch
    """
)


async def settle_pending(engine: AsyncEngine, holds: Holds) -> None:
    """Orders between asking for a hold and hearing of it: ask again, and at last give up."""
    limits = {"pending_for": PENDING_FOR, "abandoned_after": ABANDONED_AFTER, "batch": BATCH}
    async with engine.begin() as connection:
        jobs_ = (await connection.execute(_TAKE_PENDING, limits)).all()
        batches_ = (await connection.execute(_TAKE_PENDING_BATCHES, limits)).all()
    for job in jobs_:
        with telemetry.caused_by(telemetry.Cause(correlation_id=job.id), doing="settle hold"):
            if job.is_too_old:
                await _patiently(orders.abandon(engine, holds, job), job.id)
            else:
                await _patiently(orders.settle(engine, holds, job), job.id)
    for batch in batches_:
        with telemetry.caused_by(telemetry.Cause(correlation_id=batch.id), doing="settle hold"):
            if batch.is_too_old:
                await batches.abandon(engine, batch)
            else:
                await _patiently(batches.settle(engine, holds, batch), batch.id)


async def end_waiting(engine: AsyncEngine) -> None:
    """Jobs whose photo is ready without their having seen it start; those it never came for end."""
    async with engine.begin() as connection:
        await jobs.wake_waiting(connection)
        waiting = await connection.execute(
            _WAITING_TOO_LONG, {"photo_within": PHOTO_WITHIN, "batch": BATCH}
        )
        for job in waiting.all():
            await jobs.fail(
                connection,
                job.id,
                code="photo-not-ready",
                detail="The photo did not become ready in time.",
                among=("QUEUED",),
            )


async def end_unchecked(engine: AsyncEngine) -> None:
    """Jobs whose result was never checked: better refunded than stuck."""
    async with engine.begin() as connection:
        unchecked = await connection.execute(
            _UNCHECKED, {"checked_within": CHECKED_WITHIN, "batch": BATCH}
        )
        for job in unchecked.all():
            log.error("result.never_checked", job_id=str(job.id))
            await jobs.fail(
                connection,
                job.id,
                code="internal",
                detail="Something broke on our side; it is logged.",
                among=("CHECKING",),
            )


async def _patiently(settling: Awaitable[object], order_id: UUID) -> None:
    """When credits is away the next round tries again."""
    try:
        await settling
    except Unavailable as error:
        log.warning("hold.not_settled", order_id=str(order_id), error=str(error))
