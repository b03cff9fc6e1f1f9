"""Files that die on the way, that are added twice, and that are not what they were said to be."""

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import pytest
from PIL import Image

from sdk.rekindle import Rekindle
from sdk.rekindle.models import PartsUpload
from tests.journeys import people, photos
from tests.sdk.scripted import measured

ROOT = Path(__file__).parents[2]
DIED = 86
DYING = """
import asyncio, os, sys
from pathlib import Path
from sdk.rekindle import Rekindle, parts

parts.AT_ONCE = 1

def die(done, total):
    if done > 11 * 2**20:
        os._exit(86)  # as kill -9 would

async def main(url, token, path):
    async with Rekindle(url, token) as rekindle:
        await rekindle.photos.add(Path(path), on_progress=die)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def token(stack: dict[str, Any]) -> str:
    return await people.access_token(stack)


@pytest.fixture
async def rekindle(stack: dict[str, Any], token: str) -> AsyncIterator[Rekindle]:
    async with Rekindle(stack["gateway_url"], token) as client:
        yield client


@pytest.fixture
def sent(rekindle: Rekindle) -> list[httpx.Request]:
    """What went to the storage, in order."""
    requests: list[httpx.Request] = []

    async def note(request: httpx.Request) -> None:
        if request.method in ("PUT", "POST") and not request.url.path.startswith("/v1/"):
            requests.append(request)

    rekindle._transport.http.event_hooks["request"] = [note]
    return requests


def large(path: Path) -> Path:
    """A photo of four parts: noise, which nothing makes smaller."""
    pixels = np.random.default_rng(uuid4().int).integers(0, 256, (2200, 2400, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "PNG", compress_level=0)
    return path


async def test_who_was_killed_half_way_sends_the_rest_and_nothing_twice(
    stack: dict[str, Any],
    token: str,
    rekindle: Rekindle,
    sent: list[httpx.Request],
    tmp_path: Path,
) -> None:
    path = large(tmp_path / "large.png")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", DYING, stack["gateway_url"], token, str(path)),
        env={**measured(), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
    )
    assert await process.wait() == DIED
    (half,) = (await rekindle.photos.list()).items
    seen: list[int] = []

    photo = await rekindle.photos.add(path, on_progress=lambda done, _: seen.append(done))

    assert (photo.id, photo.state) == (half.id, "ready")
    assert sorted(request.url.params["partNumber"] for request in sent) == ["3", "4"]
    assert min(seen) > 2 * 5 * 2**20, "what S3 has counts as sent"


async def test_the_same_file_twice_is_one_photo_and_is_sent_once(
    rekindle: Rekindle, sent: list[httpx.Request], tmp_path: Path
) -> None:
    first = await rekindle.photos.add(photos.jpeg(tmp_path / "a.jpg", size=(64, 64)))
    (tmp_path / "a.jpg").rename(tmp_path / "b.jpg")

    again = await rekindle.photos.add(tmp_path / "b.jpg")

    assert (again.id, again.filename) == (first.id, "a.jpg")
    assert len(sent) == 1
    assert len((await rekindle.photos.list()).items) == 1


async def test_two_people_with_the_same_file_have_two_photos(
    stack: dict[str, Any], rekindle: Rekindle, tmp_path: Path
) -> None:
    path = photos.jpeg(tmp_path / "a.jpg", size=(64, 64))
    async with await people.new_user(stack) as other:
        mine, theirs = await asyncio.gather(rekindle.photos.add(path), other.photos.add(path))

        assert mine.id != theirs.id
        await rekindle.photos.delete(mine.id)
        assert (await other.photos.get(theirs.id)).state == "ready"


async def test_a_file_that_is_not_the_announced_one_is_rejected_with_the_reason(
    rekindle: Rekindle, tmp_path: Path
) -> None:
    path = photos.jpeg(tmp_path / "a.jpg", size=(64, 64))
    other = hashlib.sha256(b"another file").hexdigest()
    begun = await rekindle.photos.begin("a.jpg", path.stat().st_size, other, multipart=True)
    assert isinstance(begun.upload, PartsUpload)

    await rekindle.photos.upload(begun.upload, path)
    await rekindle.photos.complete(begun.photo.id)
    photo = await rekindle.photos.wait_ready(begun.photo.id)

    assert photo.state == "rejected"
    assert photo.problem
    assert photo.problem.code == "checksum-mismatch"
