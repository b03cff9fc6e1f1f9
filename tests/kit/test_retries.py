"""What becomes of a message that cannot be handled now, or ever, on a real broker."""

import pytest
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


async def test_a_bug_parks_the_message_after_one_try(amqp_url: str, engine: AsyncEngine) -> None:
    tries = 0

    async def broken(message: AccountOpened, delivery: Delivery) -> None:
        nonlocal tries
        tries += 1
        raise ZeroDivisionError

    envelope = account_opened()
    async with running(hearing(amqp_url, engine, broken)) as broker:
        await send(broker, envelope)
        parked = await take(amqp_url, DEAD)

    assert parked.message_id == str(envelope.id)
    assert parked.headers["x-reason"] == "ZeroDivisionError()"
    assert parked.headers["x-parked-from"] == QUEUE
    assert tries == 1


async def test_a_message_that_cannot_even_be_copied_is_parked_by_the_broker(
    amqp_url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(message: AccountOpened, delivery: Delivery) -> None:
        monkeypatch.setattr(bus, "CONFIRM_TIMEOUT_S", 0)
        raise ZeroDivisionError

    envelope = account_opened()
    async with running(hearing(amqp_url, engine, broken)) as broker:
        await send(broker, envelope)
        parked = await take(amqp_url, DEAD)

    assert parked.message_id == str(envelope.id)
    assert parked.headers["x-first-death-queue"] == QUEUE


async def test_a_transient_failure_comes_back_later_on_the_same_queue(
    amqp_url: str, engine: AsyncEngine
) -> None:
    attempts: list[int] = []

    async def flaky(message: AccountOpened, delivery: Delivery) -> None:
        attempts.append(len(attempts))
        if len(attempts) == 1:
            raise bus.Transient("not now")

    async with running(hearing(amqp_url, engine, flaky)) as broker:
        await send(broker, account_opened())
        await until(lambda: len(attempts) == 2, within_s=15)

    assert await depth(amqp_url, DEAD) == 0


async def test_a_transient_failure_is_not_parked_when_the_broker_takes_no_copy(
    amqp_url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[AccountOpened] = []

    async def flaky(message: AccountOpened, delivery: Delivery) -> None:
        tries.append(message)
        if len(tries) == 1:
            monkeypatch.setattr(bus, "CONFIRM_TIMEOUT_S", 0)
            raise bus.Transient("not now")

    async with running(hearing(amqp_url, engine, flaky)) as broker:
        await send(broker, account_opened())
        await until(lambda: len(tries) == 2)

    assert await depth(amqp_url, DEAD) == 0
    assert await depth(amqp_url, QUEUE) == 0


async def test_a_failure_that_stays_is_parked_after_the_last_level(
    amqp_url: str, engine: AsyncEngine
) -> None:
    async def hopeless(message: AccountOpened, delivery: Delivery) -> None:
        raise bus.Transient("never")

    envelope = account_opened()
    async with running(hearing(amqp_url, engine, hopeless)):
        await raw(
            amqp_url,
            envelope.model_dump_json().encode(),
            message_id=str(envelope.id),
            headers={"x-attempt": len(bus.RETRY_LEVELS)},
        )
        parked = await take(amqp_url, DEAD)

    assert parked.message_id == str(envelope.id)
