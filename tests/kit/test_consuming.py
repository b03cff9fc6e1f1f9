"""A consumer that has become deaf ends, so that another is started; a busy or idle one goes on."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from faststream.rabbit import RabbitBroker
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import AccountOpened
from deploy.local.places import ROOT
from services.kit import bus, consuming
from services.kit.bus import Stalled
from services.kit.inbox import Delivery
from tests.kit.messages import QUEUE, account_opened, depth, hearing, running, send, until
from tests.proxy import Proxy

LOOKS = 6
CONSUMING = f"""
import sys, uvloop
from services.kit import bus, consuming
consuming.LOOK_EVERY_S = consuming.LOOK_TIMEOUT_S = 0.2
consuming.STOP_WITHIN_S = consuming.CLOSE_WITHIN_S = 0.5
broker = bus.create_broker(sys.argv[1], name="tests")
bus.listen(broker, None, queue="{QUEUE}", prefetch=1, handlers={{}})
uvloop.run(consuming.run(broker))
"""


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming, "LOOK_EVERY_S", 0.3)


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
async def consumer(broker: RabbitBroker) -> AsyncIterator[asyncio.Task[None]]:
    """A consumer process, as far as the bus is concerned."""
    process = asyncio.create_task(consuming.run(broker))
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
    async with consumer(broker) as process:
        await tell(amqp_url, 1)
        await until(lambda: ears.heard == 1)
        await broker.subscribers[0].stop()  # RabbitMQ hands out nothing more
        await tell(amqp_url, 2)

        with pytest.raises(Stalled, match=f"2 messages wait in {QUEUE}"):
            await asyncio.wait_for(process, 10)

    async with consumer(hearing(amqp_url, engine, ears.hear)):
        await until(lambda: ears.heard == 3)


async def test_whoever_has_nothing_to_do_goes_on(amqp_url: str, engine: AsyncEngine) -> None:
    async with consumer(hearing(amqp_url, engine, Ears().hear)) as process:
        await asyncio.sleep(LOOKS * consuming.LOOK_EVERY_S)

        assert not process.done()


async def test_whoever_has_his_hands_full_goes_on(amqp_url: str, engine: AsyncEngine) -> None:
    ears = Ears()
    ears.may_finish.clear()
    async with consumer(hearing(amqp_url, engine, ears.hear, prefetch=1)) as process:
        await tell(amqp_url, 3)
        await until(lambda: ears.heard == 1)
        await asyncio.sleep(LOOKS * consuming.LOOK_EVERY_S)

        assert await depth(amqp_url, QUEUE) == 2
        ears.may_finish.set()
        await until(lambda: ears.heard == 3)
        assert not process.done()


@pytest.mark.parametrize("answers", [1, 5, 8, 11])
async def test_a_process_whose_connection_comes_back_by_half_ends(
    amqp_url: str, answers: int
) -> None:
    """In a process of its own: it must end although the client library goes on connecting."""
    async with Proxy.before(amqp_url) as proxy:
        command = (sys.executable, "-c", CONSUMING, proxy.url_of(amqp_url))
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE, stderr=PIPE)
        assert process.stdout
        async with asyncio.timeout(30):
            while b"consumer.ready" not in await process.stdout.readline():
                pass
        proxy.stall_after(answers)

        _, errors = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 1
    assert b"looks in vain" in errors


async def test_an_answer_in_between_makes_good(
    amqp_url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "LOOK_TIMEOUT_S", 0.2)
    monkeypatch.setattr(consuming, "LOOKS_IN_VAIN_MAX", 4)
    async with (
        Proxy.before(amqp_url) as proxy,
        consumer(hearing(proxy.url_of(amqp_url), engine, Ears().hear)) as process,
    ):
        for _ in range(4):
            await asyncio.sleep(1)
            proxy.stall()
            await asyncio.sleep(1)
            proxy.resume()

        assert not process.done()
