"""The unsafe defaults of the broker library, each shown to be off, on a real broker."""

import asyncio
from collections.abc import Callable
from uuid import UUID, uuid4

import aio_pika
import pytest
from aiormq.exceptions import AMQPError, DeliveryError
from faststream.rabbit import RabbitBroker
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import AccountOpened
from services.kit import bus
from services.kit.inbox import Delivery
from tests.kit.messages import (
    DEAD,
    QUEUE,
    account_opened,
    depth,
    hearing,
    raw,
    running,
    send,
    take,
    until,
)
from tests.proxy import Proxy

Handler = Callable[[AccountOpened, Delivery], "asyncio.Future[None]"]

ANSWERS_OF_A_RECONNECT = 14
IN_FLIGHT = 200


@pytest.fixture
async def publisher(amqp_url: str) -> RabbitBroker:
    return bus.create_broker(amqp_url, name="tests-publisher")


async def test_a_message_that_no_queue_would_get_raises(publisher: RabbitBroker) -> None:
    async with running(publisher):
        with pytest.raises((DeliveryError, aio_pika.exceptions.PublishError)):
            await bus.publish(
                publisher,
                b"{}",
                exchange="rk.commands",
                routing_key="nobody.listens",
                message_id=str(uuid4()),
                message_type="x",
                correlation_id=None,
            )


async def test_messages_survive_a_restart_of_the_broker(
    publisher: RabbitBroker, amqp_url: str
) -> None:
    async with running(publisher):
        await send(publisher, account_opened())

    assert (await take(amqp_url, QUEUE)).delivery_mode == aio_pika.DeliveryMode.PERSISTENT


async def test_a_confirm_that_never_comes_is_not_waited_for_for_ever(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus, "CONFIRM_TIMEOUT_S", 0.3)
    async with Proxy.before(amqp_url) as proxy:
        broker = bus.create_broker(proxy.url_of(amqp_url), name="tests")
        await bus.start(broker)
        proxy.stall()

        with pytest.raises(TimeoutError):
            await send(broker, account_opened())

        proxy.resume()
        await broker.stop()


async def test_publishing_to_a_missing_exchange_leaves_consumers_alone(
    amqp_url: str, engine: AsyncEngine
) -> None:
    heard: list[UUID] = []
    release = asyncio.Event()

    async def slow(message: AccountOpened, delivery: Delivery) -> None:
        heard.append(delivery.envelope.id)
        await release.wait()

    async with running(hearing(amqp_url, engine, slow)) as broker:
        await send(broker, account_opened())
        await until(lambda: len(heard) == 1)
        with pytest.raises(Exception, match="no exchange"):
            await broker.publish(b"x", exchange="rk.missing", routing_key="x")
        release.set()
        await asyncio.sleep(0.3)

    assert len(heard) == 1
    assert await depth(amqp_url, QUEUE) == 0


async def test_one_queue_has_one_subscriber_per_broker(amqp_url: str, engine: AsyncEngine) -> None:
    async def nothing(message: AccountOpened, delivery: Delivery) -> None: ...

    broker = hearing(amqp_url, engine, nothing)

    with pytest.raises(AssertionError, match=QUEUE):
        bus.listen(broker, engine, queue=QUEUE, prefetch=1, handlers={AccountOpened: nothing})


async def test_a_cut_connection_delivers_again_and_the_effect_happens_once(
    amqp_url: str, engine: AsyncEngine
) -> None:
    started, effects = 0, 0

    async def handler(message: AccountOpened, delivery: Delivery) -> None:
        nonlocal started, effects
        started += 1
        async with delivery.transaction():
            effects += 1
        if started == 1:
            # Committed, not acknowledged yet: here the connection is cut.
            await asyncio.sleep(3)

    async with (
        Proxy.before(amqp_url) as proxy,
        running(hearing(proxy.url_of(amqp_url), engine, handler)),
    ):
        publisher = bus.create_broker(amqp_url, name="tests-publisher")
        async with running(publisher):
            await send(publisher, account_opened())
        await until(lambda: effects == 1)
        proxy.cut()
        await until(lambda: started >= 2, within_s=15)

    assert effects == 1


async def test_stopping_lets_all_running_handlers_finish(
    amqp_url: str, engine: AsyncEngine
) -> None:
    started, finished = [], []

    async def slow(message: AccountOpened, delivery: Delivery) -> None:
        started.append(message)
        await asyncio.sleep(2)
        finished.append(message)

    broker = hearing(amqp_url, engine, slow, prefetch=IN_FLIGHT)
    async with running(broker):
        await asyncio.gather(*(send(broker, account_opened()) for _ in range(IN_FLIGHT)))
        await until(lambda: len(started) == IN_FLIGHT)

    assert len(finished) == len(started) == IN_FLIGHT
    assert await depth(amqp_url, QUEUE) == 0


async def test_prefetch_bounds_what_leaves_the_queue(amqp_url: str, engine: AsyncEngine) -> None:
    running_now, most = 0, 0

    async def slow(message: AccountOpened, delivery: Delivery) -> None:
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        await asyncio.sleep(0.05)
        running_now -= 1

    publisher = bus.create_broker(amqp_url, name="tests-publisher")
    async with running(publisher):
        for _ in range(20):
            await send(publisher, account_opened())
    async with running(hearing(amqp_url, engine, slow, prefetch=3)):
        await asyncio.sleep(0.2)
        waiting = await depth(amqp_url, QUEUE)
        await asyncio.sleep(0.8)

    assert most == 3
    assert waiting > 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"specversion":"1.0"}',
        b"[" * 100_000,
        b'"' + b"x" * bus.BODY_BYTES_MAX + b'"',
    ],
    ids=["empty", "cut", "null", "list", "not-utf8", "no-fields", "deep", "huge"],
)
async def test_a_broken_body_is_parked_and_the_next_one_handled(
    amqp_url: str, engine: AsyncEngine, body: bytes
) -> None:
    heard: list[UUID] = []

    async def handler(message: AccountOpened, delivery: Delivery) -> None:
        heard.append(message.account_id)

    async with running(hearing(amqp_url, engine, handler)) as broker:
        await raw(amqp_url, body, message_id=str(uuid4()), content_type="application/json")
        await take(amqp_url, DEAD)
        await send(broker, account_opened())
        await until(lambda: len(heard) == 1)


async def test_an_unknown_type_is_parked(amqp_url: str, engine: AsyncEngine) -> None:
    async def handler(message: AccountOpened, delivery: Delivery) -> None: ...

    envelope = account_opened().model_copy(update={"type": "gateway.account.opened.v99"})
    async with running(hearing(amqp_url, engine, handler)):
        await raw(amqp_url, envelope.model_dump_json().encode(), message_id=str(envelope.id))

        assert (await take(amqp_url, DEAD)).message_id == str(envelope.id)


async def test_the_content_type_does_not_decide_how_a_body_is_read(
    amqp_url: str, engine: AsyncEngine
) -> None:
    heard: list[UUID] = []

    async def handler(message: AccountOpened, delivery: Delivery) -> None:
        heard.append(message.account_id)

    envelope = account_opened()
    async with running(hearing(amqp_url, engine, handler)):
        await raw(
            amqp_url,
            envelope.model_dump_json().encode(),
            message_id=str(envelope.id),
            content_type="application/cloudevents+json",
        )
        await until(lambda: len(heard) == 1)


async def test_consumers_come_back_after_the_connection_was_lost(
    amqp_url: str, engine: AsyncEngine
) -> None:
    heard: set[UUID] = set()

    async def handler(message: AccountOpened, delivery: Delivery) -> None:
        # A set, for a cut that loses the acknowledgement brings the message again.
        heard.add(message.account_id)

    async with (
        Proxy.before(amqp_url) as proxy,
        running(hearing(proxy.url_of(amqp_url), engine, handler)),
    ):
        for round_ in (1, 2):
            proxy.cut()
            await asyncio.sleep(0.2)
            async with running(bus.create_broker(amqp_url, name="tests-publisher")) as publisher:
                await send(publisher, account_opened())
            await until(lambda wanted=round_: len(heard) == wanted, within_s=15)  # type: ignore[misc]


async def test_consumers_come_back_wherever_in_a_reconnect_the_connection_is_lost_again(
    amqp_url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus, "CONNECT_RETRY_S", 0.05)
    heard: set[UUID] = set()

    async def handler(message: AccountOpened, delivery: Delivery) -> None:
        heard.add(message.account_id)

    async with (
        Proxy.before(amqp_url) as proxy,
        running(hearing(proxy.url_of(amqp_url), engine, handler)),
        running(bus.create_broker(amqp_url, name="tests-publisher")) as publisher,
    ):
        for answers in range(1, ANSWERS_OF_A_RECONNECT + 1):
            proxy.cut_after(answers)
            await asyncio.sleep(0.2)
            await send(publisher, account_opened())
            await until(lambda wanted=answers: len(heard) == wanted)  # type: ignore[misc]


async def test_publishing_while_the_broker_is_gone_raises(amqp_url: str) -> None:
    async with Proxy.before(amqp_url) as proxy:
        broker = bus.create_broker(proxy.url_of(amqp_url), name="tests")
        async with running(broker):
            proxy.refuse()
            with pytest.raises((AMQPError, OSError, TimeoutError)):
                async with asyncio.timeout(5):
                    await send(broker, account_opened())
            proxy.accept()


async def test_a_duplicate_is_acknowledged_without_effect(
    amqp_url: str, engine: AsyncEngine
) -> None:
    deliveries, effects = 0, 0

    async def handler(message: AccountOpened, delivery: Delivery) -> None:
        nonlocal deliveries, effects
        deliveries += 1
        async with delivery.transaction() as connection:
            await connection.execute(text("select 1"))
            effects += 1

    envelope = account_opened()
    async with running(hearing(amqp_url, engine, handler, prefetch=1)) as broker:
        await send(broker, envelope)
        await send(broker, envelope)
        await until(lambda: deliveries == 2)

    assert effects == 1
    assert await depth(amqp_url, DEAD) == 0
