"""How much an account may have under way, and keep."""

import math
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from services.kit.db import Connection
from services.uploads.errors import (
    AccountWasErased,
    StorageFull,
    TooManyOpenUploads,
    TooManyUploads,
)

UPLOADS_PER_HOUR_MAX = 500
OPEN_UPLOADS_MAX = 250
"""More than an album, whose photos may all be announced before the first is sent."""
STORED_BYTES_MAX = 20 * 2**30
"""Counted as the files were announced; what is kept of a photo is smaller."""

_ALONE = text("select pg_advisory_xact_lock(:number)")
_COUNT = text(
    """
    with recent as (
        select count(*) as uploads, min(created_at) as first_at from photos
        where account_id = :account_id and created_at > now() - cast(:hour as interval)
    ), kept as (
        select count(*) filter (where state = 'begun') as open,
            coalesce(sum(size_announced) filter (where state <> 'rejected'), 0) as bytes
        from photos where account_id = :account_id and state <> 'deleted'
    )
    select uploads, extract(epoch from first_at + cast(:hour as interval) - now()) as wait_s,
        open, bytes, exists (select from erasures where account_id = :account_id) as is_erased
    from recent, kept
    """
)


async def take_turns(connection: Connection, account_id: UUID) -> None:
    """Let nobody else announce a photo of this account until the transaction ends.

    Otherwise two photos could take the same last place, or one photo two.
    """
    number = int.from_bytes(account_id.bytes[8:], signed=True)
    await connection.execute(_ALONE, {"number": number})


async def require_room(connection: Connection, *, account_id: UUID, size_bytes: int) -> None:
    """Refuse one more photo of this size when it would be too much, or its account is erased."""
    parameters = {"account_id": account_id, "hour": timedelta(hours=1)}
    counted = (await connection.execute(_COUNT, parameters)).one()
    if counted.is_erased:
        raise AccountWasErased
    if counted.uploads >= UPLOADS_PER_HOUR_MAX:
        raise TooManyUploads(
            uploads_max=UPLOADS_PER_HOUR_MAX, retry_after_s=max(1, math.ceil(counted.wait_s))
        )
    if counted.open >= OPEN_UPLOADS_MAX:
        raise TooManyOpenUploads(open_max=OPEN_UPLOADS_MAX)
    if counted.bytes + size_bytes > STORED_BYTES_MAX:
        raise StorageFull(bytes_max=STORED_BYTES_MAX, bytes_used=int(counted.bytes))
