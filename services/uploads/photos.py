"""A photo from the first announcement to the last byte.

    begun ──accept──▶ accepted ──make_ready──▶ ready
      │                  │
      └────reject────────┴──────▶ rejected         any ──delete──▶ deleted

A change is one `update … where state in (…)`: no row means that somebody else was faster. Each
change of state tells the world in the same transaction, and from then on whatever must not stay is
due to be removed (`sweep_at`). Nothing here commits: the caller owns the transaction.
"""

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from contracts.processing.v1 import PhotoPrepared
from contracts.uploads.v1 import PhotoAccepted, PhotoDeleted, PhotoReady, PhotoRejected
from services.kit import failpoints, outbox
from services.kit.db import Connection
from services.kit.problems import NotFound
from services.uploads.facts import PhotoFacts
from services.uploads.models import State, photos

UPLOAD_WITHIN = timedelta(minutes=10)
"""How long an address for the file, or for a part of it, is good; then there are fresh ones."""
ABANDONED_AFTER = timedelta(hours=24)
SWEEP_AFTER = timedelta(seconds=30)
"""How long whoever changed the state may take to remove the objects before the sweep does."""
LATE_WRITES_END_AFTER = timedelta(minutes=20)
"""An upload that started in time may still be running; so may a preparation."""

ORIGINALS = "originals/"
FILENAME_LENGTH_MAX = 255
UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
REVERSING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They make a name read backwards, so that it hides how it ends."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One row, as it is after the change that returned it."""

    id: UUID
    account_id: UUID
    state: State
    version: int
    filename: str
    size_announced: int
    sha256_announced: str | None
    in_parts: bool
    upload_id: str | None
    size_bytes: int | None
    etag: str | None
    media_type: str | None
    width: int | None
    height: int | None
    problem: dict[str, Any] | None
    master_key: str | None
    thumbnail_key: str | None
    created_at: datetime
    updated_at: datetime
    upload_expires_at: datetime
    sweep_at: datetime | None

    @property
    def original_key(self) -> str:
        """Where the upload lies. No part of it comes from the uploader."""
        return f"{ORIGINALS}{self.account_id}/{self.id}"

    @property
    def keys_not_to_keep(self) -> tuple[str, ...]:
        """The objects that this state does not allow to exist."""
        if self.state in (State.BEGUN, State.ACCEPTED):
            return ()
        if self.state == State.READY:
            return (self.original_key,)
        # Also where preparation would write: it may have died before it could say so.
        master = self.master_key or f"masters/{self.account_id}/{self.id}.jpg"
        thumbnail = self.thumbnail_key or f"thumbnails/{self.account_id}/{self.id}.webp"
        return (self.original_key, master, thumbnail)


COLUMNS = [photos.c[field.name] for field in fields(Photo)]


async def find(connection: Connection, *, account_id: UUID, photo_id: UUID) -> Photo:
    """The photo, if it is this account's and not deleted."""
    found = await connection.execute(
        sa.select(*COLUMNS).where(
            photos.c.id == photo_id,
            photos.c.account_id == account_id,
            photos.c.state != State.DELETED,
        )
    )
    if (row := found.one_or_none()) is None:
        raise NotFound
    return photo_of(row)


async def page(
    connection: Connection,
    *,
    account_id: UUID,
    state: State | None,
    before: UUID | None,
    limit: int,
) -> list[Photo]:
    """The photos of an account, newest first, from after `before` on."""
    query = (
        sa.select(*COLUMNS)
        .where(photos.c.account_id == account_id, photos.c.state != State.DELETED)
        .order_by(photos.c.id.desc())
        .limit(limit)
    )
    if state:
        query = query.where(photos.c.state == state)
    if before:
        query = query.where(photos.c.id < before)
    return [photo_of(row) for row in await connection.execute(query)]


async def accept(
    connection: Connection,
    photo_id: UUID,
    *,
    facts: PhotoFacts,
    etag: str,
    quad: list[tuple[float, float]] | None,
) -> Photo | None:
    """The bytes are a photo; None if the photo is not waiting for them any more."""
    photo = await _change(
        connection,
        photo_id,
        {State.BEGUN},
        state=State.ACCEPTED,
        etag=etag,
        size_bytes=facts.size_bytes,
        media_type=facts.media_type,
        width=facts.width,
        height=facts.height,
        sweep_at=None,
    )
    if photo:
        accepted = PhotoAccepted(
            photo_id=photo.id,
            account_id=photo.account_id,
            version=photo.version,
            object_key=photo.original_key,
            media_type=facts.media_type,
            size_bytes=facts.size_bytes,
            width=facts.width,
            height=facts.height,
            quad=quad,
            etag=etag,
            sha256=photo.sha256_announced,
        )
        await outbox.say(connection, accepted, about=photo.id)
    return photo


async def reject(
    connection: Connection, photo_id: UUID, *, when: State, problem: dict[str, Any]
) -> Photo | None:
    """The photo cannot be used; None if it is not (any more) in the state it was judged in."""
    photo = await _change(
        connection,
        photo_id,
        {when},
        state=State.REJECTED,
        problem=problem,
        sweep_at=sa.func.now() + SWEEP_AFTER,
    )
    if photo:
        rejected = PhotoRejected(
            photo_id=photo.id,
            account_id=photo.account_id,
            version=photo.version,
            code=problem["code"],
            detail=problem["detail"],
        )
        await outbox.say(connection, rejected, about=photo.id)
    return photo


async def make_ready(connection: Connection, prepared: PhotoPrepared) -> Photo | None:
    """Master and thumbnail are stored; None if the photo does not wait for them (any more)."""
    photo = await _change(
        connection,
        prepared.photo_id,
        {State.ACCEPTED},
        state=State.READY,
        master_key=prepared.master_key,
        thumbnail_key=prepared.thumbnail_key,
        width=prepared.width,
        height=prepared.height,
        sweep_at=sa.func.now() + SWEEP_AFTER,
    )
    if photo:
        await failpoints.reach("mid_ready")
        ready = PhotoReady(
            photo_id=photo.id,
            account_id=photo.account_id,
            version=photo.version,
            width=prepared.width,
            height=prepared.height,
        )
        await outbox.say(connection, ready, about=photo.id)
    return photo


async def discard(connection: Connection, prepared: PhotoPrepared) -> Photo | None:
    """Master and thumbnail of a photo that ended meanwhile: they are due to be removed."""
    discarded = await connection.execute(
        sa.update(photos)
        .where(
            photos.c.id == prepared.photo_id,
            photos.c.state.in_([State.REJECTED, State.DELETED]),
        )
        .values(
            master_key=prepared.master_key,
            thumbnail_key=prepared.thumbnail_key,
            updated_at=sa.func.now(),
            sweep_at=sa.func.now() + SWEEP_AFTER,
        )
        .returning(*COLUMNS)
    )
    row = discarded.one_or_none()
    return photo_of(row) if row else None


async def delete(connection: Connection, photo_id: UUID) -> Photo | None:
    """Nothing of the photo may stay, its name neither; None if it is deleted already."""
    return await _delete(connection, photo_id, set(State) - {State.DELETED}, abandoned=False)


async def abandon(connection: Connection, photo_id: UUID) -> Photo | None:
    """Its file did not come in time, so it is deleted; None if that is not so (any more)."""
    return await _delete(connection, photo_id, {State.BEGUN}, abandoned=True)


async def _delete(
    connection: Connection, photo_id: UUID, states: Collection[State], *, abandoned: bool
) -> Photo | None:
    photo = await _change(
        connection,
        photo_id,
        states,
        state=State.DELETED,
        filename="",
        sha256_announced=None,
        problem=None,
        abandoned=abandoned,
        sweep_at=sa.func.now() + SWEEP_AFTER,
    )
    if photo:
        deleted = PhotoDeleted(
            photo_id=photo.id, account_id=photo.account_id, version=photo.version
        )
        await outbox.say(connection, deleted, about=photo.id)
    return photo


async def due(connection: Connection, *, limit: int) -> list[Photo]:
    """Photos of which something is to be removed now, the longest overdue first."""
    found = await connection.execute(
        sa.select(*COLUMNS)
        .where(photos.c.sweep_at <= sa.func.now())
        .order_by(photos.c.sweep_at)
        .limit(limit)
    )
    return [photo_of(row) for row in found]


async def removed(connection: Connection, photo: Photo) -> None:
    """The objects are gone; look once more when no late write can bring them back."""
    writes_end = (
        sa.func.greatest(photos.c.upload_expires_at, photos.c.updated_at) + LATE_WRITES_END_AFTER
    )
    await connection.execute(
        sa.update(photos)
        # Unless the photo changed meanwhile, and with it what must go.
        .where(photos.c.id == photo.id, photos.c.sweep_at == photo.sweep_at)
        .values(sweep_at=sa.case((writes_end > sa.func.now(), writes_end), else_=None))
    )


def clean(filename: str) -> str:
    """The name as the uploader sees it, without characters that are not to be seen."""
    shown = "".join(
        character
        for character in filename
        if unicodedata.category(character) not in UNPRINTABLE and character not in REVERSING
    )
    return shown.strip()[:FILENAME_LENGTH_MAX] or "photo"


def photo_of(row: sa.Row[Any]) -> Photo:
    """What `COLUMNS` of a row say."""
    columns = dict(row._mapping)  # noqa: SLF001  # its public name in SQLAlchemy
    return Photo(**columns | {"state": State(columns["state"])})


async def _change(
    connection: Connection, photo_id: UUID, states: Collection[State], **values: Any
) -> Photo | None:
    changed = await connection.execute(
        sa.update(photos)
        .where(photos.c.id == photo_id, photos.c.state.in_(states))
        .values(version=photos.c.version + 1, updated_at=sa.func.now(), **values)
        .returning(*COLUMNS)
    )
    row = changed.one_or_none()
    return photo_of(row) if row else None
