"""Kill -9 at every step from an accepted upload to a photo that is ready: nothing is lost or left.

One photo goes all the way. At each step the program that takes it dies, and its successor, which is
to die a step later, finds what was left of it.
"""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import bus, failpoints, relay
from services.kit.storage import Storage
from services.uploads import photos
from services.uploads.photos import SWEEP_AFTER, Photo
from tests.processing.people import running
from tests.uploads import pictures
from tests.uploads.conftest import Uploader, exists
from tests.uploads.test_consumer_process import Environment, until
from tests.uploads.test_removal import later

DIES_WITHIN_S = 60

ACCEPTED = ("after_effect_before_commit", "after_commit_before_ack")
PREPARED = (
    "after_original_get_before_master",
    "after_master_before_put",
    "after_master_put_before_thumbnail",
    "after_master_put_before_row",
    "after_effect_before_commit",
    "after_commit_before_ack",
)
READY = ("mid_ready", "after_effect_before_commit", "before_original_delete")
SWEPT = ("on_uploads_sweep", "after_original_delete")


@pytest.fixture(name="relays")
async def _relays(database_url: Callable[[str], str], amqp_url: str) -> AsyncIterator[None]:
    """What was said goes out: these are not what is killed."""
    async with AsyncExitStack() as everything:
        broker = bus.create_broker(amqp_url, name="tests-relay")
        await bus.start(broker)
        everything.push_async_callback(broker.stop)
        for service in ("uploads", "processing"):
            work = relay.relay(database_url(service), broker, schema=service)
            await everything.enter_async_context(running(work))
        yield


@asynccontextmanager
async def program(
    service: str, environment: Environment, *, point: str = ""
) -> AsyncIterator[Process]:
    armed = {failpoints.VARIABLE: f"{point}:exit"} if point else {}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"services.{service}", "consumer"),
        env=environment | armed,
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def dies_at(point: str, service: str, environment: Environment) -> None:
    async with program(service, environment, point=point) as process:
        code = await asyncio.wait_for(process.wait(), DIES_WITHIN_S)
        assert code == failpoints.EXIT_CODE, (service, point, code)


@pytest.mark.timeout(600)
async def test_a_photo_gets_through_however_often_its_programs_die(
    uploader: Uploader,
    engine: AsyncEngine,
    storage: Storage,
    s3: Environment,
    stack: dict[str, dict[str, Environment]],
    amqp_url: str,
    database_url: Callable[[str], str],
    relays: None,
) -> None:
    def environment(service: str) -> Environment:
        known = stack["environments"][service] | s3
        return {
            **os.environ,
            **known,
            "REKINDLE_ENV": "local",
            "AMQP_URL": amqp_url,
            "DATABASE_URL": database_url_of[service],
        }

    database_url_of = {service: database_url(service) for service in ("uploads", "processing")}
    photo_id = await uploader.accepted(pictures.jpeg(640, 480))
    original = uploader.original_key(photo_id)

    for point in (*ACCEPTED, *PREPARED):
        await dies_at(point, "processing", environment("processing"))
        assert await exists(storage, original), point
        assert (await look(engine, photo_id)).state == "accepted", point
    async with program("processing", environment("processing")):
        for point in READY:
            await dies_at(point, "uploads", environment("uploads"))
            assert await exists(storage, original), point
    photo = await look(engine, photo_id)
    assert (photo.state, photo.width, photo.height) == ("ready", 640, 480)

    for point in SWEPT:
        await later(engine, SWEEP_AFTER)
        await dies_at(point, "uploads", environment("uploads"))
    async with program("uploads", environment("uploads")):

        async def is_gone() -> bool:
            return not await exists(storage, original)

        await until(is_gone)
    name = f"{uploader.account_id}/{photo_id}-2"
    assert await objects_of(storage, str(uploader.account_id)) == {
        f"masters/{name}.jpg",
        f"previews/{name}.webp",
        f"thumbnails/{name}.webp",
    }


async def look(engine: AsyncEngine, photo_id: str) -> Photo:
    """The photo as it is; a token to ask for it would not last as long as this takes."""
    async with engine.begin() as connection:
        photo = await photos.lock(connection, UUID(photo_id))
    assert photo
    return photo


async def objects_of(storage: Storage, account_id: str) -> set[str]:
    """Every object of an account that the bucket holds."""
    pages = storage._client.get_paginator("list_objects_v2").paginate(Bucket=storage._bucket)
    keys = {entry["Key"] async for page in pages for entry in page.get("Contents", ())}
    return {key for key in keys if f"/{account_id}/" in key}
