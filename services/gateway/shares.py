"""Shares: for a while anybody who has the address may look at one job's before and after.

    open ──▶ expired | revoked          (a job has at most one that is open)

The token is made of the share's id and a secret, so that its owner can be shown the address again
though only its hash is stored. Nothing here commits: the caller owns the transaction.
"""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import text

from services.kit.db import Connection, uuid7
from services.kit.problems import NotFound

DAYS, DAYS_MAX = 30, 90
KEPT_DAYS = 30
"""How long an address that is over still says so, before nobody knows it."""

TOKEN_BYTES = 24
TOKEN_LENGTH = TOKEN_BYTES * 4 // 3

_COLUMNS = "id, job_id, created_at, expires_at"
_IS_OPEN = "revoked_at is null and expires_at > now()"

_CLOSE_EXPIRED = text(
    "update shares set revoked_at = expires_at"
    " where job_id = :job_id and revoked_at is null and expires_at <= now()"
)
# Of two at once the second finds the address of the first.
_SHARE = text(
    f"""
    insert into shares (id, account_id, job_id, token_hash, expires_at)
    values (:id, :account_id, :job_id, :token_hash, now() + :lifetime)
    on conflict (job_id) where revoked_at is null
    do update set expires_at = excluded.expires_at where shares.account_id = excluded.account_id
    returning {_COLUMNS}
    """  # noqa: S608
)
_FIND = text(
    f"""
    select {_COLUMNS} from shares
    where job_id = :job_id and account_id = :account_id and {_IS_OPEN}
    """  # noqa: S608
)
_REVOKE = text(
    """
    update shares set revoked_at = now()
    where job_id = :job_id and account_id = :account_id and revoked_at is null
    """
)
_LOOK_UP = text(
    f"select account_id, job_id, {_IS_OPEN} as is_open from shares where token_hash = :token_hash"  # noqa: S608
)
_FORGET = text(
    "delete from shares where least(expires_at, revoked_at) < now() - make_interval(days => :days)"
)


@dataclass(frozen=True, slots=True)
class Share:
    """One open share as its owner may see it."""

    id: UUID
    job_id: UUID
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Shared:
    """What an address leads to; when it is over (`is_open`), only that it was one."""

    account_id: UUID
    job_id: UUID
    is_open: bool


def token_of(share_id: UUID, secret: str) -> str:
    """What makes the address of a share unguessable: 192 bits."""
    sealed = hmac.digest(secret.encode(), b"share:" + share_id.bytes, "sha256")
    return urlsafe_b64encode(sealed[:TOKEN_BYTES]).decode()


async def share(
    connection: Connection, *, account_id: UUID, job_id: UUID, days: int, secret: str
) -> Share:
    """The open share of a job, begun if there is none; it ends in so many days from now on."""
    await connection.execute(_CLOSE_EXPIRED, {"job_id": job_id})
    share_id = uuid7()
    values = {
        "id": share_id,
        "account_id": account_id,
        "job_id": job_id,
        "token_hash": _hash(token_of(share_id, secret)),
        "lifetime": timedelta(days=days),
    }
    return Share(*(await connection.execute(_SHARE, values)).one())


async def find(connection: Connection, *, account_id: UUID, job_id: UUID) -> Share:
    """The open share of a job, or `NotFound`."""
    values = {"account_id": account_id, "job_id": job_id}
    if (row := (await connection.execute(_FIND, values)).one_or_none()) is None:
        raise NotFound
    return Share(*row)


async def revoke(connection: Connection, *, account_id: UUID, job_id: UUID) -> None:
    """End the sharing of a job now; ending what is over is no error."""
    await connection.execute(_REVOKE, {"account_id": account_id, "job_id": job_id})


async def look_up(connection: Connection, token: str) -> Shared | None:
    """What a token leads to, if anything ever. What is compared is hashes, by an index."""
    if len(token) != TOKEN_LENGTH:
        return None
    row = (await connection.execute(_LOOK_UP, {"token_hash": _hash(token)})).one_or_none()
    return Shared(*row) if row else None


async def forget_old(connection: Connection) -> int:
    """Delete shares that ended long ago; the number of them."""
    return (await connection.execute(_FORGET, {"days": KEPT_DAYS})).rowcount


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()
