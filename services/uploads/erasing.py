"""Erase an account: every photo of it, and every object that was made of one.

    AccountErased ─▶ tombstone: no photo is begun any more
                  ─▶ sweep: photos are deleted as their owner would, until nothing is left ─▶ said

Whoever dies in between leaves the erasure unfinished, and the sweep goes on with it.
"""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import AccountErased
from contracts.uploads.v1 import AccountCleared
from services.kit import erasures
from services.kit.db import Connection
from services.uploads import photos, quotas
from services.uploads.models import State
from services.uploads.models import photos as table
from services.uploads.photos import LATE_WRITES_END_AFTER

BATCH = 100

# A photo whose objects are gone is looked at once more when no late write can come, not before.
_IS_LEFT = sa.text(
    """
    select exists (
        select from photos where account_id = :account_id and (state <> 'deleted'
            or sweep_at < updated_at + cast(:late as interval))
    ) or exists (
        select from leftovers join photos on photos.id = photo_id
        where account_id = :account_id and remove_at <= now()
    )
    """
)


async def begin(connection: Connection, erased: AccountErased) -> None:
    """From here on the account begins no photo; one that is being begun right now is waited for."""
    await quotas.take_turns(connection, erased.account_id)
    await erasures.begin(connection, erased.account_id)


async def sweep(engine: AsyncEngine) -> None:
    """Go on with every erasure that is not finished; the objects go as those of other photos do."""
    async with engine.begin() as connection:
        accounts = await erasures.unfinished(connection)
    for account_id in accounts:
        while await _delete_some(engine, account_id):
            pass
        async with engine.begin() as connection:
            late = {"account_id": account_id, "late": LATE_WRITES_END_AFTER}
            if not await connection.scalar(_IS_LEFT, late):
                forgotten = AccountCleared(account_id=account_id)
                await erasures.finish(connection, account_id, forgotten)


async def _delete_some(engine: AsyncEngine, account_id: UUID) -> int:
    query = (
        sa.select(table.c.id)
        .where(table.c.account_id == account_id, table.c.state != State.DELETED)
        .limit(BATCH)
    )
    async with engine.begin() as connection:
        ids = (await connection.scalars(query)).all()
        for photo_id in ids:
            await photos.delete(connection, photo_id)
        # Nobody is there to remove them at once, as after a single one: the sweep does it now.
        now = sa.update(table).where(table.c.id.in_(ids)).values(sweep_at=sa.func.now())
        await connection.execute(now)
    return len(ids)
