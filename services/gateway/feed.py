"""The user's event feed: what happened to their photos, jobs and credits, numbered without gaps.

Replay and live use the same query, so that nothing can fall between them. What is shown is named
field by field: an event may gain an internal field without anyone seeing it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.billing import v1 as billing
from contracts.credits import v1 as credits_
from contracts.gateway import v1 as gateway
from contracts.message import Message
from contracts.processing import v1 as processing
from contracts.uploads import v1 as uploads
from services.kit.coalescing import Coalesced
from services.kit.db import Connection

KEPT_DAYS = 7
PAGE = 500
READ_TOGETHER_MAX = 100
CLEARED_AT_ONCE_MAX = 5_000

_PHOTO = ("photo_id", "version")
_JOB = ("job_id", "batch_id", "version")
_BALANCE = ("version", "amount", "available")
_EXPLAINED = (*_BALANCE, "reason")
_HOLD = (*_BALANCE, "job_id")

SHOWN: dict[type[Message], tuple[str, ...]] = {
    gateway.HandoffOpened: ("handoff_id",),
    gateway.HandoffUsed: ("handoff_id", "photo_id", "photos_left"),
    uploads.PhotoAccepted: (*_PHOTO, "media_type", "size_bytes", "width", "height"),
    uploads.PhotoRejected: (*_PHOTO, "code", "detail"),
    uploads.PhotoReady: (*_PHOTO, "width", "height", "blurhash", "quad", "outline"),
    uploads.PhotoDeleted: _PHOTO,
    processing.JobQueued: (*_JOB, "job_kind", "price", "tier", "photo_ids"),
    processing.JobStarted: (*_JOB, "attempt"),
    processing.JobChecking: _JOB,
    processing.JobCompleted: (*_JOB, "job_kind", "price", "width", "height", "engine"),
    processing.JobFailed: (*_JOB, "code", "detail"),
    processing.JobCancelled: _JOB,
    processing.AccountPaused: ("tier", "reason"),
    processing.AccountResumed: ("tier", "reason"),
    processing.BatchFinished: ("batch_id", "jobs", "completed", "spent"),
    credits_.BalanceGranted: _EXPLAINED,
    credits_.BalanceRevoked: _EXPLAINED,
    credits_.BalanceRestored: _EXPLAINED,
    credits_.BalanceOwed: _EXPLAINED,
    credits_.BalanceRepaid: _EXPLAINED,
    credits_.BalanceBlocked: _EXPLAINED,
    credits_.BalanceUnblocked: _EXPLAINED,
    credits_.BalanceForfeited: _EXPLAINED,
    credits_.HoldPlaced: _HOLD,
    credits_.BatchPlaced: (*_BALANCE, "batch_id", "jobs"),
    credits_.HoldCaptured: _HOLD,
    credits_.HoldReleased: _HOLD,
    credits_.HoldExpired: _HOLD,
    credits_.HoldRefunded: (*_HOLD, "reason"),
    billing.PlanChanged: ("version", "plan", "tier", "credits_monthly"),
    billing.PaymentMissed: ("plan", "reason", "detail"),
}

# Counters are locked in one order, so that two writers of the same accounts cannot wait for each
# other; the numbers within an account follow the order of the events given.
_APPEND = text(
    """
    with heard as (
        select *, row_number() over (partition by account_id order by number) as nth
        from unnest(
            cast(:account_ids as uuid[]), cast(:types as text[]), cast(:times as timestamptz[]),
            cast(:payloads as text[])
        ) with ordinality heard(account_id, type, time, payload, number)
    ), counted as (
        insert into feeds as feed (account_id, last_seq)
        select account_id, count(*) from heard group by account_id order by account_id
        on conflict (account_id) do update set last_seq = feed.last_seq + excluded.last_seq
        returning account_id, last_seq
    )
    insert into user_events (account_id, seq, type, time, payload)
    select account_id, last_seq - (count(*) over (partition by account_id)) + nth, type, time,
        cast(payload as jsonb)
    from heard join counted using (account_id)
    """
)
_LAST = text("select last_seq from feeds where account_id = :account_id")
_NEXT = text("select min(seq) from user_events where account_id = :account_id and seq > :seen")
_READ = text(
    """
    select asked.number, event.seq, event.type, event.time, event.payload
    from unnest(cast(:account_ids as uuid[]), cast(:afters as bigint[]))
        with ordinality asked(account_id, after, number)
    cross join lateral (
        select seq, type, time, payload from user_events
        where account_id = asked.account_id and seq > asked.after order by seq limit :page
    ) event
    order by asked.number, event.seq
    """
)
_FORGET = text(
    """
    delete from user_events where (account_id, seq) in (
        select account_id, seq from user_events
        where recorded_at < now() - make_interval(days => :days)
        order by recorded_at limit :at_once for update skip locked
    )
    """
)


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One row of the feed."""

    seq: int
    type: str
    time: datetime
    data: dict[str, Any]


Reader = Coalesced[tuple[UUID, int], list[FeedEvent]]
"""What follows a number in the feed of an account, read together with what others ask for."""


def name_of(message: type[Message]) -> str:
    """What users call an event: `processing.job.completed.v1` without its version."""
    return message.type.rpartition(".")[0]


def shown(message: Message, handoff_id: UUID | None = None) -> str:
    """What the user may see of an event, as JSON; of a photo also by which hand-off it came."""
    fields = set(SHOWN[type(message)])
    if handoff_id is None:
        return message.model_dump_json(include=fields)
    document = message.model_dump(mode="json", include=fields)
    return json.dumps(document | {"handoff_id": str(handoff_id)})


def account_of(message: Message) -> UUID:
    """Whose feed an event belongs to; all that the gateway hears says so."""
    account_id: UUID = message.account_id  # type: ignore[attr-defined]
    return account_id


async def append(
    connection: Connection,
    heard: Sequence[tuple[Message, datetime]],
    *,
    handed_off: Mapping[UUID, UUID] | None = None,
) -> None:
    """Add events to the feeds of their accounts, in this order.

    `handed_off` names the photos that came by hand-off, and by which.
    Writers of one account wait for one another, so that a higher number is never visible first.
    """
    rows = {
        "account_ids": [account_of(message) for message, _ in heard],
        "types": [name_of(type(message)) for message, _ in heard],
        "times": [time for _, time in heard],
        "payloads": [shown(message, _came_by(message, handed_off or {})) for message, _ in heard],
    }
    await connection.execute(_APPEND, rows)


async def place(connection: Connection, account_id: UUID, *, seen: int | None) -> tuple[int, bool]:
    """After which number to read on, and whether what follows `seen` is gone.

    Without `seen`, and when something is missing, reading starts with what happens next.
    """
    found = await connection.execute(_LAST, {"account_id": account_id})
    last = int(found.scalar_one_or_none() or 0)
    if seen is None or seen == last:
        return last, False
    kept = await connection.execute(_NEXT, {"account_id": account_id, "seen": seen})
    # Numbers have no gaps, so a gap is what was deleted; a number of the future is not ours.
    if seen > last or kept.scalar_one() != seen + 1:
        return last, True
    return seen, False


async def read(connection: Connection, account_id: UUID, *, after: int) -> list[FeedEvent]:
    """The next events after a number, oldest first, at most a page of them."""
    return (await read_all(connection, [(account_id, after)]))[0]


async def read_all(
    connection: Connection, asked: Sequence[tuple[UUID, int]]
) -> list[list[FeedEvent]]:
    """For each account the next events after its number, as `read` gives them."""
    parameters = {
        "account_ids": [account_id for account_id, _ in asked],
        "afters": [after for _, after in asked],
        "page": PAGE,
    }
    found: list[list[FeedEvent]] = [[] for _ in asked]
    for row in await connection.execute(_READ, parameters):
        found[row.number - 1].append(FeedEvent(row.seq, row.type, row.time, row.payload))
    return found


def reader(engine: AsyncEngine) -> Reader:
    """Read for many streams at once: a nudge may wake thousands, and they all look."""

    async def together(asked: Sequence[tuple[UUID, int]]) -> list[list[FeedEvent]]:
        async with engine.connect() as connection:
            return await read_all(connection, asked)

    return Coalesced(together, size_max=READ_TOGETHER_MAX)


async def forget_old(connection: Connection) -> int:
    """Delete one batch of events older than we promise to keep; the number of them."""
    limits = {"days": KEPT_DAYS, "at_once": CLEARED_AT_ONCE_MAX}
    return (await connection.execute(_FORGET, limits)).rowcount


def _came_by(message: Message, handed_off: Mapping[UUID, UUID]) -> UUID | None:
    photo_id = getattr(message, "photo_id", None)
    return handed_off.get(photo_id) if photo_id else None
