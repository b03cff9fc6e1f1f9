"""Messages written in the caller's transaction; the relay publishes them after it commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text

from contracts.message import Command, Envelope, Event, Message
from services.kit import failpoints, telemetry
from services.kit.db import Connection, uuid7
from services.kit.problems import Unavailable

EVENTS, COMMANDS = "rk.events", "rk.commands"

SHARDS = 8

ROWS_MAX = 20_000
"""A broker that is away for long leaves so many messages here before new work is refused."""

DDL = (
    f"""
    create table outbox (
        id bigint generated always as identity primary key,
        event_id uuid not null unique,
        aggregate_id uuid not null,
        -- The last digits: the first ones of a UUIDv7 are time and would fill one shard only.
        shard smallint not null generated always as
            ((('x' || substr(aggregate_id::text, 35, 2))::bit(8)::int) % {SHARDS}) stored,
        exchange text not null,
        routing_key text not null,
        payload jsonb not null,
        created_at timestamptz not null default clock_timestamp(),
        attempts int not null default 0,
        next_attempt_at timestamptz not null default clock_timestamp(),
        last_error text
    )
    """,
    "create index outbox_shard_id on outbox (shard, id)",
    # Rows live for milliseconds: vacuum by count, never by share of the table.
    """
    alter table outbox set (
        autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, fillfactor = 70
    )
    """,
)

FAILED_INDEX = "create index outbox_failed on outbox (aggregate_id, id) where attempts > 0"
"""Hardly any row is in it: the relay looks there for what holds back the rest of a lane."""

# In the order of the saying: that is the order in which one aggregate's are published.
_INSERT = text(
    """
    insert into outbox (event_id, aggregate_id, exchange, routing_key, payload)
    select event_id, aggregate_id, exchange, routing_key, cast(payload as jsonb)
    from unnest(
        cast(:event_ids as uuid[]), cast(:aggregate_ids as uuid[]), cast(:exchanges as text[]),
        cast(:routing_keys as text[]), cast(:payloads as text[])
    ) with ordinality said(event_id, aggregate_id, exchange, routing_key, payload, number)
    order by number
    """
)

_IS_FULL = text("select 1 from outbox offset :rows_max limit 1")


async def require_room(connection: Connection) -> None:
    """Refuse to begin something new while too much waits to be published; what began goes on."""
    if (await connection.execute(_IS_FULL, {"rows_max": ROWS_MAX})).first():
        raise Unavailable(
            "More is waiting here than we can work off. Nothing was begun; try again in a minute.",
            retry_after_s=60,
        )


@dataclass(frozen=True, slots=True)
class Said:
    """A message on its way into the outbox."""

    envelope: Envelope
    about: UUID
    exchange: str
    routing_key: str


def event(message: Event, *, about: UUID, cause: telemetry.Cause | None = None) -> Said:
    """An event, said because of `cause`, or of the work at hand."""
    return _said(message, about=about, exchange=EVENTS, routing_key=message.type, cause=cause)


def command(
    message: Command, *, about: UUID, queue: str, cause: telemetry.Cause | None = None
) -> Said:
    """A command for a queue, given because of `cause`, or of the work at hand."""
    return _said(message, about=about, exchange=COMMANDS, routing_key=queue, cause=cause)


async def say(connection: Connection, message: Event, *, about: UUID) -> None:
    """Publish an event if, and only if, this transaction commits.

    Messages about the same aggregate are published in the order they were said.
    """
    await write(connection, [event(message, about=about)])


async def order(connection: Connection, message: Command, *, about: UUID, queue: str) -> None:
    """Put a command on `queue` if, and only if, this transaction commits."""
    await write(connection, [command(message, about=about, queue=queue)])


async def write(connection: Connection, said: Sequence[Said]) -> None:
    """Publish all of this, in this order, if and only if the transaction commits."""
    if not said:
        return
    rows = {
        "event_ids": [one.envelope.id for one in said],
        "aggregate_ids": [one.about for one in said],
        "exchanges": [one.exchange for one in said],
        "routing_keys": [one.routing_key for one in said],
        "payloads": [one.envelope.model_dump_json() for one in said],
    }
    await failpoints.reach("before_outbox_insert")
    await connection.execute(_INSERT, rows)
    await failpoints.reach("after_outbox_insert")


def _said(
    message: Message,
    *,
    about: UUID,
    exchange: str,
    routing_key: str,
    cause: telemetry.Cause | None,
) -> Said:
    cause = cause or telemetry.current_cause()
    envelope = Envelope(
        id=uuid7(),
        source=f"/rekindle/{message.type.partition('.')[0]}",
        type=message.type,
        time=datetime.now(UTC),
        subject=str(about),
        correlationid=cause.correlation_id,
        causationid=cause.message_id,
        traceparent=telemetry.current_traceparent() or cause.traceparent,
        data=message.model_dump(mode="json"),
    )
    return Said(envelope, about, exchange, routing_key)
