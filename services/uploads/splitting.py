"""Several prints in one picture become photos of their own.

    begin all parts ──▶ copy the page to each ──▶ accept each, with its corners

A part is an ordinary photo from then on, and the page stays what it is. Whoever dies in between
leaves parts that were begun: the same request goes on with them, or else the sweep ends them.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import PurePath
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import failpoints, outbox
from services.kit.db import Connection, uuid7
from services.kit.problems import NotFound
from services.kit.storage import NoSuchObject, Storage
from services.uploads import photos, quotas
from services.uploads.arrivals import Inspector
from services.uploads.errors import NotReady
from services.uploads.models import State
from services.uploads.models import photos as photos_table
from services.uploads.photos import Photo
from services.uploads.prints import Quad

PARTS_MAX = 9
SPLIT_WITHIN = timedelta(hours=1)
"""Parts that are not accepted by then, since we died and nobody asked again, are given up."""


async def split(
    engine: AsyncEngine,
    storage: Storage,
    inspector: Inspector,
    *,
    account_id: UUID,
    page_id: UUID,
    quads: Sequence[Quad],
    key: str,
) -> list[Photo]:
    """The parts of a page, in the order of their corners; the same key gives the same parts."""
    async with engine.begin() as connection:
        page = await photos.find(connection, account_id=account_id, photo_id=page_id)
        parts = await photos.parts(connection, page_id=page_id, split_key=key)
        if not parts:
            if page.state != State.READY:
                raise NotReady(f"The photo is {page.state}: it can be split when it is ready.")
            parts = await _begin(connection, page, quads, key)
    await failpoints.reach("after_parts_before_copy")
    missing = [part for part in parts if part.state == State.BEGUN]
    await asyncio.gather(*(_fill(engine, storage, inspector, page, part) for part in missing))
    async with engine.begin() as connection:
        parts = await photos.parts(connection, page_id=page_id, split_key=key)
    return [part for part in parts if part.state != State.DELETED]


async def _begin(
    connection: Connection, page: Photo, quads: Sequence[Quad], key: str
) -> list[Photo]:
    await outbox.require_room(connection)
    await quotas.take_turns(connection, page.account_id)
    size_bytes = len(quads) * (page.size_bytes or 0)
    await quotas.require_room(connection, account_id=page.account_id, size_bytes=size_bytes)
    rows = [
        {
            "id": uuid7(),
            "account_id": page.account_id,
            "state": State.BEGUN,
            "version": 1,
            "filename": _name(page.filename, place, of=len(quads)),
            "size_announced": page.size_bytes,
            "in_parts": False,
            "abandoned": False,
            "quad_asked": quad,
            "page_id": page.id,
            "split_key": key,
            "split_place": place,
            "created_at": sa.func.now(),
            "updated_at": sa.func.now(),
            "upload_expires_at": sa.func.now(),
            "sweep_at": photos.in_(SPLIT_WITHIN),
        }
        for place, quad in enumerate(quads, 1)
    ]
    # Two requests with one key at once: the second waits here, and finds the parts of the first.
    await connection.execute(insert(photos_table).values(rows).on_conflict_do_nothing())
    return await photos.parts(connection, page_id=page.id, split_key=key)


async def _fill(
    engine: AsyncEngine, storage: Storage, inspector: Inspector, page: Photo, part: Photo
) -> None:
    try:
        await storage.copy(page.source_key, part.original_key)
    except NoSuchObject:  # the page was deleted meanwhile
        raise NotFound from None
    await failpoints.reach("after_copy_before_accept")
    facts, etag = await inspector.look(part.original_key)
    async with engine.begin() as connection:
        await photos.accept(connection, part.id, facts=facts, etag=etag, quad=part.quad_asked)


def _name(filename: str, place: int, *, of: int) -> str:
    name = PurePath(filename)
    return photos.clean(f"{name.stem[:200]} ({place} of {of}){name.suffix[:20]}")
