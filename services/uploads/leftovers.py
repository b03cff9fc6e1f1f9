"""Objects of photos that are not shown any more, until they are removed.

Who was given an address of one may still be reading it: it goes when no address is valid any more,
or as soon as its photo is deleted. It is removed once more when no late write can bring it back.
"""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.db import Connection
from services.kit.storage import Storage
from services.uploads.models import leftovers
from services.uploads.photos import LATE_WRITES_END_AFTER

READ_FOR = timedelta(hours=2)
"""Longer than any signed address is valid, those of GPU workers included."""
BATCH, BATCHES_PER_SWEEP_MAX = 100, 50

_LEAVE = text(
    """
    insert into leftovers (key, photo_id, remove_at)
    select key, :photo_id, now() + cast(:after as interval)
    from unnest(cast(:keys as text[])) key order by key
    on conflict (key) do update set remove_at = least(leftovers.remove_at, excluded.remove_at)
    """
)
_DUE = text("select key from leftovers where remove_at <= now() order by remove_at limit :batch")
_AGAIN = text(
    """
    update leftovers set remove_at = left_at + cast(:late as interval)
    where key = any(:keys) and left_at + cast(:late as interval) > now()
    """
)
_FORGET = text("delete from leftovers where key = any(:keys) and remove_at <= now()")


async def leave(
    connection: Connection, photo_id: UUID, keys: Collection[str], *, after: timedelta = READ_FOR
) -> None:
    """Have these objects removed, whether they exist or not."""
    if keys:
        values = {"photo_id": photo_id, "keys": list(keys), "after": after}
        await connection.execute(_LEAVE, values)


async def count(connection: Connection, photo_id: UUID) -> int:
    """How many objects of a photo wait to be removed."""
    query = select(func.count()).where(leftovers.c.photo_id == photo_id)
    return int(await connection.scalar(query) or 0)


async def sweep(engine: AsyncEngine, storage: Storage) -> int:
    """Remove what is due; the number of objects."""
    total = 0
    for _ in range(BATCHES_PER_SWEEP_MAX):
        async with engine.begin() as connection:
            keys = (await connection.scalars(_DUE, {"batch": BATCH})).all()
        await storage.delete(*keys)
        async with engine.begin() as connection:
            await connection.execute(_AGAIN, {"keys": keys, "late": LATE_WRITES_END_AFTER})
            await connection.execute(_FORGET, {"keys": keys})
        total += len(keys)
        if len(keys) < BATCH:
            break
    return total
