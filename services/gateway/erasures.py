"""Erase an account: what the gateway knows goes at once, what the services know as they hear of it.

    DELETE /v1/me ─▶ one transaction: rows deleted, tombstone, gateway.account.erased.v1
                       └─▶ uploads, processing, credits, billing ─▶ <service>.account.cleared.v1

The tombstone stays: an event that comes late finds it and leaves nothing. For a month it also knows
a hash of whose the account was, so that nobody gets the free credits of one month twice.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import structlog
from sqlalchemy import text

from contracts.billing import v1 as billing
from contracts.credits import v1 as credits_
from contracts.gateway.v1 import AccountErased
from contracts.message import Event
from contracts.processing import v1 as processing
from contracts.uploads import v1 as uploads
from services.gateway.errors import AccountWasErased
from services.kit import outbox
from services.kit.db import Connection
from services.kit.problems import NotFound

CLEARED: dict[type[Event], str] = {
    uploads.AccountCleared: "uploads",
    processing.AccountCleared: "processing",
    credits_.AccountCleared: "credits",
    billing.AccountCleared: "billing",
}
"""What each service says when nothing of an account is left there."""

ANEW_AFTER = timedelta(days=31)
"""Longer than a month: its free credits were given already."""

LATE_AFTER = timedelta(minutes=15)

log = structlog.get_logger()

_PERSON = text("select issuer, subject from accounts where id = :account_id for update")
_DELETE = (
    text("delete from accounts where id = :account_id"),  # and its sessions and hand-offs
    text("delete from feeds where account_id = :account_id"),
    text("delete from idempotency where account_id = :account_id"),
)
_MARK = text(
    "insert into erasures (account_id, person_hash, waiting_for)"
    " values (:account_id, :person_hash, :waiting_for) returning asked_at"
)
_ANEW_AT = text(
    "select max(asked_at) + cast(:after as interval) from erasures"
    " where person_hash = :person_hash and asked_at > now() - cast(:after as interval)"
)
_FORGET = text(
    "update erasures set waiting_for = array_remove(waiting_for, :service),"
    " finished_at = case when waiting_for <@ array[:service] then now() end"
    " where account_id = :account_id and finished_at is null returning finished_at"
)
_ERASED = text("select account_id from erasures where account_id = any(:account_ids)")
_FORGET_PEOPLE = text(
    "update erasures set person_hash = null"
    " where person_hash is not null and asked_at < now() - cast(:after as interval)"
)
_FORGET_LATE = text("delete from feeds where account_id in (select account_id from erasures)")
_LATE = text(
    "select account_id, waiting_for from erasures"
    " where finished_at is null and asked_at < now() - cast(:after as interval) limit 20"
)


async def erase(connection: Connection, account_id: UUID) -> datetime:
    """Forget who the account belonged to, and tell everybody; when that was."""
    person = (await connection.execute(_PERSON, {"account_id": account_id})).one_or_none()
    if person is None:
        raise NotFound
    for delete in _DELETE:
        await connection.execute(delete, {"account_id": account_id})
    marked = await connection.execute(
        _MARK,
        {
            "account_id": account_id,
            "person_hash": _hash(person.issuer, person.subject),
            "waiting_for": list(CLEARED.values()),
        },
    )
    await outbox.say(connection, AccountErased(account_id=account_id), about=account_id)
    asked_at: datetime = marked.scalar_one()
    return asked_at


async def require_no_traces(connection: Connection, *, issuer: str, subject: str) -> None:
    """Refuse to open an account for somebody who had one erased a short while ago."""
    asked = {"person_hash": _hash(issuer, subject), "after": ANEW_AFTER}
    if anew_at := (await connection.execute(_ANEW_AT, asked)).scalar_one_or_none():
        raise AccountWasErased(anew_at=anew_at)


async def note_cleared(connection: Connection, forgotten: Sequence[Event]) -> None:
    """Services say that nothing is left of accounts."""
    for message in forgotten:
        account_id: UUID = message.account_id  # type: ignore[attr-defined]
        told = {"account_id": account_id, "service": CLEARED[type(message)]}
        if (await connection.execute(_FORGET, told)).scalar_one_or_none():
            log.info("account.erased", account_id=str(account_id))


async def among(connection: Connection, account_ids: Collection[UUID]) -> set[UUID]:
    """Those of these accounts that were erased."""
    return set(await connection.scalars(_ERASED, {"account_ids": list(account_ids)}))


async def forget_old(connection: Connection) -> int:
    """Forget whose accounts were erased a month ago, and what came late; how many people."""
    await connection.execute(_FORGET_LATE)
    for late in await connection.execute(_LATE, {"after": LATE_AFTER}):
        log.error("erasure.late", account_id=str(late.account_id), waiting_for=late.waiting_for)
    return (await connection.execute(_FORGET_PEOPLE, {"after": ANEW_AFTER})).rowcount


def _hash(issuer: str, subject: str) -> bytes:
    return sha256(f"{issuer}\0{subject}".encode()).digest()
