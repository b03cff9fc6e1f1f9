"""A broker that hesitates while a message is put aside to be tried again."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import AccountOpened
from services.kit import bus, failpoints
from services.kit.inbox import Delivery
from tests.kit.messages import DEAD, QUEUE, account_opened, depth, running, send, until


@pytest.mark.parametrize("point", ["before_retry_copy", "after_retry_copy"])
async def test_what_is_to_be_tried_again_is_not_parked(
    point: str, amqp_url: str, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    async def flaky(message: AccountOpened, delivery: Delivery) -> None:
        tries.append(len(tries))
        if len(tries) == 1:
            monkeypatch.setitem(failpoints._armed, point, "raise")
            raise bus.Transient("not now")

    broker = bus.create_broker(amqp_url, name="tests")
    bus.listen(broker, engine, queue=QUEUE, prefetch=5, handlers={AccountOpened: flaky})
    async with running(broker):
        await send(broker, account_opened())
        await until(lambda: len(tries) >= 2, within_s=15)

    assert await depth(amqp_url, DEAD) == 0
