"""Sessions of browsers: a random value in a cookie, and its hash in a row."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import text

from services.kit.db import Connection

LIFETIME = timedelta(days=7)
VALUE_BYTES = 32
VALUE_LENGTH_MAX = 64

_BEGIN = text(
    "insert into sessions (value_hash, account_id, subject, expires_at)"
    " values (:value_hash, :account_id, :subject, :expires_at)"
)
_FIND = text(
    "select account_id, expires_at from sessions"
    " where value_hash = :value_hash and expires_at > now()"
)
_END = text("delete from sessions where value_hash = :value_hash")
_FORGET = text("delete from sessions where expires_at < now()")


@dataclass(frozen=True, slots=True)
class Session:
    """A browser in which somebody is signed in."""

    account_id: UUID
    expires_at: datetime


async def begin(connection: Connection, *, account_id: UUID, subject: str) -> str:
    """Start a session; the value belongs into the browser's cookie and nowhere else."""
    value = secrets.token_urlsafe(VALUE_BYTES)
    await connection.execute(
        _BEGIN,
        {
            "value_hash": _hash(value),
            "account_id": account_id,
            "subject": subject,
            "expires_at": datetime.now(UTC) + LIFETIME,
        },
    )
    return value


async def find(connection: Connection, value: str) -> Session | None:
    """The session a cookie stands for, while it lasts."""
    if len(value) > VALUE_LENGTH_MAX:
        return None
    row = (await connection.execute(_FIND, {"value_hash": _hash(value)})).one_or_none()
    return Session(row.account_id, row.expires_at) if row else None


async def end(connection: Connection, value: str) -> None:
    """End a session; ending one that is over is no error."""
    await connection.execute(_END, {"value_hash": _hash(value)})


async def forget_old(connection: Connection) -> int:
    """Delete the rows of sessions that are over; the number of them."""
    return (await connection.execute(_FORGET)).rowcount


def _hash(value: str) -> bytes:
    return sha256(value.encode()).digest()
