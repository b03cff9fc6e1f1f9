"""Erase an account: its jobs end, and its notes and results go.

    AccountErased ─▶ tombstone; what runs is cancelled, and its hold comes back; notes are blanked
                  ─▶ sweep: every result is removed ─▶ said

Its photos go because uploads deletes them, and a deleted photo can be ordered nothing for. Jobs and
attempts stay as numbers, for what they cost. A run that nobody can stop any more may store its
result late: `sweeping` looks at each attempt once more, and shows none of an erased account.
"""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import AccountErased
from contracts.processing.v1 import AccountCleared
from services.kit import erasures
from services.kit.db import Connection
from services.kit.storage import Storage
from services.processing import jobs
from services.processing.models import UNDONE

BATCH = 500

_UNDONE = sa.text(
    "select id from jobs where account_id = :account_id and state = any(:undone) order by id"
    " for update"
)
_BLANK = (
    sa.text(
        """
        update jobs set note = null, idempotency_key = id::text, body_sha256 = '',
            result_key = case when state = 'COMPLETED' then '' end,
            result = case when state = 'COMPLETED' then cast('{}' as jsonb) end
        where account_id = :account_id
        """
    ),
    sa.text(
        "update batches set note = null, idempotency_key = id::text, body_sha256 = ''"
        " where account_id = :account_id"
    ),
    sa.text(
        "update attempts set swept_at = null from jobs"
        " where jobs.id = job_id and jobs.account_id = :account_id"
    ),
)
_RESULTS = sa.text(
    """
    select attempts.id, attempts.result_key from jobs join attempts on jobs.id = job_id
    where jobs.account_id = :account_id and attempts.id > :after order by attempts.id limit :batch
    """
)
_FIRST = UUID(int=0)


async def begin(connection: Connection, erased: AccountErased) -> None:
    """From here on the account orders nothing; what it ordered before ends."""
    await erasures.begin(connection, erased.account_id)
    await _end_all(connection, erased.account_id)


async def _end_all(connection: Connection, account_id: UUID) -> None:
    """End everything the account has under way, and forget what it wrote."""
    undone = {"account_id": account_id, "undone": list(UNDONE)}
    for job_id in (await connection.scalars(_UNDONE, undone)).all():
        await jobs.stop(connection, job_id)
    for blank in _BLANK:
        await connection.execute(blank, {"account_id": account_id})


async def sweep(engine: AsyncEngine, storage: Storage) -> None:
    """Remove the results of every account whose erasure is not finished."""
    async with engine.begin() as connection:
        accounts = await erasures.unfinished(connection)
    for account_id in accounts:
        async with engine.begin() as connection:
            await _end_all(connection, account_id)  # an order may have been on its way in
        await _remove_results(engine, storage, account_id)
        async with engine.begin() as connection:
            await erasures.finish(connection, account_id, AccountCleared(account_id=account_id))


async def _remove_results(engine: AsyncEngine, storage: Storage, account_id: UUID) -> None:
    after = _FIRST
    while True:
        asked = {"account_id": account_id, "after": after, "batch": BATCH}
        async with engine.begin() as connection:
            attempts = (await connection.execute(_RESULTS, asked)).all()
        if not attempts:
            return
        await storage.delete(*[attempt.result_key for attempt in attempts])
        after = attempts[-1].id
