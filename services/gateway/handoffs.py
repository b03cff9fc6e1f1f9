"""Hand-offs: for a while a phone may add photos to an account, and nothing else.

    open ──30 photos──▶ full          open, full ──▶ expired | revoked

A place is taken before a photo is begun, by one `update`: of many phones at once none gets the
31st. The token is made of the hand-off's id and a secret, so that the same wish gets the same
token again though only its hash is stored. Nothing here commits: the caller owns the transaction.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal
from uuid import UUID

from sqlalchemy import text

from contracts.gateway.v1 import HandoffOpened, HandoffUsed
from contracts.message import Message
from contracts.uploads import v1 as uploads
from services.gateway.errors import HandoffClosed, TooManyHandoffs
from services.kit import outbox
from services.kit.db import Connection, uuid7
from services.kit.problems import NotFound

LIFETIME = timedelta(minutes=15)
FINISH_WITHIN = timedelta(minutes=5)
"""A photo that was begun in time may still be on its way when the hand-off expires."""
PHOTOS_MAX = 30
OPEN_MAX = 5
KEPT_HOURS = 24

TOKEN_PREFIX = "rkh_"
TOKEN_BYTES = 24
TOKEN_LENGTH = len(TOKEN_PREFIX) + TOKEN_BYTES * 4 // 3

STATES: Mapping[type[Message], str] = {
    uploads.PhotoAccepted: "accepted",
    uploads.PhotoReady: "ready",
    uploads.PhotoRejected: "rejected",
    uploads.PhotoDeleted: "deleted",
}
"""What the events about photos say of those that came by hand-off."""

State = Literal["open", "full", "expired", "revoked"]

_COLUMNS = f"""
    id, case when revoked_at is not null then 'revoked' when expires_at <= now() then 'expired'
        when photos_used >= {PHOTOS_MAX} then 'full' else 'open' end,
    {PHOTOS_MAX} - photos_used, created_at, opened_at, expires_at
"""
_IS_OPEN = "revoked_at is null and expires_at > now()"

# Two at once must not both see room for the last one.
_LOCK = text("select 1 from accounts where id = :account_id for no key update")
_COUNT = text(f"select count(*) from handoffs where account_id = :account_id and {_IS_OPEN}")  # noqa: S608
_BEGIN = text(
    f"""
    insert into handoffs (id, account_id, token_hash, expires_at)
    values (:id, :account_id, :token_hash, now() + :lifetime) returning {_COLUMNS}
    """  # noqa: S608
)
_FIND = text(f"select {_COLUMNS} from handoffs where id = :id and account_id = :account_id")  # noqa: S608
_OPEN = text(
    f"""
    select {_COLUMNS} from handoffs where account_id = :account_id and {_IS_OPEN} order by id desc
    """  # noqa: S608
)
_REVOKE = text(
    """
    update handoffs set revoked_at = coalesce(revoked_at, now())
    where id = :id and account_id = :account_id
    """
)
_RECOGNIZE = text(
    """
    select id, account_id, expires_at + :finish_within as ends_at from handoffs
    where token_hash = :token_hash and revoked_at is null and expires_at + :finish_within > now()
    """
)
_NOTE_OPENING = text(
    """
    update handoffs set opened_at = now() where id = :id and opened_at is null returning account_id
    """
)
_TAKE_PLACE = text(
    f"""
    update handoffs set photos_used = photos_used + 1
    where id = :id and photos_used < {PHOTOS_MAX} and {_IS_OPEN}
    """  # noqa: S608
)
_GIVE_BACK = text("update handoffs set photos_used = photos_used - 1 where id = :id")
_KEEP_PHOTO = text(
    """
    with photo as (
        insert into handoff_photos (photo_id, handoff_id) values (:photo_id, :id)
    )
    select account_id, :photos_max - photos_used as photos_left from handoffs where id = :id
    """
)
_HAS_PHOTO = text(
    "select 1 from handoff_photos where photo_id = :photo_id and handoff_id = :handoff_id"
)
_PHOTOS = text(
    """
    select handoff_id, photo_id, state from handoff_photos
    where handoff_id = any(:handoff_ids) order by photo_id
    """
)
# Locked in one order, so that two writers of the same photos cannot wait for each other.
_HANDED_OFF = text(
    """
    select photo_id, handoff_id from handoff_photos
    where photo_id = any(:photo_ids) order by photo_id for update
    """
)
_NOTE_STATE = text(
    """
    update handoff_photos set state = :state, version = :version
    where photo_id = :photo_id and version < :version
    """
)
_FORGET = text("delete from handoffs where expires_at < now() - make_interval(hours => :hours)")


@dataclass(frozen=True, slots=True)
class HandedPhoto:
    """A photo that came by hand-off, and what was last heard of it."""

    id: UUID
    state: str


@dataclass(frozen=True, slots=True)
class Handoff:
    """One hand-off as its account may see it."""

    id: UUID
    state: State
    photos_left: int
    created_at: datetime
    opened_at: datetime | None
    expires_at: datetime
    photos: tuple[HandedPhoto, ...] = ()


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whoever holds the token of a hand-off."""

    handoff_id: UUID
    account_id: UUID
    ends_at: datetime


def token_of(handoff_id: UUID, secret: str) -> str:
    """The token of a hand-off; it belongs into the address that the phone opens."""
    sealed = hmac.digest(secret.encode(), b"handoff:" + handoff_id.bytes, "sha256")
    return TOKEN_PREFIX + urlsafe_b64encode(sealed[:TOKEN_BYTES]).decode()


async def begin(connection: Connection, *, account_id: UUID, secret: str) -> Handoff:
    """Open a hand-off, unless the account has too many open ones."""
    await connection.execute(_LOCK, {"account_id": account_id})
    if (await connection.execute(_COUNT, {"account_id": account_id})).scalar_one() >= OPEN_MAX:
        raise TooManyHandoffs(open_max=OPEN_MAX)
    handoff_id = uuid7()
    values = {
        "id": handoff_id,
        "account_id": account_id,
        "token_hash": _hash(token_of(handoff_id, secret)),
        "lifetime": LIFETIME,
    }
    return Handoff(*(await connection.execute(_BEGIN, values)).one())


async def find(connection: Connection, *, account_id: UUID, handoff_id: UUID) -> Handoff:
    """One hand-off of the account with its photos, until it is forgotten."""
    values = {"id": handoff_id, "account_id": account_id}
    if (row := (await connection.execute(_FIND, values)).one_or_none()) is None:
        raise NotFound
    (found,) = await _with_photos(connection, [Handoff(*row)])
    return found


async def open_ones(connection: Connection, account_id: UUID) -> list[Handoff]:
    """The open hand-offs of an account, newest first; at most `OPEN_MAX`."""
    rows = await connection.execute(_OPEN, {"account_id": account_id})
    return await _with_photos(connection, [Handoff(*row) for row in rows])


async def revoke(connection: Connection, *, account_id: UUID, handoff_id: UUID) -> None:
    """End a hand-off now; ending one that is over is no error."""
    values = {"id": handoff_id, "account_id": account_id}
    if not (await connection.execute(_REVOKE, values)).rowcount:
        raise NotFound


async def recognize(connection: Connection, token: str) -> Bearer | None:
    """Whose hand-off a token opens, while it lasts. What is compared is hashes, by an index."""
    if len(token) != TOKEN_LENGTH:
        return None
    values = {"token_hash": _hash(token), "finish_within": FINISH_WITHIN}
    row = (await connection.execute(_RECOGNIZE, values)).one_or_none()
    return Bearer(row.id, row.account_id, row.ends_at) if row else None


async def note_opening(connection: Connection, handoff_id: UUID) -> None:
    """The phone is there; the first time, its account is told."""
    opened = await connection.execute(_NOTE_OPENING, {"id": handoff_id})
    if (account_id := opened.scalar_one_or_none()) is not None:
        event = HandoffOpened(handoff_id=handoff_id, account_id=account_id)
        await outbox.say(connection, event, about=handoff_id)


async def take_place(connection: Connection, handoff_id: UUID) -> None:
    """Take one of the places for photos, while there are any."""
    if not (await connection.execute(_TAKE_PLACE, {"id": handoff_id})).rowcount:
        raise HandoffClosed(photos_max=PHOTOS_MAX)


async def give_back_place(connection: Connection, handoff_id: UUID) -> None:
    """No photo came of it: somebody else may have the place."""
    await connection.execute(_GIVE_BACK, {"id": handoff_id})


async def keep_photo(connection: Connection, handoff_id: UUID, photo_id: UUID) -> None:
    """A photo was begun in a place; from now on it may be finished by the same hand-off."""
    values = {"id": handoff_id, "photo_id": photo_id, "photos_max": PHOTOS_MAX}
    row = (await connection.execute(_KEEP_PHOTO, values)).one()
    event = HandoffUsed(
        handoff_id=handoff_id,
        account_id=row.account_id,
        photo_id=photo_id,
        photos_left=row.photos_left,
    )
    await outbox.say(connection, event, about=handoff_id)


async def require_photo(connection: Connection, handoff_id: UUID, photo_id: UUID) -> None:
    """Refuse whatever was not begun through this very hand-off, as if it did not exist."""
    values = {"handoff_id": handoff_id, "photo_id": photo_id}
    if (await connection.execute(_HAS_PHOTO, values)).one_or_none() is None:
        raise NotFound


async def note_states(connection: Connection, heard: Sequence[Message]) -> dict[UUID, UUID]:
    """Remember what these events say of photos; which of them came by which hand-off."""
    told = [event for event in heard if type(event) in STATES]
    photo_ids = [event.photo_id for event in told]  # type: ignore[attr-defined]
    if not told:
        return {}
    rows = await connection.execute(_HANDED_OFF, {"photo_ids": photo_ids})
    handed_off = {row.photo_id: row.handoff_id for row in rows}
    changes = [
        {"photo_id": photo_id, "version": event.version, "state": STATES[type(event)]}  # type: ignore[attr-defined]
        for photo_id, event in zip(photo_ids, told, strict=True)
        if photo_id in handed_off
    ]
    if changes:
        await connection.execute(_NOTE_STATE, changes)
    return handed_off


async def forget_old(connection: Connection) -> int:
    """Delete hand-offs that ended long ago; the number of them."""
    return (await connection.execute(_FORGET, {"hours": KEPT_HOURS})).rowcount


async def _with_photos(connection: Connection, found: Sequence[Handoff]) -> list[Handoff]:
    rows = await connection.execute(_PHOTOS, {"handoff_ids": [handoff.id for handoff in found]})
    photos: dict[UUID, list[HandedPhoto]] = {handoff.id: [] for handoff in found}
    for row in rows:
        photos[row.handoff_id].append(HandedPhoto(row.photo_id, row.state))
    return [replace(handoff, photos=tuple(photos[handoff.id])) for handoff in found]


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()
