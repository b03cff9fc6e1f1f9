"""A photo whose file is to come: announced once, within limits, and taken up again after a break.

Nothing here commits: the caller owns the transaction.
"""

from uuid import UUID

import sqlalchemy as sa

from services.kit import outbox
from services.kit.db import Connection, uuid7
from services.kit.problems import NotFound
from services.uploads import photos, quotas
from services.uploads.errors import PhotoTooLarge, UploadExpired
from services.uploads.facts import BYTES_MAX
from services.uploads.models import State
from services.uploads.models import photos as table
from services.uploads.photos import (
    ABANDONED_AFTER,
    COLUMNS,
    UPLOAD_WITHIN,
    Photo,
    clean,
    photo_of,
)


async def begin(
    connection: Connection,
    *,
    account_id: UUID,
    filename: str,
    size: int,
    sha256: str | None,
    in_parts: bool,
) -> tuple[Photo, bool]:
    """Announce a photo whose bytes will come, and say whether it is new.

    The account's photo of the same bytes is taken up again, unless it is refused or deleted. Only
    this account's: nobody learns what others have.
    """
    if size > BYTES_MAX:
        raise PhotoTooLarge(
            f"A photo may have {BYTES_MAX // 2**20} MB. Save it as JPEG, or smaller.",
            bytes_max=BYTES_MAX,
        )
    await quotas.take_turns(connection, account_id)
    if sha256 and (known := await _same(connection, account_id, size=size, sha256=sha256)):
        return known, False
    await outbox.require_room(connection)
    await quotas.require_room(connection, account_id=account_id, size_bytes=size)
    begun = await connection.execute(
        sa.insert(table)
        .values(
            id=uuid7(),
            account_id=account_id,
            state=State.BEGUN,
            version=1,
            filename=clean(filename),
            size_announced=size,
            sha256_announced=sha256,
            in_parts=in_parts,
            abandoned=False,
            created_at=sa.func.now(),
            updated_at=sa.func.now(),
            upload_expires_at=sa.func.now() + UPLOAD_WITHIN,
            sweep_at=sa.func.now() + ABANDONED_AFTER,
        )
        .returning(*COLUMNS)
    )
    return photo_of(begun.one()), True


async def renew(connection: Connection, photo_id: UUID, *, upload_id: str | None) -> Photo | None:
    """Fresh addresses are given out; None if the file is not awaited (any more).

    An upload in parts keeps the first id that it was given, whoever else started one meanwhile.
    """
    renewed = await connection.execute(
        sa.update(table)
        .where(table.c.id == photo_id, table.c.state == State.BEGUN)
        .values(
            upload_expires_at=sa.func.now() + UPLOAD_WITHIN,
            upload_id=sa.func.coalesce(table.c.upload_id, upload_id),
        )
        .returning(*COLUMNS)
    )
    row = renewed.one_or_none()
    return photo_of(row) if row else None


async def find(connection: Connection, *, account_id: UUID, photo_id: UUID) -> Photo:
    """The photo, for whoever has its file: `UploadExpired` if that did not come in time."""
    abandoned = sa.select(table.c.id).where(
        table.c.id == photo_id, table.c.account_id == account_id, table.c.abandoned
    )
    try:
        return await photos.find(connection, account_id=account_id, photo_id=photo_id)
    except NotFound:
        if (await connection.execute(abandoned)).first():
            raise UploadExpired from None
        raise


async def _same(
    connection: Connection, account_id: UUID, *, size: int, sha256: str
) -> Photo | None:
    found = await connection.execute(
        sa.select(*COLUMNS).where(
            table.c.account_id == account_id,
            table.c.sha256_announced == sha256,
            table.c.size_announced == size,
            table.c.state.in_([State.BEGUN, State.ACCEPTED, State.READY]),
        )
    )
    row = found.one_or_none()
    return photo_of(row) if row else None
