"""What billing does when it hears a message."""

from faststream.rabbit import RabbitBroker
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import AccountOpened
from contracts.message import Message
from services.billing import subscriptions
from services.kit import bus, inbox

QUEUE = "rk.billing.events"
PREFETCH = 8


def listen(broker: RabbitBroker, engine: AsyncEngine) -> None:
    bus.listen(broker, engine, queue=QUEUE, prefetch=PREFETCH, handlers=HANDLERS)


async def open_account(account: AccountOpened, delivery: inbox.Delivery) -> None:
    async with delivery.transaction() as connection:
        await subscriptions.open_free(connection, account.account_id)


HANDLERS: dict[type[Message], bus.Handler] = {AccountOpened: open_account}
