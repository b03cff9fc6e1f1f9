"""Prints on a table and on an album's page, through the public API of the whole running system."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from sdk.rekindle.client import Rekindle
from sdk.rekindle.problems import RekindleProblem
from tests.journeys import people, photos
from tests.journeys.test_restore import JOB_WITHIN_S, feed

PAGE_WIDTH, PAGE_HEIGHT = 1500, 1100
PRINTS = [(380, 480), (420, 330), (360, 450)]
TABLE = (900, 1100)


@pytest.fixture
async def user(stack: dict[str, Any]) -> AsyncIterator[Rekindle]:
    async with await people.new_user(stack, plan="remember") as user:
        yield user


async def uploaded(user: Rekindle, path: Path) -> Any:
    begun = await user.photos.begin(path.name, path.stat().st_size)
    await user.photos.upload(begun.upload, path)
    return begun.photo.id


async def test_three_prints_on_a_page_become_three_photos(user: Rekindle, tmp_path: Path) -> None:
    page_id = await uploaded(user, photos.album_page(tmp_path / "album.jpg"))

    outline = await user.photos.outline(page_id)
    assert len(outline.prints) == 3
    await user.photos.complete(page_id)
    page = await user.photos.wait_ready(page_id)
    assert (page.width, page.height, page.quad) == (PAGE_WIDTH, PAGE_HEIGHT, None)
    assert page.outline
    assert [one.quad for one in outline.prints] == list(page.outline.prints)
    key = str(uuid4())
    parts = await user.photos.split(page_id, idempotency_key=key)
    again = await user.photos.split(page_id, idempotency_key=key)
    assert [part.id for part in again] == [part.id for part in parts]

    ready = [await user.photos.wait_ready(part.id) for part in parts]
    assert [photo.state for photo in ready] == ["ready"] * 3
    for photo, (width, height) in zip(ready, PRINTS, strict=True):
        assert photo.width == pytest.approx(width, rel=0.05)
        assert photo.height == pytest.approx(height, rel=0.05)
        assert photo.page_id == page_id
    job = await user.jobs.create("restore", [ready[1].id])
    job = await user.jobs.wait(job.id, timeout_s=JOB_WITHIN_S)
    assert job.state == "completed", job.problem
    assert (await user.photos.get(page_id)).state == "ready"


async def test_a_print_on_a_table_is_cut_out_and_can_be_whole_again(
    user: Rekindle, tmp_path: Path
) -> None:
    photo = await user.photos.add(photos.on_a_table(tmp_path / "table.jpg"))

    assert photo.outline
    assert photo.outline.applied
    assert photo.quad == photo.outline.quad
    assert (photo.width, photo.height) == pytest.approx((560, 700), rel=0.03)
    assert photo.blurhash
    before = photo.master_url
    await user.photos.set_quad(photo.id, None)
    whole = await user.photos.wait_ready(photo.id)
    assert (whole.width, whole.height, whole.quad) == (*TABLE, None)
    await user.photos.set_quad(photo.id, photo.quad)
    cut = await user.photos.wait_ready(photo.id)
    assert (cut.width, cut.height) == pytest.approx((560, 700), rel=0.03)
    async with httpx.AsyncClient(trust_env=False) as browser:
        for url in (before, cut.master_url, cut.preview_url, cut.thumbnail_url, cut.frame_url):
            assert (await browser.get(str(url))).status_code == 200
    story = await feed(user, until="uploads.photo.ready")
    assert story[-1].data["blurhash"] == photo.blurhash
    assert story[-1].data["outline"]["applied"]
    assert not any("_key" in str(event.data) for event in story)


async def test_what_cannot_be_outlined_or_split_says_why(user: Rekindle, tmp_path: Path) -> None:
    async def code_of(asking: Any) -> str:
        with pytest.raises(RekindleProblem) as problem:
            await asking
        return problem.value.code

    begun = (await user.photos.begin("never.jpg", 1000)).photo.id
    assert await code_of(user.photos.outline(begun)) == "upload-missing"
    assert await code_of(user.photos.outline(uuid4())) == "not-found"
    page = tmp_path / "page.jpg"
    page.write_bytes(b"<html>" * 50)
    assert await code_of(user.photos.outline(await uploaded(user, page))) == "not-a-photo"
    scan = await user.photos.add(photos.heic(tmp_path / "scan.heic"))
    assert await code_of(user.photos.split(scan.id)) == "nothing-to-split"
    crossed = [(0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9)]
    assert await code_of(user.photos.set_quad(scan.id, crossed)) == "invalid-request"
