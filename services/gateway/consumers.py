"""The message door: every event that concerns a user becomes a row of the user's feed."""

import asyncio
from functools import partial
from uuid import UUID
from weakref import WeakValueDictionary

import structlog
from faststream.rabbit import RabbitBroker
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.catalog import EVENTS_HEARD
from contracts.message import Message
from services.gateway import feed, idempotency, nudges, sessions
from services.gateway.settings import ConsumerSettings
from services.kit import bus, failpoints, inbox
from services.kit.bus import Delivery
from services.kit.db import create_engine

QUEUE = "rk.gateway.events"
PREFETCH = 20
SWEEP_EVERY_S = 600

log = structlog.get_logger()


class Turns:
    """One at a time per account, in the order of arrival; different accounts side by side."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    def of(self, account_id: UUID) -> asyncio.Lock:
        """The account's turn, which exists for as long as somebody waits for it."""
        lock = self._locks.get(account_id)
        if lock is None:
            lock = self._locks[account_id] = asyncio.Lock()
        return lock


async def hear(broker: RabbitBroker, turns: Turns, message: Message, delivery: Delivery) -> None:
    """Write the event into the feed, then tell the streams."""
    account_id: UUID = message.account_id  # type: ignore[attr-defined]  # all that we hear have it
    async with turns.of(account_id), delivery.transaction() as connection:
        await feed.append(connection, account_id, message, time=delivery.envelope.time)
    await failpoints.reach("before_nudge")
    await nudges.send(broker, account_id)


def attach(broker: RabbitBroker, engine: AsyncEngine) -> None:
    """Listen to everything the gateway hears."""
    handler = partial(hear, broker, Turns())
    handlers: dict[type[Message], bus.Handler] = dict.fromkeys(EVENTS_HEARD["gateway"], handler)
    bus.listen(broker, engine, queue=QUEUE, prefetch=PREFETCH, handlers=handlers)


async def sweep(engine: AsyncEngine) -> None:
    """Delete what nobody may rely on any more."""
    for forget in (
        feed.forget_old,
        idempotency.forget_old,
        sessions.forget_old,
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
        await bus.run(broker)
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
