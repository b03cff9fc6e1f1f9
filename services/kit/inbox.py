"""A memory of the messages a service has acted on, so that redelivery is harmless."""

from uuid import UUID

from sqlalchemy import text

from services.kit.db import Connection

KEPT_DAYS = 21
"""Longer than a dead letter is kept (14 days) and may be replayed."""

DDL = (
    """
    create table inbox (
        consumer text not null,
        event_id uuid not null,
        received_at timestamptz not null default now(),
        primary key (consumer, event_id)
    )
    """,
    "create index inbox_received_at on inbox (received_at)",
)

_CLAIM = text(
    "insert into inbox (consumer, event_id) values (:consumer, :event_id)"
    " on conflict do nothing returning 1"
)
_FORGET = text("delete from inbox where received_at < now() - make_interval(days => :days)")


async def claim(connection: Connection, *, consumer: str, event_id: UUID) -> bool:
    """Take a message for this transaction; False if it was handled before.

    A second delivery that arrives at the same time waits here until the first has committed.
    """
    claimed = await connection.execute(_CLAIM, {"consumer": consumer, "event_id": event_id})
    return claimed.one_or_none() is not None


async def forget_old(connection: Connection) -> int:
    """Delete claims nobody can redeliver any more; the number of them."""
    return (await connection.execute(_FORGET, {"days": KEPT_DAYS})).rowcount
