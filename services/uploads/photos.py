"""A photo from the first announcement to the last byte.

    begun ──accept──▶ accepted ◀──▶ ready          (see `prints`)
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

from contracts.uploads.v1 import PhotoAccepted, PhotoDeleted, PhotoRejected
from services.kit import outbox
from services.kit.db import Connection
from services.kit.problems import NotFound
from services.uploads.facts import PhotoFacts
from services.uploads.models import State, leftovers, photos

UPLOAD_WITHIN = timedelta(minutes=10)
"""How long an address for the file, or for a part of it, is good; then there are fresh ones."""
ABANDONED_AFTER = timedelta(hours=24)
SWEEP_AFTER = timedelta(seconds=30)
"""How long whoever changed the state may take to remove the objects before the sweep does."""
LATE_WRITES_END_AFTER = timedelta(minutes=20)
"""An upload that started in time may still be running; so may a preparation."""

ORIGINALS = "originals/"
FILENAME_LENGTH_MAX = 255
CAPTION_LENGTH_MAX = 200
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
    caption: str | None
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
    preview_key: str | None
    frame_key: str | None
    blurhash: str | None
    quad_asked: list[Any] | None
    quad: list[Any] | None
    outline: dict[str, Any] | None
    accepted_version: int | None
    page_id: UUID | None
    created_at: datetime
    updated_at: datetime
    upload_expires_at: datetime
    sweep_at: datetime | None

    @property
    def original_key(self) -> str:
        """Where the upload lies. No part of it comes from the uploader."""
        return f"{ORIGINALS}{self.account_id}/{self.id}"

    @property
    def source_key(self) -> str:
        """The whole picture, which a master is made of and corners refer to."""
        return self.frame_key or self.master_key or self.original_key

    @property
    def made_keys(self) -> frozenset[str]:
        """What preparation made of it, as it is now."""
        made = (self.master_key, self.preview_key, self.thumbnail_key, self.frame_key)
        return frozenset(key for key in made if key)

    @property
    def keys_in_the_making(self) -> frozenset[str]:
        """Where its last preparation writes; it may die before it says so."""
        name = f"{self.account_id}/{self.id}"
        if self.accepted_version:
            name += f"-{self.accepted_version}"
        images = {f"previews/{name}.webp", f"thumbnails/{name}.webp"}
        return frozenset({f"masters/{name}.jpg", f"frames/{name}.jpg", *images})

    @property
    def keys_not_to_keep(self) -> frozenset[str]:
        """The objects that this state does not allow to exist."""
        if self.state in (State.BEGUN, State.ACCEPTED, State.READY):
            return frozenset({self.original_key} if self.made_keys else ())
        return frozenset({self.original_key}) | self.made_keys | self.keys_in_the_making


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


async def lock(connection: Connection, photo_id: UUID) -> Photo | None:
    """A photo, whoever's and however it ended, that nobody else changes meanwhile."""
    query = sa.select(*COLUMNS).where(photos.c.id == photo_id).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    return photo_of(row) if row else None


async def page(
    connection: Connection,
    *,
    account_id: UUID,
    state: State | None,
    before: UUID | None,
    limit: int,
    search: str | None = None,
) -> list[Photo]:
    """The photos of an account, newest first, from after `before` on.

    `search` leaves those whose caption or name contains these characters, in either case.
    """
    query = (
        sa.select(*COLUMNS)
        .where(photos.c.account_id == account_id, photos.c.state != State.DELETED)
        .order_by(photos.c.id.desc())
        .limit(limit)
    )
    if state:
        query = query.where(photos.c.state == state)
    if search:
        contains = (
            column.icontains(search, autoescape=True)
            for column in (photos.c.caption, photos.c.filename)
        )
        query = query.where(sa.or_(*contains))
    if before:
        query = query.where(photos.c.id < before)
    return [photo_of(row) for row in await connection.execute(query)]


async def parts(connection: Connection, *, page_id: UUID, split_key: str) -> list[Photo]:
    """What one request cut out of a page, in order."""
    query = sa.select(*COLUMNS).where(photos.c.page_id == page_id, photos.c.split_key == split_key)
    return [photo_of(row) for row in await connection.execute(query.order_by(photos.c.split_place))]


async def accept(
    connection: Connection,
    photo_id: UUID,
    *,
    facts: PhotoFacts,
    etag: str,
    quad: list[tuple[float, float]] | None,
) -> Photo | None:
    """The bytes are a photo; None if the photo is not waiting for them any more."""
    photo = await change(
        connection,
        photo_id,
        {State.BEGUN},
        state=State.ACCEPTED,
        etag=etag,
        size_bytes=facts.size_bytes,
        media_type=facts.media_type,
        width=facts.width,
        height=facts.height,
        quad_asked=quad,
        accepted_version=photos.c.version + 1,
        sweep_at=None,
    )
    if photo:
        await say_accepted(connection, photo)
    return photo


async def say_accepted(connection: Connection, photo: Photo) -> None:
    """Have the photo prepared, of what there is of it, along the corners that were asked for."""
    accepted = PhotoAccepted.model_validate(
        {
            "photo_id": photo.id,
            "account_id": photo.account_id,
            "version": photo.version,
            "object_key": photo.source_key,
            "media_type": photo.media_type,
            "size_bytes": photo.size_bytes,
            "width": photo.width,
            "height": photo.height,
            "quad": photo.quad_asked,
            # Of what was uploaded; what is made anew is made of a picture of our own.
            "etag": None if photo.made_keys else photo.etag,
            "sha256": None if photo.made_keys else photo.sha256_announced,
        }
    )
    await outbox.say(connection, accepted, about=photo.id)


async def reject(
    connection: Connection, photo_id: UUID, *, when: State, problem: dict[str, Any]
) -> Photo | None:
    """The photo cannot be used; None if it is not (any more) in the state it was judged in."""
    photo = await change(
        connection,
        photo_id,
        {when},
        state=State.REJECTED,
        problem=problem,
        sweep_at=in_(SWEEP_AFTER),
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


async def describe(
    connection: Connection, *, account_id: UUID, photo_id: UUID, caption: str | None
) -> Photo:
    """Write, or take away, the caption of a photo that is this account's and not deleted."""
    await find(connection, account_id=account_id, photo_id=photo_id)
    written = (caption and _visible(caption)) or None
    states = set(State) - {State.DELETED}
    photo = await change(connection, photo_id, states, caption=written)
    if photo is None:
        raise NotFound
    return photo


async def delete(connection: Connection, photo_id: UUID) -> Photo | None:
    """Nothing of the photo may stay, its name neither; None if it is deleted already."""
    return await _delete(connection, photo_id, set(State) - {State.DELETED}, abandoned=False)


async def abandon(connection: Connection, photo_id: UUID) -> Photo | None:
    """Its file did not come in time, so it is deleted; None if that is not so (any more)."""
    return await _delete(connection, photo_id, {State.BEGUN}, abandoned=True)


async def _delete(
    connection: Connection, photo_id: UUID, states: Collection[State], *, abandoned: bool
) -> Photo | None:
    photo = await change(
        connection,
        photo_id,
        states,
        state=State.DELETED,
        filename="",
        caption=None,
        sha256_announced=None,
        problem=None,
        blurhash=None,
        quad_asked=None,
        quad=None,
        outline=None,
        abandoned=abandoned,
        sweep_at=in_(SWEEP_AFTER),
    )
    if photo:
        await connection.execute(
            sa.update(leftovers)
            .where(leftovers.c.photo_id == photo_id)
            .values(remove_at=sa.func.now())
        )
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


def in_(time: timedelta) -> sa.ColumnElement[datetime]:
    """The moment so far from now, by the database's clock."""
    return sa.func.now() + time


def clean(filename: str) -> str:
    """The name as the uploader sees it, without characters that are not to be seen."""
    return _visible(filename)[:FILENAME_LENGTH_MAX] or "photo"


def _visible(text: str) -> str:
    shown = "".join(
        character
        for character in text
        if unicodedata.category(character) not in UNPRINTABLE and character not in REVERSING
    )
    return shown.strip()


def photo_of(row: sa.Row[Any]) -> Photo:
    """What `COLUMNS` of a row say."""
    columns = dict(row._mapping)  # noqa: SLF001  # its public name in SQLAlchemy
    return Photo(**columns | {"state": State(columns["state"])})


async def change(
    connection: Connection, photo_id: UUID, states: Collection[State], **values: Any
) -> Photo | None:
    """Change a photo that is in one of these states; None says that it is not."""
    changed = await connection.execute(
        sa.update(photos)
        .where(photos.c.id == photo_id, photos.c.state.in_(states))
        .values(version=photos.c.version + 1, updated_at=sa.func.now(), **values)
        .returning(*COLUMNS)
    )
    row = changed.one_or_none()
    return photo_of(row) if row else None
