"""The event stream, from the broker to the listener."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from faststream.rabbit import RabbitBroker
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.message import Envelope, Event
from contracts.processing.v1 import JobCompleted, JobStarted
from contracts.uploads.v1 import PhotoDeleted
from services.gateway import consumers, events, feed
from services.kit import bus
from tests.gateway.conftest import OpenDoor
from tests.gateway.doors import Door, Heard, listening

MANY = text(
    "insert into user_events (account_id, seq, type, time, payload)"
    " select :account_id, number, 'uploads.photo.deleted', now(), '{}'"
    " from generate_series(1, :count) number"
)
LOADS = text(
    "insert into user_events (account_id, seq, type, time, payload)"
    " select :account_id, number, 'uploads.photo.deleted', now(),"
    " jsonb_build_object('much', repeat('x', 20000)) from generate_series(1, :count) number"
)
LOADS_COUNT = 400
"""8 MB: more than the sockets of a connection hold."""

WITHIN_S = 10
NUDGED_WITHIN_S = 5
"""Far less than the heartbeat: what arrives so soon was not found by looking again."""


async def account_of(visitor: httpx.AsyncClient) -> UUID:
    return UUID((await visitor.get("/v1/me")).json()["account_id"])


async def next_of(events: AsyncIterator[Heard], within_s: float = WITHIN_S) -> Heard:
    async with asyncio.timeout(within_s):
        return await anext(events)


async def news_of(events: AsyncIterator[Heard]) -> Heard:
    while (heard := await next_of(events)).name == ":":
        pass
    return heard


async def record(engine: AsyncEngine, account_id: UUID, count: int = 1) -> None:
    async with engine.begin() as connection:
        for _ in range(count):
            event = PhotoDeleted(photo_id=uuid4(), account_id=account_id, version=1)
            await feed.append(connection, [(event, datetime.now(UTC))])


@asynccontextmanager
async def consuming(amqp_url: str, engine: AsyncEngine) -> AsyncIterator[RabbitBroker]:
    """The gateway's consumer, and a way to say things to it."""
    broker = bus.create_broker(amqp_url, name="tests")
    consumers.attach(broker, engine)
    await bus.start(broker)
    yield broker
    await broker.stop()


async def say(broker: RabbitBroker, event: Event, *, event_id: UUID | None = None) -> UUID:
    envelope = Envelope(
        id=event_id or uuid4(),
        source="/rekindle/tests",
        type=event.type,
        time=datetime.now(UTC),
        subject="tests",
        correlationid=uuid4(),
        data=event.model_dump(mode="json"),
    )
    await bus.publish(
        broker,
        json.dumps(envelope.model_dump(mode="json")).encode(),
        exchange="rk.events",
        routing_key=event.type,
        message_id=str(envelope.id),
        message_type=event.type,
        correlation_id=str(envelope.correlationid),
    )
    return envelope.id


def completed(account_id: UUID) -> JobCompleted:
    return JobCompleted(
        job_id=uuid4(),
        account_id=account_id,
        version=5,
        job_kind="restore",
        price=2,
        result_key=f"results/{account_id}/x",
        sha256="0" * 64,
        width=3,
        height=3,
        engine="cpu",
        gpu_seconds=1.5,
    )


async def test_an_event_reaches_its_listener_at_once(
    door: Door, amqp_url: str, engine: AsyncEngine
) -> None:
    async with consuming(amqp_url, engine) as broker, door.visit() as visitor:
        account_id = await account_of(visitor)
        async with listening(visitor) as events:
            said = completed(account_id)
            await asyncio.sleep(0.5)  # the gateway's own queue may still be on its way
            await say(broker, said)
            heard = await next_of(events, NUDGED_WITHIN_S)

    assert (heard.name, heard.seq) == ("processing.job.completed", 1)
    assert heard.data["type"] == "processing.job.completed"
    assert heard.data["time"].endswith("Z")
    assert heard.data["data"]["job_id"] == str(said.job_id)
    assert "results/" not in json.dumps(heard.data)


async def test_a_redelivered_event_is_in_the_feed_once(amqp_url: str, engine: AsyncEngine) -> None:
    account_id = uuid4()
    async with consuming(amqp_url, engine) as broker:
        event_id = await say(broker, completed(account_id))
        await say(broker, completed(account_id), event_id=event_id)
        await say(broker, JobStarted(job_id=uuid4(), account_id=account_id, version=3, attempt=1))
        async with asyncio.timeout(WITHIN_S):
            events = await _feed(engine, account_id, count=2)

    assert [event.type for event in events] == [
        "processing.job.completed",
        "processing.job.started",
    ]


async def test_the_feed_keeps_the_order_of_the_queue(amqp_url: str, engine: AsyncEngine) -> None:
    account_id = uuid4()
    started = [
        JobStarted(job_id=uuid4(), account_id=account_id, version=1, attempt=number)
        for number in range(1, 31)
    ]
    async with consuming(amqp_url, engine) as broker:
        for event in started:
            await say(broker, event)
        async with asyncio.timeout(WITHIN_S):
            events = await _feed(engine, account_id, count=len(started))

    assert [event.data["attempt"] for event in events] == list(range(1, 31))


async def _feed(engine: AsyncEngine, account_id: UUID, *, count: int) -> list[feed.FeedEvent]:
    while True:
        async with engine.begin() as connection:
            events = await feed.read(connection, account_id, after=0)
        if len(events) >= count:
            return events
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("how", ["header", "query"])
async def test_a_listener_goes_on_where_it_stopped(
    door: Door, engine: AsyncEngine, how: str
) -> None:
    async with door.visit() as visitor:
        await record(engine, await account_of(visitor), 4)
        place: dict[str, Any] = {"last-event-id": "2"} if how == "header" else {"after": 2}
        async with listening(visitor, **place) as events:
            heard = [await next_of(events), await next_of(events)]

    assert [event.seq for event in heard] == [3, 4]


async def test_without_a_place_a_stream_starts_with_what_is_next(
    open_door: OpenDoor, engine: AsyncEngine
) -> None:
    door = open_door(event_heartbeat_s=0.2)
    async with door.visit() as visitor:
        account_id = await account_of(visitor)
        await record(engine, account_id, 3)
        async with listening(visitor) as events:
            assert (await next_of(events)).name == ":"
            await record(engine, account_id)
            heard = await news_of(events)

    assert heard.seq == 4


async def test_more_than_a_page_is_replayed_in_order(door: Door, engine: AsyncEngine) -> None:
    count = feed.PAGE + 3
    async with door.visit() as visitor:
        account_id = await account_of(visitor)
        async with engine.begin() as connection:
            many = {"account_id": account_id, "count": count}
            await connection.execute(text("insert into feeds values (:account_id, :count)"), many)
            await connection.execute(MANY, many)
        async with listening(visitor, after=0) as events:
            heard = [(await next_of(events)).seq for _ in range(count)]

    assert heard == list(range(1, count + 1))


async def test_a_listener_who_missed_too_much_is_told(door: Door, engine: AsyncEngine) -> None:
    async with door.visit() as visitor:
        await record(engine, await account_of(visitor), 4)
        async with engine.begin() as connection:
            await connection.execute(text("delete from user_events where seq < 3"))
        async with listening(visitor, after=1) as events:
            heard = await next_of(events)

    assert (heard.name, heard.seq) == ("resync", 4)


async def test_nobody_hears_of_somebody_else(open_door: OpenDoor, engine: AsyncEngine) -> None:
    door = open_door(event_heartbeat_s=0.2)
    async with door.visit() as visitor, door.visit() as other:
        await record(engine, await account_of(other), 3)
        async with listening(visitor, after=0) as events:
            assert (await next_of(events)).name == ":"


async def test_a_sixth_stream_is_refused_until_one_ends(door: Door) -> None:
    async with door.visit() as visitor:
        async with several(visitor, 5):
            refused = await visitor.get("/v1/events")
            async with door.visit() as other, listening(other):
                pass
        async with asyncio.timeout(WITHIN_S):
            await _until_welcome(visitor)

    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-streams")
    assert "retry-after" in refused.headers


async def test_a_full_process_refuses_more_streams(open_door: OpenDoor) -> None:
    door = open_door(event_streams_max=1)
    async with door.visit() as visitor, door.visit() as other, listening(visitor):
        refused = await other.get("/v1/events")

    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")


async def test_who_does_not_read_is_let_go_and_holds_up_nobody(
    open_door: OpenDoor, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "WRITE_TIMEOUT_S", 1)
    door = open_door(event_streams_max=2, event_heartbeat_s=0.2)
    async with door.visit() as slow, door.visit() as other, door.visit() as waiting:
        slow_id, other_id = await account_of(slow), await account_of(other)
        async with engine.begin() as connection:
            many = {"account_id": slow_id, "count": LOADS_COUNT}
            await connection.execute(text("insert into feeds values (:account_id, :count)"), many)
            await connection.execute(LOADS, many)
        async with (
            listening(other) as heard,
            slow.stream("GET", "/v1/events", params={"after": 0}) as unread,
        ):
            await record(engine, other_id)
            assert (await news_of(heard)).name == "uploads.photo.deleted"
            async with asyncio.timeout(WITHIN_S):
                await _until_welcome(waiting)
            with pytest.raises(httpx.RemoteProtocolError):
                await unread.aread()


async def test_a_stream_ends_when_its_token_does(door: Door) -> None:
    token = door.token(exp_in_s=2)
    async with door.browse() as visitor:
        visitor.headers["authorization"] = f"Bearer {token}"
        async with listening(visitor) as events:
            assert (await news_of(events)).name == "reconnect"


async def test_without_a_broker_the_stream_still_looks(
    open_door: OpenDoor, engine: AsyncEngine
) -> None:
    door = open_door(amqp_url="amqp://nobody:none@127.0.0.1:9/rekindle", event_heartbeat_s=0.2)
    async with door.visit() as visitor:
        account_id = await account_of(visitor)
        async with listening(visitor) as events:
            await record(engine, account_id)
            heard = await news_of(events)

    assert heard.name == "uploads.photo.deleted"


@asynccontextmanager
async def several(visitor: httpx.AsyncClient, count: int) -> AsyncIterator[None]:
    """That many streams at once."""
    if count == 0:
        yield
        return
    async with listening(visitor), several(visitor, count - 1):
        yield


async def _until_welcome(visitor: httpx.AsyncClient) -> None:
    status = 0
    while status in (0, 429, 503):
        await asyncio.sleep(0.05)
        async with visitor.stream("GET", "/v1/events") as answer:
            status = answer.status_code
    assert status == 200
