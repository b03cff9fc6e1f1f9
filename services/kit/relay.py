"""The relay empties outboxes into RabbitMQ: `python -m services.kit.relay`.

Per schema there is one connection, which leads every shard whose advisory lock it gets; further
relays stand by and take over when that connection dies. Within a shard the messages about one
aggregate form a lane that is published strictly one after another; lanes run side by side. A row
is deleted only after the broker has confirmed it, so a crash can repeat messages but never lose
one: the inbox removes the repetitions.
"""

import asyncio
import random
import signal
from collections.abc import Sequence
from typing import Any

import structlog
import uvloop
from faststream.rabbit import RabbitBroker
from pydantic import SecretStr
from pydantic_settings import BaseSettings
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit import bus, failpoints, telemetry
from services.kit.db import create_unpooled_engine
from services.kit.outbox import SHARDS
from services.kit.settings import load

BATCH = 200
IDLE_S, BUSY_S, BUSY_FOR_S = 0.2, 0.01, 2.0
"""Who has just said something soon says more: then the pause between two looks is short."""

LEAD_RETRY_S = 2.0
ERROR_PAUSE_S = 1.0

log = structlog.get_logger()

_LOCK = text("select pg_try_advisory_lock(hashtext('outbox:' || current_schema()), :shard)")
_FETCH = text(
    """
    select id, event_id, aggregate_id, exchange, routing_key, created_at,
        cast(payload as text) as body, payload->>'type' as type,
        payload->>'correlationid' as correlation_id
    from outbox o
    where shard = any(:shards) and not exists (
        select from outbox earlier
        where earlier.attempts > 0 and earlier.aggregate_id = o.aggregate_id
          -- now(), not clock_timestamp(): it must not move while rows are compared.
          and earlier.id <= o.id and earlier.next_attempt_at > now()
    )
    order by id limit :batch
    """
)
_DONE = text("delete from outbox where id = any(:ids)")
_FAILED = text(
    """
    update outbox set attempts = attempts + 1, last_error = left(:error, 500),
        next_attempt_at = clock_timestamp() + least(power(2, attempts), 30) * interval '1 second'
    where id = :id
    """
)


class RelaySettings(BaseSettings):
    """Which outboxes to empty (schema → address), and where to."""

    relay_databases: dict[str, SecretStr]
    amqp_url: SecretStr


async def relay(url: str, broker: RabbitBroker, *, schema: str) -> None:
    """Empty one schema's outbox for ever, whatever dies meanwhile."""
    engine = create_unpooled_engine(url, name=f"{schema}-relay")
    while True:
        try:
            async with engine.connect() as connection:
                await _lead(connection, broker)
        except Exception as error:  # noqa: BLE001  # a killed Postgres raises from many families
            log.warning("relay.interrupted", schema=schema, error=repr(error)[:200])
            await asyncio.sleep(ERROR_PAUSE_S)


async def drain(connection: AsyncConnection, broker: RabbitBroker, shards: Sequence[int]) -> int:
    """Publish one batch of the shards this connection leads; the number of rows published."""
    found = await connection.execute(_FETCH, {"shards": list(shards), "batch": BATCH})
    lanes: dict[Any, list[Row[Any]]] = {}
    for row in found:
        lanes.setdefault(row.aggregate_id, []).append(row)
    if not lanes:
        return 0
    results = await asyncio.gather(*(_publish_lane(broker, lane) for lane in lanes.values()))
    await failpoints.reach("after_confirm_before_commit")
    done = [row_id for published, _ in results for row_id in published]
    if done:
        await connection.execute(_DONE, {"ids": done})
    for _, failure in results:
        if failure:
            await connection.execute(_FAILED, failure)
    return len(done)


async def _lead(connection: AsyncConnection, broker: RabbitBroker) -> None:
    loop = asyncio.get_running_loop()
    led: list[int] = []
    lead_again_at = busy_until = 0.0
    while True:
        if len(led) < SHARDS and loop.time() >= lead_again_at:
            led += [s for s in range(SHARDS) if s not in led and await _locks(connection, s)]
            lead_again_at = loop.time() + LEAD_RETRY_S * (0.5 + random.random())  # noqa: S311
            await failpoints.reach("on_relay_leads")
        if led and await drain(connection, broker, led):
            busy_until = loop.time() + BUSY_FOR_S
            continue
        pause_s = BUSY_S if loop.time() < busy_until else IDLE_S
        await asyncio.sleep(pause_s if led else LEAD_RETRY_S)


async def _locks(connection: AsyncConnection, shard: int) -> bool:
    return bool((await connection.execute(_LOCK, {"shard": shard})).scalar_one())


async def _publish_lane(
    broker: RabbitBroker, lane: Sequence[Row[Any]]
) -> tuple[list[int], dict[str, Any] | None]:
    published: list[int] = []
    for row in lane:
        try:
            await failpoints.reach("before_publish")
            await _publish(broker, row)
            await failpoints.reach("after_publish_before_mark")
        except Exception as error:  # noqa: BLE001  # whatever it is, the rest of the lane waits
            return published, {"id": row.id, "error": repr(error)}
        published.append(row.id)
    return published, None


async def _publish(broker: RabbitBroker, row: Row[Any]) -> None:
    await bus.publish(
        broker,
        row.body.encode(),
        exchange=row.exchange,
        routing_key=row.routing_key,
        message_id=str(row.event_id),
        message_type=row.type,
        correlation_id=row.correlation_id,
        timestamp=row.created_at,
    )


async def main() -> None:
    settings = load(RelaySettings)
    telemetry.configure_logs("relay")
    broker = bus.create_broker(settings.amqp_url.get_secret_value(), name="relay")
    stopped = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stopped.set)

    async def work() -> None:
        await bus.start(broker)
        async with asyncio.TaskGroup() as group:
            for schema, url in settings.relay_databases.items():
                group.create_task(relay(url.get_secret_value(), broker, schema=schema))

    working = asyncio.create_task(work())
    await asyncio.wait(
        (working, asyncio.create_task(stopped.wait())), return_when=asyncio.FIRST_COMPLETED
    )
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await broker.stop()


if __name__ == "__main__":
    uvloop.run(main())
