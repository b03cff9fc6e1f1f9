"""A consumer that has become deaf ends, so that another is started; a busy or idle one goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from faststream.rabbit import RabbitBroker
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import AccountOpened
from services.kit import bus, stalls
from services.kit.inbox import Delivery
from services.kit.stalls import Stalled
from tests.kit.messages import QUEUE, account_opened, depth, hearing, running, send, until
from tests.proxy import Proxy

LOOKS = 6


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalls, "LOOK_EVERY_S", 0.3)


class Ears:
    """A handler that counts, and holds on to what it hears while it is told to."""

    def __init__(self) -> None:
        self.heard = 0
        self.may_finish = asyncio.Event()
        self.may_finish.set()

    async def hear(self, _message: AccountOpened, _delivery: Delivery) -> None:
        self.heard += 1
        await self.may_finish.wait()


@asynccontextmanager
async def consuming(broker: RabbitBroker) -> AsyncIterator[asyncio.Task[None]]:
    """A consumer process, as far as the bus is concerned."""
    process = asyncio.create_task(bus.run(broker))
    try:
        yield process
    finally:
        process.cancel()
        await asyncio.gather(process, return_exceptions=True)
        await broker.stop()


async def tell(amqp_url: str, times: int) -> None:
    async with running(bus.create_broker(amqp_url, name="tests-publisher")) as publisher:
        for _ in range(times):
            await send(publisher, account_opened())


async def test_the_deaf_end_and_their_successor_hears(amqp_url: str, engine: AsyncEngine) -> None:
    ears = Ears()
    broker = hearing(amqp_url, engine, ears.hear)
    async with consuming(broker) as process:
        await tell(amqp_url, 1)
        await until(lambda: ears.heard == 1)
        await broker.subscribers[0].stop()  # RabbitMQ hands out nothing more
        await tell(amqp_url, 2)

        with pytest.raises(Stalled, match=f"2 messages wait in {QUEUE}"):
            await asyncio.wait_for(process, 10)

    async with consuming(hearing(amqp_url, engine, ears.hear)):
        await until(lambda: ears.heard == 3)


async def test_whoever_has_nothing_to_do_goes_on(amqp_url: str, engine: AsyncEngine) -> None:
    async with consuming(hearing(amqp_url, engine, Ears().hear)) as process:
        await asyncio.sleep(LOOKS * stalls.LOOK_EVERY_S)

        assert not process.done()


async def test_whoever_has_his_hands_full_goes_on(amqp_url: str, engine: AsyncEngine) -> None:
    ears = Ears()
    ears.may_finish.clear()
    async with consuming(hearing(amqp_url, engine, ears.hear, prefetch=1)) as process:
        await tell(amqp_url, 3)
        await until(lambda: ears.heard == 1)
        await asyncio.sleep(LOOKS * stalls.LOOK_EVERY_S)

        assert not process.done()
        assert await depth(amqp_url, QUEUE) == 2
        ears.may_finish.set()


async def test_a_connection_that_never_answers_is_given_up(
    amqp_url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalls, "LOOK_TIMEOUT_S", 0.2)
    monkeypatch.setattr(bus, "STOP_WITHIN_S", 0.2)
    async with Proxy.before(amqp_url) as proxy:
        broker = hearing(proxy.url_of(amqp_url), engine, Ears().hear)
        process = asyncio.create_task(bus.run(broker))
        await asyncio.sleep(2 * stalls.LOOK_EVERY_S)
        proxy.stall()

        with pytest.raises(Stalled, match="looks in vain"):
            await asyncio.wait_for(process, 20)
        proxy.resume()
        await (await broker.connect()).close()  # the process would end here


async def test_an_answer_in_between_makes_good(
    amqp_url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalls, "LOOK_TIMEOUT_S", 0.2)
    monkeypatch.setattr(stalls, "LOOKS_IN_VAIN_MAX", 4)
    async with (
        Proxy.before(amqp_url) as proxy,
        consuming(hearing(proxy.url_of(amqp_url), engine, Ears().hear)) as process,
    ):
        for _ in range(4):
            await asyncio.sleep(1)
            proxy.stall()
            await asyncio.sleep(1)
            proxy.resume()

        assert not process.done()
