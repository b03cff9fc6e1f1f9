"""A memory of the messages a service has acted on, so that redelivery is harmless."""

from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.message import Envelope
from services.kit import failpoints, telemetry
from services.kit.db import Connection

Claim = tuple[str, UUID]
"""The queue that a message came by, and its id."""

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

# In one order, so that two who claim the same messages cannot wait for each other.
_CLAIM = text(
    """
    insert into inbox (consumer, event_id)
    select consumer, event_id
    from unnest(cast(:consumers as text[]), cast(:event_ids as uuid[])) claim(consumer, event_id)
    order by consumer, event_id
    on conflict do nothing returning consumer, event_id
    """
)
_FORGET = text("delete from inbox where received_at < now() - make_interval(days => :days)")


class AlreadyHandled(Exception):  # noqa: N818  # not a fault: the message is acknowledged
    """The inbox knows this message; there is nothing to do."""


class Delivery:
    """One arrival of a message, and the transactions its handler may use."""

    def __init__(self, engine: AsyncEngine, consumer: str, envelope: Envelope) -> None:
        self.engine, self.consumer, self.envelope = engine, consumer, envelope

    @property
    def cause(self) -> telemetry.Cause:
        """What is done, and said, because of this message."""
        envelope = self.envelope
        return telemetry.Cause(envelope.correlationid, envelope.id, envelope.traceparent)

    @property
    def claim(self) -> Claim:
        """What the inbox remembers of it."""
        return self.consumer, self.envelope.id

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """The transaction that acts on this message, once: it claims the inbox row first."""
        async with self.engine.begin() as connection:
            if not await claim(connection, [self.claim]):
                raise AlreadyHandled
            yield connection
            await failpoints.reach("after_effect_before_commit")


async def claim(connection: Connection, claims: Collection[Claim]) -> set[Claim]:
    """Take messages for this transaction; those that were not handled before.

    A second delivery that arrives at the same time waits here until the first has committed.
    """
    wanted = {
        "consumers": [consumer for consumer, _ in claims],
        "event_ids": [event_id for _, event_id in claims],
    }
    claimed = await connection.execute(_CLAIM, wanted)
    await failpoints.reach("after_inbox_insert")
    return {(row.consumer, row.event_id) for row in claimed}


async def forget_old(connection: Connection) -> int:
    """Delete claims nobody can redeliver any more; the number of them."""
    return (await connection.execute(_FORGET, {"days": KEPT_DAYS})).rowcount


class Intake:
    """What one queue has handed to this process."""

    def __init__(self) -> None:
        self.heard = 0
        self.in_hand = 0

    @contextmanager
    def taking(self) -> Iterator[None]:
        """While one message is worked on."""
        self.heard += 1
        self.in_hand += 1
        try:
            yield
        finally:
            self.in_hand -= 1
