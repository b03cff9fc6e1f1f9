"""What billing does when it hears a message, and what it forgets."""

import asyncio

import structlog
from faststream.rabbit import RabbitBroker
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import AccountErased, AccountOpened
from contracts.message import Message
from services.billing import subscriptions
from services.kit import bus, erasures, inbox

QUEUE = "rk.billing.events"
PREFETCH = 8
FORGET_EVERY_S = 60 * 60

log = structlog.get_logger()


def listen(broker: RabbitBroker, engine: AsyncEngine) -> None:
    bus.listen(broker, engine, queue=QUEUE, prefetch=PREFETCH, handlers=HANDLERS)


async def open_account(account: AccountOpened, delivery: inbox.Delivery) -> None:
    async with delivery.transaction() as connection:
        await subscriptions.open_free(connection, account.account_id)


async def erase_account(account: AccountErased, delivery: inbox.Delivery) -> None:
    async with delivery.transaction() as connection:
        await erasures.begin(connection, account.account_id)


HANDLERS: dict[type[Message], bus.Handler] = {
    AccountOpened: open_account,
    AccountErased: erase_account,
}


async def forget_for_ever(engine: AsyncEngine) -> None:
    """Delete what the inbox need not remember any more, each hour."""
    while True:
        try:
            async with engine.begin() as connection:
                await inbox.forget_old(connection)
        except Exception as error:  # noqa: BLE001  # a killed Postgres raises from many families
            log.warning("sweep.interrupted", error=repr(error)[:200])
        await asyncio.sleep(FORGET_EVERY_S)
