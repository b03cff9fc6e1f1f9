"""Messages that arrive together are acted on in one transaction, on a real broker."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import AccountOpened
from services.kit import bus, together
from services.kit.db import Connection
from services.kit.together import Heard
from tests.kit.messages import DEAD, QUEUE, account_opened, depth, running, send, take, until

PREFETCH = 20


class Consumer:
    """Hears accounts being opened; `broken` makes it stumble over one of them."""

    def __init__(self, amqp_url: str, engine: AsyncEngine) -> None:
        self.broken: set[UUID] = set()
        self.error: Exception = ZeroDivisionError()
        self.together: list[list[UUID]] = []
        self.committed: list[UUID] = []
        self.broker = bus.create_broker(amqp_url, name="tests")
        together.listen(
            self.broker, engine, queue=QUEUE, prefetch=PREFETCH, messages=[AccountOpened],
            act=self._act, then=self._then,
        )  # fmt: skip

    async def _act(self, connection: Connection, heard: Sequence[Heard]) -> None:
        assert connection.in_transaction()
        accounts = [message.account_id for message, _ in heard]
        self.together.append(accounts)
        if self.broken.intersection(accounts):
            raise self.error

    async def _then(self, heard: Sequence[Heard]) -> None:
        self.committed += [message.account_id for message, _ in heard]


async def fill(amqp_url: str, accounts: Sequence[UUID]) -> None:
    publisher = bus.create_broker(amqp_url, name="tests-publisher")
    async with running(publisher):
        for account_id in accounts:
            await send(publisher, account_opened(account_id))


async def claims(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text("select count(*) from inbox"))).scalar_one())


async def test_a_backlog_is_worked_off_in_few_transactions(
    amqp_url: str, engine: AsyncEngine
) -> None:
    accounts = [account_opened().id for _ in range(30)]
    await fill(amqp_url, accounts)

    consumer = Consumer(amqp_url, engine)
    async with running(consumer.broker):
        await until(lambda: len(consumer.committed) == len(accounts))

    assert consumer.committed == accounts
    assert len(consumer.together) < len(accounts) / 2
    assert max(len(batch) for batch in consumer.together) <= PREFETCH
    assert await claims(engine) == len(accounts)
    assert await depth(amqp_url, QUEUE) == 0


async def test_a_message_that_comes_twice_is_acted_on_once(
    amqp_url: str, engine: AsyncEngine
) -> None:
    envelope = account_opened()
    consumer = Consumer(amqp_url, engine)
    publisher = bus.create_broker(amqp_url, name="tests-publisher")
    async with running(publisher):
        await send(publisher, envelope)
        await send(publisher, envelope)
        async with running(consumer.broker):
            await until(lambda: len(consumer.committed) == 1)
            await send(publisher, envelope)
            await asyncio.sleep(0.3)

    assert len(consumer.committed) == 1
    assert await depth(amqp_url, QUEUE) == 0


async def test_a_message_that_cannot_be_acted_on_is_parked_alone(
    amqp_url: str, engine: AsyncEngine
) -> None:
    accounts = [account_opened().id for _ in range(10)]
    await fill(amqp_url, accounts)

    consumer = Consumer(amqp_url, engine)
    consumer.broken = {accounts[4]}
    async with running(consumer.broker):
        await until(lambda: len(consumer.committed) == len(accounts) - 1)
        parked = await take(amqp_url, DEAD)

    assert parked.headers["x-reason"] == "ZeroDivisionError()"
    assert set(consumer.committed) == set(accounts) - consumer.broken
    assert await claims(engine) == len(accounts) - 1


async def test_one_whose_time_has_not_come_comes_back_alone(
    amqp_url: str, engine: AsyncEngine
) -> None:
    accounts = [account_opened().id for _ in range(5)]
    await fill(amqp_url, accounts)

    consumer = Consumer(amqp_url, engine)
    consumer.broken, consumer.error = {accounts[0]}, bus.Transient("not now")
    async with running(consumer.broker):
        await until(lambda: len(consumer.committed) == len(accounts) - 1)
        consumer.broken = set()
        await until(lambda: len(consumer.committed) == len(accounts), within_s=15)

    assert await depth(amqp_url, DEAD) == 0
