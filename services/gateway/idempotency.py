"""Idempotency records: one attempt of the caller has one answer, however often it is sent.

    (none) ──claim──▶ in flight ──keep──▶ answered ──24 h──▶ (none)
                          │
                          └──give up (no answer, or 5xx)──▶ (none): the same key continues

A claim that outlives `CLAIM_S` belonged to a process that died; the same request may take it over.
"""

import json
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from sqlalchemy import text

from services.gateway.errors import IdempotencyKeyReused, RequestInFlight
from services.kit.db import Connection

KEPT_HOURS = 24
CLAIM_S = 60
"""Longer than any request to us can take: connect, ask for the photos, ask for the job."""
RETRY_AFTER_S = 1

_CLAIM = text(
    """
    insert into idempotency as known (account_id, route, key, body_hash)
    values (:account_id, :route, :key, :body_hash)
    on conflict (account_id, route, key) do update
        set body_hash = excluded.body_hash, created_at = now(),
            status = null, headers = null, body = null
        where known.created_at < now() - make_interval(hours => :kept_hours)
           or (known.status is null and known.body_hash = excluded.body_hash
               and known.created_at < now() - make_interval(secs => :claim_s))
    returning 1
    """
)
_WHERE = "where account_id = :account_id and route = :route and key = :key"
_READ = text(f"select body_hash, status, headers, body from idempotency {_WHERE}")  # noqa: S608
_KEEP = text(
    f"""
    update idempotency set status = :status, headers = cast(:headers as jsonb), body = :body
    {_WHERE} and status is null
    """  # noqa: S608
)
_GIVE_UP = text(f"delete from idempotency {_WHERE} and status is null")  # noqa: S608
_FORGET = text(
    "delete from idempotency where created_at < now() - make_interval(hours => :kept_hours)"
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the caller does, under the caller's own name for it."""

    account_id: UUID
    route: str
    key: str

    def row(self) -> dict[str, object]:
        """The key of its record."""
        return {"account_id": self.account_id, "route": self.route, "key": self.key}


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What the first request was told."""

    status: int
    headers: dict[str, str]
    body: bytes


async def claim(connection: Connection, attempt: Attempt, *, body: bytes) -> StoredAnswer | None:
    """Take the attempt for this request, or give the answer the first one got."""
    body_hash = sha256(body).digest()
    limits = {"kept_hours": KEPT_HOURS, "claim_s": CLAIM_S}
    claimed = await connection.execute(_CLAIM, attempt.row() | limits | {"body_hash": body_hash})
    if claimed.one_or_none():
        return None
    known = (await connection.execute(_READ, attempt.row())).one_or_none()
    if known is None:  # given up between the two statements
        raise RequestInFlight(retry_after_s=RETRY_AFTER_S)
    if known.body_hash != body_hash:
        raise IdempotencyKeyReused
    if known.status is None:
        raise RequestInFlight(retry_after_s=RETRY_AFTER_S)
    return StoredAnswer(known.status, known.headers, known.body)


async def keep(connection: Connection, attempt: Attempt, answer: StoredAnswer) -> None:
    """Remember the answer for whoever sends the same again."""
    values = {
        "status": answer.status,
        "headers": json.dumps(answer.headers),
        "body": answer.body,
    }
    await connection.execute(_KEEP, attempt.row() | values)


async def give_up(connection: Connection, attempt: Attempt) -> None:
    """Forget the claim: there is no answer worth repeating."""
    await connection.execute(_GIVE_UP, attempt.row())


async def forget_old(connection: Connection) -> int:
    """Delete records nobody may rely on any more; the number of them."""
    return (await connection.execute(_FORGET, {"kept_hours": KEPT_HOURS})).rowcount
