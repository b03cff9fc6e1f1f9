"""What uploads hears: how the preparation of a photo ended, and whose photos are to go."""

from faststream.rabbit import RabbitBroker
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import AccountErased
from contracts.processing.v1 import PhotoPrepared, PhotoUnusable
from services.kit import bus
from services.kit.inbox import Delivery
from services.kit.storage import Storage
from services.uploads import erasing, prints
from services.uploads.removal import remove_at_once

QUEUE = "rk.uploads.events"
PREFETCH = 10


def listen(broker: RabbitBroker, engine: AsyncEngine, storage: Storage) -> None:
    """Hear the ends of preparations, and of accounts."""
    ends = PreparationEnds(storage)
    bus.listen(
        broker,
        engine,
        queue=QUEUE,
        prefetch=PREFETCH,
        handlers={
            PhotoPrepared: ends.on_prepared,
            PhotoUnusable: ends.on_unusable,
            AccountErased: _account_erased,
        },
    )


class PreparationEnds:
    """Either the photo is ready or it is rejected; its original is not needed any more."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def on_prepared(self, prepared: PhotoPrepared, delivery: Delivery) -> None:
        async with delivery.transaction() as connection:
            photo = await prints.make_ready(connection, prepared)
            photo = photo or await prints.discard(connection, prepared)
        if photo:
            await remove_at_once(delivery.engine, self._storage, photo)

    async def on_unusable(self, unusable: PhotoUnusable, delivery: Delivery) -> None:
        async with delivery.transaction() as connection:
            photo = await prints.refuse(connection, unusable)
        if photo:
            await remove_at_once(delivery.engine, self._storage, photo)


async def _account_erased(erased: AccountErased, delivery: Delivery) -> None:
    async with delivery.transaction() as connection:
        await erasing.begin(connection, erased)
