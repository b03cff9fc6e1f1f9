"""What the tests of the bus need: a broker, envelopes, and a look into queues."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from faststream.rabbit import RabbitBroker
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import AccountOpened
from contracts.message import Envelope
from services.kit import bus
from services.kit.db import uuid7

QUEUE = "rk.billing.events"
DEAD = "rk.dead.billing"


def account_opened(account_id: UUID | None = None) -> Envelope:
    """An event that the queue under test is bound to."""
    account_id = account_id or uuid4()
    return Envelope(
        id=uuid7(),
        source="/rekindle/gateway",
        type=AccountOpened.type,
        time=datetime.now(UTC),
        subject=str(account_id),
        correlationid=uuid4(),
        data={"account_id": str(account_id)},
    )


async def send(broker: RabbitBroker, envelope: Envelope) -> None:
    await bus.publish(
        broker,
        json.dumps(envelope.model_dump(mode="json")).encode(),
        exchange="rk.events",
        routing_key=envelope.type,
        message_id=str(envelope.id),
        message_type=envelope.type,
        correlation_id=str(envelope.correlationid),
    )


@asynccontextmanager
async def running(broker: RabbitBroker) -> AsyncIterator[RabbitBroker]:
    await bus.start(broker)
    try:
        yield broker
    finally:
        await broker.stop()


async def take(amqp_url: str, queue: str, *, within_s: float = 5) -> AbstractIncomingMessage:
    """The next message of a queue, taken off it."""
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        found = await channel.get_queue(queue)
        deadline = asyncio.get_running_loop().time() + within_s
        while asyncio.get_running_loop().time() < deadline:
            if message := await found.get(fail=False):
                await message.ack()
                return message
            await asyncio.sleep(0.05)
    raise AssertionError(f"nothing on {queue}")


async def depth(amqp_url: str, queue: str) -> int:
    """How many messages of a queue wait to be delivered."""
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        found = await channel.declare_queue(queue, passive=True)
        return found.declaration_result.message_count or 0


async def until(condition: Callable[[], bool], *, within_s: float = 10) -> None:
    """Wait for something another task brings about."""
    deadline = asyncio.get_running_loop().time() + within_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


def hearing(
    amqp_url: str, engine: AsyncEngine, handler: bus.Handler, *, prefetch: int = 5
) -> RabbitBroker:
    broker = bus.create_broker(amqp_url, name="tests")
    bus.listen(broker, engine, queue=QUEUE, prefetch=prefetch, handlers={AccountOpened: handler})
    return broker


async def raw(amqp_url: str, body: bytes, **properties: object) -> None:
    """Put bytes on the queue as somebody who does not use our code would."""
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        message = aio_pika.Message(body, **properties)  # type: ignore[arg-type]
        await channel.default_exchange.publish(message, QUEUE)
