"""What is no message of ours, on the queues of the running services: parked, and nothing stops."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractQueue

from contracts.catalog import EVENTS_HEARD
from contracts.message import Event
from services.kit.bus import BODY_BYTES_MAX
from services.kit.db import uuid7

PARKED_WITHIN_S = 10.0

QUEUES = {
    "uploads": "rk.uploads.events",
    "credits": "rk.credits.events",
    "processing": "rk.processing.events",
    "billing": "rk.billing.events",
    "gateway": "rk.gateway.events",
}
COMMANDS = ("rk.processing.prepare.standard", "rk.processing.attempts.priority")


@pytest.fixture
async def channel(stack: dict[str, Any]) -> AsyncIterator[AbstractChannel]:
    connection = await aio_pika.connect(stack["amqp_url"])
    async with connection, connection.channel(on_return_raises=True) as channel:
        yield channel


def envelope(event_type: str, data: Any, **changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(uuid7()),
        "source": "/rekindle/nobody",
        "type": event_type,
        "time": "2026-01-01T00:00:00Z",
        "subject": str(uuid4()),
        "correlationid": str(uuid4()),
        "data": data,
        **changes,
    }


def hostile(heard: type[Event] | None) -> dict[str, bytes]:
    """Everything TRUST asks about, for a queue that hears this type."""
    known = heard.type if heard else "processing.photo.prepare.v1"
    return {
        "cut": b'{"specversion": "1.0", "id',
        "not-utf8": b"\xff\xfe\x00",
        "null": b"null",
        "list": b"[]",
        "huge": b" " * (BODY_BYTES_MAX + 1),
        "deep": b"[" * 100_000,
        "unknown-type": json.dumps(envelope("nobody.thing.happened.v1", {})).encode(),
        "unknown-version": json.dumps(envelope(known.replace(".v1", ".v9"), {})).encode(),
        "no-fields": json.dumps(envelope(known, {})).encode(),
        "wrong-fields": json.dumps(envelope(known, {"account_id": ["x"], "job_id": 7})).encode(),
        "data-is-a-list": json.dumps(envelope(known, [1])).encode(),
    }


async def parked(dead: AbstractQueue, wanted: set[str]) -> dict[str, str]:
    """Take what was parked off the queue: id → reason."""
    found: dict[str, str] = {}
    async with asyncio.timeout(PARKED_WITHIN_S):
        while wanted - found.keys():
            message = await dead.get(fail=False)
            if message is None:
                await asyncio.sleep(0.05)
                continue
            found[str(message.message_id)] = str(message.headers.get("x-reason"))
            await message.ack()
    return found


@pytest.mark.parametrize("queue", [*QUEUES.values(), *COMMANDS])
async def test_what_is_no_message_is_parked_once_and_the_consumer_lives(
    stack: dict[str, Any], channel: AbstractChannel, queue: str
) -> None:
    service = queue.split(".")[1]
    heard = EVENTS_HEARD[service][0] if queue in QUEUES.values() else None
    assert heard is None or issubclass(heard, Event)
    sent: dict[str, str] = {}
    for name, body in hostile(heard).items():
        message_id = str(uuid4())
        if body.startswith(b'{"specversion": "1.0", "id":'):
            message_id = json.loads(body)["id"]
        sent[message_id] = name
        message = aio_pika.Message(body, message_id=message_id, content_type="application/json")
        await channel.default_exchange.publish(message, queue)

    reasons = await parked(await channel.get_queue(f"rk.dead.{service}"), set(sent))

    assert reasons.keys() == sent.keys(), "each is parked, and once"
    assert all(reason not in ("", "None") for reason in reasons.values())
    newer = [reasons[message_id] for message_id, name in sent.items() if name == "unknown-version"]
    assert ("unsupported_version" in newer[0]) == (heard is not None or ".prepare." in queue)
    left = await channel.declare_queue(queue, passive=True)
    assert left.declaration_result.message_count == 0
    assert left.declaration_result.consumer_count == 1


@pytest.mark.parametrize("service", QUEUES)
async def test_a_message_without_an_id_is_parked(channel: AbstractChannel, service: str) -> None:
    event = envelope(EVENTS_HEARD[service][0].type, {})
    nameless = aio_pika.Message(json.dumps(event).encode())
    dead = await channel.get_queue(f"rk.dead.{service}")

    await channel.default_exchange.publish(nameless, QUEUES[service])

    async with asyncio.timeout(PARKED_WITHIN_S):
        while (message := await dead.get(fail=False)) is None:
            await asyncio.sleep(0.05)
    assert json.loads(message.body)["id"] == event["id"]
    await message.ack()


async def test_events_about_what_nobody_knows_change_nothing_and_are_not_parked(
    stack: dict[str, Any], channel: AbstractChannel
) -> None:
    nobody = {"account_id": str(uuid4()), "version": 1}
    job = {**nobody, "job_id": str(uuid4())}
    photo = {**nobody, "photo_id": str(uuid4())}
    stray = [
        ("credits", "processing.job.failed.v1", {**job, "code": "x", "detail": "x"}),
        ("credits", "processing.job.cancelled.v1", job),
        ("processing", "uploads.photo.deleted.v1", photo),
        ("processing", "credits.hold.expired.v1", {**job, "amount": 2, "available": 0}),
        ("uploads", "processing.photo.unusable.v1", {**photo, "code": "x", "detail": "x"}),
    ]
    for service, event_type, data in stray:
        event = envelope(event_type, data)
        message = aio_pika.Message(json.dumps(event).encode(), message_id=event["id"])
        for _ in range(2):  # and once more, at once
            await channel.default_exchange.publish(message, QUEUES[service])

    async with asyncio.timeout(PARKED_WITHIN_S):
        for queue in QUEUES.values():
            while await waiting(channel, queue):
                await asyncio.sleep(0.05)
    for service in QUEUES:
        assert await waiting(channel, f"rk.dead.{service}") == 0


async def waiting(channel: AbstractChannel, name: str) -> int:
    queue = await channel.declare_queue(name, passive=True)
    return queue.declaration_result.message_count or 0
