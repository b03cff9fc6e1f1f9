"""Messages written in the caller's transaction; the relay publishes them after it commits."""

import json
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

_INSERT = text(
    "insert into outbox (event_id, aggregate_id, exchange, routing_key, payload)"
    " values (:event_id, :aggregate_id, :exchange, :routing_key, cast(:payload as jsonb))"
)

_IS_FULL = text("select 1 from outbox offset :rows_max limit 1")


async def require_room(connection: Connection) -> None:
    """Refuse to begin something new while too much waits to be published; what began goes on."""
    if (await connection.execute(_IS_FULL, {"rows_max": ROWS_MAX})).first():
        raise Unavailable(
            "More is waiting here than we can work off. Nothing was begun; try again in a minute.",
            retry_after_s=60,
        )


async def say(connection: Connection, event: Event, *, about: UUID) -> None:
    """Publish `event` if, and only if, this transaction commits.

    Messages about the same aggregate are published in the order they were said.
    """
    await _write(connection, event, about=about, exchange=EVENTS, routing_key=event.type)


async def order(connection: Connection, command: Command, *, about: UUID, queue: str) -> None:
    """Put `command` on `queue` if, and only if, this transaction commits."""
    await _write(connection, command, about=about, exchange=COMMANDS, routing_key=queue)


async def _write(
    connection: Connection, message: Message, *, about: UUID, exchange: str, routing_key: str
) -> None:
    cause = telemetry.current_cause()
    envelope = Envelope(
        id=uuid7(),
        source=f"/rekindle/{message.type.partition('.')[0]}",
        type=message.type,
        time=datetime.now(UTC),
        subject=str(about),
        correlationid=cause.correlation_id,
        causationid=cause.message_id,
        traceparent=telemetry.current_traceparent(),
        data=message.model_dump(mode="json"),
    )
    await failpoints.reach("before_outbox_insert")
    await connection.execute(
        _INSERT,
        {
            "event_id": envelope.id,
            "aggregate_id": about,
            "exchange": exchange,
            "routing_key": routing_key,
            "payload": json.dumps(envelope.model_dump(mode="json")),
        },
    )
    await failpoints.reach("after_outbox_insert")
