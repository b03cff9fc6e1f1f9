"""Results that nobody will be shown: deleted when no worker can store them any more.

A run that we gave up on may still store its result, until its signed address has expired. So every
attempt that is over is looked at once, long after that, and what its job does not show is deleted.
"""

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.storage import Storage

BATCH = 50
SWEPT_AFTER = timedelta(hours=2)
"""Longer than any signed address of a worker is valid."""

_TAKE = text(
    """
    select attempts.id, attempts.result_key,
        jobs.result_key is not distinct from attempts.result_key as is_shown
    from attempts join jobs on jobs.id = attempts.job_id
    where swept_at is null and attempts.state in ('FINISHED', 'FAILED', 'LOST', 'QC_FAILED')
        and attempts.finished_at < now() - cast(:swept_after as interval)
        and jobs.state in ('COMPLETED', 'REJECTED', 'FAILED', 'CANCELLED')
    order by attempts.finished_at limit :batch
    """
)
_SWEPT = text("update attempts set swept_at = now() where id = any(:ids)")


async def sweep(engine: AsyncEngine, storage: Storage) -> int:
    """Look at a batch of attempts that are over; how many results were not to be kept."""
    async with engine.connect() as connection:
        over = await connection.execute(_TAKE, {"swept_after": SWEPT_AFTER, "batch": BATCH})
        found = over.all()
    unwanted = [attempt for attempt in found if not attempt.is_shown]
    for attempt in unwanted:
        await storage.delete(attempt.result_key)  # no error when there is none
    if found:
        async with engine.begin() as connection:
            await connection.execute(_SWEPT, {"ids": [attempt.id for attempt in found]})
    return len(unwanted)
