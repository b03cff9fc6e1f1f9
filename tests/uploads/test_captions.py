"""Captions: written by their owner, found by their words, and gone with their photo."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.uploads.conftest import NewUploader, Uploader


async def describe(uploader: Uploader, photo_id: str, caption: str | None) -> str | None:
    path = f"/v1/photos/{photo_id}/caption"
    answer = await uploader.client.put(path, json={"caption": caption})
    assert answer.status_code == 200, answer.text
    written: str | None = answer.json()["caption"]
    assert (await uploader.show(photo_id))["caption"] == written
    return written


async def found(uploader: Uploader, search: str) -> set[str]:
    answer = await uploader.client.get("/v1/photos", params={"search": search})
    return {photo["id"] for photo in answer.json()["items"]}


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("Emma am See, 1936", "Emma am See, 1936"),
        ("two\nlines\u202e", "twolines"),
        ("  ", None),
        (None, None),
        ("x" * 200, "x" * 200),
    ],
)
async def test_a_caption_is_kept_as_it_can_be_read(
    uploader: Uploader, given: str | None, written: str | None
) -> None:
    photo_id = (await uploader.begin())["photo"]["id"]
    await describe(uploader, photo_id, "before")

    assert await describe(uploader, photo_id, given) == written


async def test_a_search_finds_words_of_captions_and_names_as_they_are(uploader: Uploader) -> None:
    emma = (await uploader.begin("scan 1.jpg"))["photo"]["id"]
    house = (await uploader.begin("House.jpg"))["photo"]["id"]
    await describe(uploader, emma, "Emma, 100 % happy")

    assert await found(uploader, "EMMA") == {emma}
    assert await found(uploader, "house") == {house}
    assert await found(uploader, "0 %") == {emma}
    assert await found(uploader, "%") == {emma}
    assert await found(uploader, "_") == set()
    assert await found(uploader, "") == {emma, house}


async def test_nobody_else_writes_or_finds_a_caption(new_uploader: NewUploader) -> None:
    owner, stranger = new_uploader(), new_uploader()
    photo_id = (await owner.begin())["photo"]["id"]
    await describe(owner, photo_id, "Emma")

    path = f"/v1/photos/{photo_id}/caption"
    answer = await stranger.client.put(path, json={"caption": "mine"})
    assert answer.status_code == 404
    assert await found(stranger, "Emma") == set()
    assert (await owner.show(photo_id))["caption"] == "Emma"


async def test_too_long_a_caption_is_refused(uploader: Uploader) -> None:
    photo_id = (await uploader.begin())["photo"]["id"]
    path = f"/v1/photos/{photo_id}/caption"

    answer = await uploader.client.put(path, json={"caption": "x" * 201})

    assert answer.status_code == 422


async def test_of_a_deleted_photo_no_caption_stays(uploader: Uploader, engine: AsyncEngine) -> None:
    photo_id = (await uploader.begin())["photo"]["id"]
    await describe(uploader, photo_id, "Emma")
    await uploader.client.delete(f"/v1/photos/{photo_id}")

    async with engine.begin() as connection:
        row = await connection.execute(
            text("select caption from photos where id = :id"), {"id": photo_id}
        )
    assert row.scalar_one() is None
    path = f"/v1/photos/{photo_id}/caption"
    assert (await uploader.client.put(path, json={"caption": "x"})).status_code == 404
