"""One photo, from file to restored file, through the public API of the whole running system."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import text

from sdk.rekindle.client import Rekindle
from services.kit.storage import NoSuchObject, StorageSettings, open_storage
from tests.journeys import people, photos

JOB_WITHIN_S = 120.0


@pytest.fixture
async def user(stack: dict[str, Any]) -> AsyncIterator[Rekindle]:
    """On the Remember plan: three credits of the free month and 25 more."""
    async with await people.new_user(stack, plan="remember") as user:
        yield user


async def restored(user: Rekindle, photo: Path, kind: str, out: Path) -> UUID:
    """Take one photo all the way to a downloaded result; the job's id."""
    added = await user.photos.add(photo)
    assert added.state == "ready", added.problem
    job = await user.jobs.create(kind, [added.id])
    job = await user.jobs.wait(job.id, timeout_s=JOB_WITHIN_S)
    assert job.state == "completed", job.problem
    await user.jobs.download(job, out)
    return job.id


@pytest.mark.parametrize("kind", ["restore_colourize", "restore"])
async def test_a_jpeg_is_restored_and_paid_for_once(
    user: Rekindle, stack: dict[str, Any], tmp_path: Path, kind: str
) -> None:
    price = {"restore": 2, "restore_colourize": 4}[kind]
    before = (await user.credits.balance()).available
    photo = photos.jpeg(tmp_path / "grandmother.jpg", orientation=6, size=(800, 640))

    job_id = await restored(user, photo, kind, tmp_path / "after.png")

    after = Image.open(BytesIO((tmp_path / "after.png").read_bytes()), formats=["PNG"])
    assert after.size == (640, 800), "orientation 6 stands upright"
    assert "exif" not in after.info
    contrast_before = np.asarray(photos.faded_scene(800, 640).convert("L")).std()
    assert np.asarray(after.convert("L")).std() > contrast_before * 1.1
    if kind == "restore_colourize":
        assert np.asarray(after.convert("HSV"))[..., 1].mean() > 8
    balance = await user.credits.balance()
    assert (balance.available, balance.held) == (before - price, 0)
    receipts = [r for r in (await user.credits.receipts()).items if r.job_id == job_id]
    assert sorted(r.movement for r in receipts) == ["capture", "hold"]
    await the_books_are_right(stack)


@pytest.mark.parametrize("kind", ["heic", "tiled_heic", "cmyk_jpeg"])
async def test_what_phones_and_scanners_write_is_restored(
    user: Rekindle, tmp_path: Path, kind: str
) -> None:
    photo = getattr(photos, kind)(tmp_path / "IMG_0001.HEIC")

    await restored(user, photo, "restore", tmp_path / "after.png")

    with Image.open(tmp_path / "after.png", formats=["PNG"]) as after:
        assert after.size == (640, 800)


async def test_the_original_is_gone_and_the_master_holds_nothing_private(
    user: Rekindle, stack: dict[str, Any], tmp_path: Path
) -> None:
    photo = await user.photos.add(photos.jpeg(tmp_path / "a.jpg"))
    account = await user.me()

    assert photo.master_url
    async with httpx.AsyncClient() as web:
        master = (await web.get(photo.master_url)).content
    assert not Image.open(BytesIO(master), formats=["JPEG"]).getexif().get_ifd(photos.GPS_IFD)
    environment = stack["environments"]["uploads"]
    settings = StorageSettings(**{k.lower(): v for k, v in environment.items() if "S3_" in k})
    async with open_storage(settings) as storage:
        for _ in range(50):
            try:
                await storage.size(f"originals/{account.account_id}/{photo.id}")
            except NoSuchObject:
                return
            await asyncio.sleep(0.1)
    raise AssertionError("the original is still there")


async def test_the_feed_tells_the_whole_story_in_order_and_replays_it(
    user: Rekindle, tmp_path: Path
) -> None:
    await restored(user, photos.jpeg(tmp_path / "a.jpg"), "restore", tmp_path / "after.png")

    story = await feed(user, until="credits.hold.captured")
    told = [event.type for event in story]
    for earlier, later in [
        ("uploads.photo.accepted", "uploads.photo.ready"),
        ("uploads.photo.ready", "processing.job.started"),
        ("processing.job.queued", "processing.job.started"),
        ("processing.job.started", "processing.job.checking"),
        ("processing.job.checking", "processing.job.completed"),
        ("processing.job.completed", "credits.hold.captured"),
    ]:
        assert told.index(earlier) < told.index(later), told
    middle = story[len(story) // 2]
    again = await feed(user, after=middle.seq, until="credits.hold.captured")
    assert [e.type for e in again] == told[len(story) // 2 + 1 :]
    assert "object_key" not in str(story)
    assert "result_key" not in str(story)


async def test_a_job_may_be_asked_for_before_its_photo_is_ready(
    user: Rekindle, tmp_path: Path
) -> None:
    path = photos.jpeg(tmp_path / "a.jpg")
    begun = await user.photos.begin(path.name, path.stat().st_size)
    await user.photos.upload(begun.upload, path)
    await user.photos.complete(begun.photo.id)

    job = await user.jobs.create("restore", [begun.photo.id])

    assert (await user.jobs.wait(job.id, timeout_s=JOB_WITHIN_S)).state == "completed"


async def test_a_cancelled_job_costs_nothing(
    user: Rekindle, stack: dict[str, Any], tmp_path: Path
) -> None:
    before = await user.credits.balance()
    photo = await user.photos.add(photos.jpeg(tmp_path / "a.jpg"))
    job = await user.jobs.create("restore", [photo.id])

    assert (await user.jobs.cancel(job.id)).state == "cancelled"

    await feed(user, until="credits.hold.released")
    assert (await user.credits.balance()).available == before.available
    await the_books_are_right(stack)


async def feed(user: Rekindle, *, until: str, after: int | None = 0) -> list[Any]:
    story = []
    async with asyncio.timeout(30):
        async for event in user.events(after=after):
            story.append(event)
            if event.type == until:
                return story
    raise AssertionError(until)


async def the_books_are_right(stack: dict[str, Any]) -> None:
    await people.operate(stack, "credits", "audit")
    engine = people.engine_of(stack, "credits")
    async with engine.connect() as connection:
        total = await connection.execute(text("select coalesce(sum(amount), 0) from entries"))
        assert total.scalar_one() == 0
    await engine.dispose()
