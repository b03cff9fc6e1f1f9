"""The message door: every event that concerns a user becomes a row of the user's feed.

Of all messages most come here, so those that arrive together become rows together.
"""

import asyncio
from collections.abc import Sequence

import structlog
from faststream.rabbit import RabbitBroker
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.catalog import EVENTS_HEARD
from services.gateway import erasures, feed, handoffs, idempotency, nudges, sessions, shares
from services.gateway.settings import ConsumerSettings
from services.kit import bus, consuming, failpoints, inbox, together
from services.kit.db import Connection, create_engine
from services.kit.together import Heard

QUEUE = "rk.gateway.events"
PREFETCH = 50
SWEEP_EVERY_S = 600

log = structlog.get_logger()


def attach(broker: RabbitBroker, engine: AsyncEngine) -> None:
    """Listen to everything the gateway hears."""

    async def append(connection: Connection, heard: Sequence[Heard]) -> None:
        """Write events into the feeds; whoever streams one is told when that is committed."""
        messages = [message for message, _ in heard]
        forgotten = [message for message in messages if type(message) in erasures.CLEARED]
        await erasures.note_cleared(connection, forgotten)
        erased = await erasures.among(connection, {feed.account_of(one) for one in messages})
        handed_off = await handoffs.note_states(connection, messages)
        told = [
            (message, delivery.envelope.time)
            for message, delivery in heard
            if feed.account_of(message) not in erased
        ]
        await feed.append(connection, told, handed_off=handed_off)

    async def nudge(heard: Sequence[Heard]) -> None:
        await failpoints.reach("before_nudge")
        await nudges.send(broker, {feed.account_of(message) for message, _ in heard})

    together.listen(
        broker,
        engine,
        queue=QUEUE,
        prefetch=PREFETCH,
        messages=EVENTS_HEARD["gateway"],
        act=append,
        then=nudge,
    )


async def sweep(engine: AsyncEngine) -> None:
    """Delete what nobody may rely on any more."""
    for forget in (
        feed.forget_old,
        idempotency.forget_old,
        sessions.forget_old,
        handoffs.forget_old,
        shares.forget_old,
        erasures.forget_old,
        inbox.forget_old,
    ):
        async with engine.begin() as connection:
            if forgotten := await forget(connection):
                log.info("sweep.forgot", what=forget.__module__, rows=forgotten)


async def run(settings: ConsumerSettings) -> None:
    """The whole consumer process."""
    engine = create_engine(
        settings.database_url.get_secret_value(),
        name="gateway-consumer",
        pool_size=settings.database_pool_size,
    )
    broker = bus.create_broker(settings.amqp_url.get_secret_value(), name="gateway-consumer")
    attach(broker, engine)
    sweeping = asyncio.create_task(_sweep_for_ever(engine))
    try:
        await consuming.run(broker)
    finally:
        sweeping.cancel()
        await engine.dispose()


async def _sweep_for_ever(engine: AsyncEngine) -> None:
    while True:
        try:
            await sweep(engine)
        except Exception as error:  # noqa: BLE001  # a killed Postgres raises from many families
            log.warning("sweep.interrupted", error=repr(error)[:200])
        await asyncio.sleep(SWEEP_EVERY_S)
