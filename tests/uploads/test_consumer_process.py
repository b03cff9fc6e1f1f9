"""The consumer as it really runs: a process of its own, on a real broker, that may be killed."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from faststream.rabbit import RabbitBroker
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.processing.v1 import PhotoPrepared
from services.kit import bus, outbox, relay
from services.kit.storage import Storage
from services.uploads import photos, removal
from tests.uploads import pictures
from tests.uploads.conftest import Uploader, exists
from tests.uploads.test_preparation_ends import prepared, store
from tests.uploads.test_removal import later

WAIT_S = 30

Environment = dict[str, str]


@asynccontextmanager
async def consumer(environment: Environment) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.uploads", "consumer", env=environment, stdout=DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def black_hole() -> AsyncIterator[str]:
    """An S3 that takes every request and answers none."""
    open_streams: list[asyncio.StreamWriter] = []

    async def swallow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_streams.append(writer)

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for stream in open_streams:
        stream.close()
    server.close()


def environment(s3: Environment, amqp_url: str, **changed: str) -> Environment:
    return {**os.environ, **s3, "AMQP_URL": amqp_url, "REKINDLE_ENV": "local", **changed}


async def tell(engine: AsyncEngine, amqp_url: str, message: PhotoPrepared) -> None:
    """Publish through an outbox and a relay, as processing does."""
    broker: RabbitBroker = bus.create_broker(amqp_url, name="tests")
    await bus.start(broker)
    async with engine.begin() as connection:
        await outbox.say(connection, message, about=message.photo_id)
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        assert await relay.drain(connection, broker, range(outbox.SHARDS)) > 0
    await broker.stop()


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not await condition():  # the other side is another process
            await asyncio.sleep(0.1)


async def test_the_consumer_hears_and_stops_cleanly(
    uploader: Uploader, engine: AsyncEngine, storage: Storage, s3: Environment, amqp_url: str
) -> None:
    photo_id = await uploader.accepted(pictures.jpeg())
    message = prepared(uploader, photo_id)
    await store(storage, message)

    async with consumer(environment(s3, amqp_url)) as process:
        await tell(engine, amqp_url, message)

        async def done() -> bool:
            ready = (await uploader.show(photo_id))["state"] == "ready"
            return ready and not await exists(storage, uploader.original_key(photo_id))

        await until(done)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), WAIT_S) == 0


async def test_a_consumer_killed_between_commit_and_removal_leaves_nothing_after_the_sweep(
    uploader: Uploader, engine: AsyncEngine, storage: Storage, s3: Environment, amqp_url: str
) -> None:
    photo_id = await uploader.accepted(pictures.jpeg())
    message = prepared(uploader, photo_id)
    await store(storage, message)

    async with (
        black_hole() as nowhere,
        consumer(environment(s3, amqp_url, S3_ENDPOINT=nowhere)) as process,
    ):
        await tell(engine, amqp_url, message)

        async def ready() -> bool:
            return bool((await uploader.show(photo_id))["state"] == "ready")

        await until(ready)
        process.kill()
        await process.wait()
    assert await exists(storage, uploader.original_key(photo_id))

    await later(engine, photos.SWEEP_AFTER)
    await removal.sweep(engine, storage)

    assert not await exists(storage, uploader.original_key(photo_id))
    assert await exists(storage, message.master_key)
    async with engine.connect() as connection:
        still = await photos.find(
            connection, account_id=uploader.account_id, photo_id=UUID(photo_id)
        )
    assert still.state == "ready"
