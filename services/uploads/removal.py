"""Remove the objects that must not stay: at once after the state says so, and by a sweep.

First the state is committed, then the objects go. Who dies in between leaves a photo that is due
(`sweep_at`), and the sweep finishes the work; deleting an object twice is harmless.
"""

import asyncio
from datetime import UTC, datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import failpoints, inbox
from services.kit.storage import Storage
from services.uploads import erasing, leftovers, parts, photos
from services.uploads.models import State
from services.uploads.photos import ABANDONED_AFTER, LATE_WRITES_END_AFTER, ORIGINALS, Photo

SWEEP_EVERY_S = 15
BATCH = 100
BATCHES_PER_SWEEP_MAX = 50

log = structlog.get_logger()


async def remove_at_once(engine: AsyncEngine, storage: Storage, photo: Photo) -> None:
    """Remove what this photo's state forbids; if that fails, the sweep does it later."""
    try:
        await _remove(engine, storage, photo)
    except Exception as error:  # noqa: BLE001  # the state is committed: nothing may undo it
        log.warning("photo.removal.postponed", photo_id=str(photo.id), error=repr(error)[:200])


async def sweep(engine: AsyncEngine, storage: Storage) -> int:
    """Delete what was begun and abandoned, and every object that is due; the number of photos.

    Uploads in parts end with their photos; those that no photo of ours knows end a little later.
    """
    total = 0
    for _ in range(BATCHES_PER_SWEEP_MAX):
        async with engine.begin() as connection:
            due = await photos.due(connection, limit=BATCH)
        await failpoints.reach("on_uploads_sweep")
        for photo in due:
            await _end(engine, storage, photo)
        total += len(due)
        if len(due) < BATCH:
            break
    await leftovers.sweep(engine, storage)
    oldest = datetime.now(UTC) - ABANDONED_AFTER - LATE_WRITES_END_AFTER
    strays = await parts.end_all(storage, prefix=ORIGINALS, begun_before=oldest)
    if total or strays:
        log.info("photos.swept", photos=total, stray_uploads=strays)
    return total


async def sweep_for_ever(engine: AsyncEngine, storage: Storage) -> None:
    """Sweep again and again, whatever is away meanwhile."""
    while True:
        try:
            await erasing.sweep(engine)
            await sweep(engine, storage)
            async with engine.begin() as connection:
                await inbox.forget_old(connection)
        except Exception as error:  # noqa: BLE001  # a killed Postgres raises from many families
            log.warning("sweep.interrupted", error=repr(error)[:200])
        await asyncio.sleep(SWEEP_EVERY_S)


async def _end(engine: AsyncEngine, storage: Storage, photo: Photo) -> None:
    if photo.state == State.BEGUN:
        async with engine.begin() as connection:
            abandoned = await photos.abandon(connection, photo.id)
        if abandoned is None:
            return
        photo = abandoned
    await _remove(engine, storage, photo)


async def _remove(engine: AsyncEngine, storage: Storage, photo: Photo) -> None:
    await failpoints.reach("before_original_delete")
    if photo.in_parts:
        await parts.end_all(storage, prefix=photo.original_key)
    await storage.delete(*photo.keys_not_to_keep)
    await failpoints.reach("after_original_delete")
    async with engine.begin() as connection:
        await photos.removed(connection, photo)
