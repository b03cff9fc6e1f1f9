"""Dead letters: messages a service gave up on. To look at them, and to send them again.

Looking takes messages and gives them back unacknowledged, which leaves their order as it was.
Sending again is confirmed by the broker before the parked one is acknowledged: a crash in between
gives a duplicate, which the service's inbox removes.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aio_pika import DeliveryMode, Message, connect
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.exceptions import AMQPError

from sdk.rekindle.places import SERVICES
from sdk.rekindle.problems import RekindleError

BROKER_TIMEOUT_S = 10
LOOKED_AT_MAX = 1_000
# What tells of the parking and of earlier tries; the message itself goes as it came.
OF_THE_PARKING = (
    "x-attempt",
    "x-parked-",
    "x-reason",
    "x-death",
    "x-first-death-",
    "x-last-death-",
)


class BrokerAway(RekindleError):  # noqa: N818  # an outcome
    """RabbitMQ does not answer."""

    code = "broker-away"


class NothingParked(RekindleError):  # noqa: N818  # an outcome
    """None of the messages asked for is parked."""

    code = "nothing-parked"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A parked message: where it was to be acted on, why it was not, and what it says."""

    id: str
    service: str
    queue: str | None
    reason: str
    retries: int
    parked_at: str | None
    type: str
    body: Any


Chosen = Callable[[DeadLetter], bool]


async def dead_letters(amqp_url: str, *, service: str | None = None) -> list[DeadLetter]:
    """What is parked, oldest first, at most `LOOKED_AT_MAX` of each service."""
    async with _channel(amqp_url) as channel:
        return [letter async for letter, _ in _look(channel, service)]


async def replay(amqp_url: str, chosen: Chosen, *, service: str | None = None) -> list[DeadLetter]:
    """Send the chosen ones back to the queues they came from; those that were sent."""
    sent = []
    async with _channel(amqp_url) as channel:
        async for letter, message in _look(channel, service):
            if letter.queue is not None and chosen(letter):
                await channel.default_exchange.publish(
                    _again(message), letter.queue, mandatory=True, timeout=BROKER_TIMEOUT_S
                )
                await message.ack()
                sent.append(letter)
    if not sent:
        raise NothingParked("None of these messages is parked.")
    return sent


@asynccontextmanager
async def _channel(amqp_url: str) -> AsyncIterator[AbstractChannel]:
    try:
        connection = await connect(amqp_url, timeout=BROKER_TIMEOUT_S)
        # Closing gives back what was not acknowledged.
        async with connection, connection.channel(on_return_raises=True) as channel:
            yield channel
    except (AMQPError, OSError, TimeoutError) as error:
        raise BrokerAway(f"RabbitMQ does not do what it should: {error}.") from error


async def _look(
    channel: AbstractChannel, service: str | None
) -> AsyncIterator[tuple[DeadLetter, AbstractIncomingMessage]]:
    for name in [service] if service else SERVICES:
        queue = await channel.get_queue(f"rk.dead.{name}")
        for _ in range(LOOKED_AT_MAX):
            message = await queue.get(fail=False, timeout=BROKER_TIMEOUT_S)
            if message is None:
                break
            yield _letter(name, message), message


def _letter(service: str, message: AbstractIncomingMessage) -> DeadLetter:
    headers: dict[str, Any] = dict(message.headers)
    # Without a reason of ours, the broker parked it: rejected, or delivered too often.
    deaths: list[dict[str, Any]] = headers.get("x-death") or [{}]
    by_broker = headers.get("x-first-death-reason")
    when = deaths[0].get("time")
    return DeadLetter(
        id=message.message_id or "",
        service=service,
        queue=headers.get("x-parked-from") or headers.get("x-first-death-queue"),
        reason=str(headers.get("x-reason") or f"{by_broker or 'unknown'} (see the service's log)"),
        retries=int(headers.get("x-attempt") or 0),
        parked_at=headers.get("x-parked-at") or (when.isoformat() if when else None),
        type=message.type or "",
        body=_read(message.body),
    )


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "backslashreplace")


def _again(message: AbstractIncomingMessage) -> Message:
    headers = {k: v for k, v in message.headers.items() if not k.startswith(OF_THE_PARKING)}
    return Message(
        message.body,
        headers=headers,
        message_id=message.message_id,
        type=message.type,
        correlation_id=message.correlation_id,
        content_type=message.content_type,
        delivery_mode=DeliveryMode.PERSISTENT,
    )
