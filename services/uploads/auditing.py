"""Do the bucket and the rows of photos agree? `python -m services.uploads audit`, for operators."""

from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import objects
from services.kit.objects import Drift, Known
from services.kit.storage import Storage
from services.uploads.models import State, leftovers
from services.uploads.models import photos as table
from services.uploads.photos import COLUMNS, Photo, photo_of

FOLDERS = ("originals", "masters", "previews", "thumbnails", "frames")


async def audit(engine: AsyncEngine, storage: Storage) -> Drift:
    """Name the objects that photos lack, and those that belong to no photo."""
    began = datetime.now(UTC)
    async with engine.connect() as connection:
        found = await connection.scalars(sa.select(table.c.account_id).distinct())
        accounts = [str(account_id) for account_id in found]

    async def known(account_id: UUID) -> Known:
        async with engine.connect() as connection:
            of_account = sa.select(*COLUMNS).where(table.c.account_id == account_id)
            photos = [photo_of(row) for row in await connection.execute(of_account)]
            left = await connection.scalars(
                sa.select(leftovers.c.key)
                .join(table, table.c.id == leftovers.c.photo_id)
                .where(table.c.account_id == account_id)
            )
            waiting = frozenset(left)
        must = [_needed(photo) for photo in photos if photo.updated_at < began]
        may = [_allowed(photo) for photo in photos]
        return Known(frozenset[str]().union(*must), waiting.union(*may))

    return await objects.compare(storage, FOLDERS, accounts=accounts, known=known)


def _needed(photo: Photo) -> frozenset[str]:
    """Without these the photo is lost, or cannot be shown."""
    if photo.state is State.READY or photo.made_keys:
        return photo.made_keys if photo.state in (State.READY, State.ACCEPTED) else frozenset()
    return frozenset({photo.original_key} if photo.state is State.ACCEPTED else ())


def _allowed(photo: Photo) -> frozenset[str]:
    """Photos that are due to be swept may have anything of theirs until they are."""
    everything = photo.keys_in_the_making | photo.made_keys | {photo.original_key}
    if photo.sweep_at or photo.state is State.ACCEPTED:
        return everything
    return photo.made_keys if photo.state is State.READY else frozenset()
