"""Names, lists, links and deletion."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.storage import Storage
from services.uploads.photos import clean
from tests.uploads import pictures
from tests.uploads.conftest import NewUploader, Uploader, exists, types_said


@pytest.mark.parametrize(
    "name",
    [
        "Großmutter und Enkel, 1931.JPG",
        "祖母の写真.heic",
        "👨‍👩‍👧 family.png",
        "../../etc/passwd",
        "C:\\photos\\CON.jpg",
        '"><svg onload=alert(1)>.jpg',
        "a" * 255,
        "${filename}",
    ],
)
async def test_an_unusual_name_is_kept_and_is_no_part_of_the_key(
    uploader: Uploader, storage: Storage, name: str
) -> None:
    photo_id = await uploader.uploaded(pictures.jpeg(), name)

    assert (await uploader.show(photo_id))["filename"] == name
    assert await exists(storage, uploader.original_key(photo_id))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a\0b.jpg", "ab.jpg"),
        ("a\r\nSet-Cookie: x.jpg", "aSet-Cookie: x.jpg"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("a\u2028b\x1b[31m.jpg", "ab[31m.jpg"),
        ("\x00\x01", "photo"),
        ("   ", "photo"),
    ],
)
async def test_characters_that_are_not_to_be_seen_are_removed_from_names(
    uploader: Uploader, given: str, kept: str
) -> None:
    begun = await uploader.begin(given)

    assert begun["photo"]["filename"] == kept == clean(given)


async def test_half_a_character_in_a_name_is_no_error_of_ours(uploader: Uploader) -> None:
    answer = await uploader.client.post(
        "/v1/photos",
        content=b'{"filename": "a\\ud800b.jpg", "size": 5}',
        headers={"content-type": "application/json"},
    )

    assert answer.status_code in (201, 422)


async def test_a_list_is_read_page_by_page_and_newest_first(
    uploader: Uploader, new_uploader: NewUploader
) -> None:
    await new_uploader().begin("somebody else's")
    ids = [(await uploader.begin(f"{number}.jpg"))["photo"]["id"] for number in range(5)]

    pages: list[list[str]] = []
    cursor: str | None = None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await uploader.client.get("/v1/photos", params=query)).json()
        pages.append([photo["id"] for photo in page["items"]])
        if (cursor := page["next_cursor"]) is None:
            break

    newest_first = ids[::-1]
    assert pages == [newest_first[:2], newest_first[2:4], newest_first[4:]]


async def test_a_list_can_be_of_one_state(uploader: Uploader) -> None:
    await uploader.begin()
    accepted = await uploader.accepted(pictures.jpeg())

    page = (await uploader.client.get("/v1/photos", params={"state": "accepted"})).json()

    assert [photo["id"] for photo in page["items"]] == [accepted]


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "x"},
        {"cursor": "AAAA"},
        {"cursor": "ä" * 22},
        {"limit": "0"},
        {"limit": "101"},
        {"state": "deleted"},
    ],
)
async def test_a_list_that_cannot_be_is_refused(uploader: Uploader, query: dict[str, Any]) -> None:
    answer = await uploader.client.get("/v1/photos", params=query)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


async def test_links_are_for_ready_photos_and_for_five_minutes(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    photo_id = await uploader.accepted(pictures.jpeg())
    assert (await uploader.show(photo_id))["thumbnail_url"] is None
    master = f"masters/{uploader.account_id}/{photo_id}.jpg"
    await storage._client.put_object(Bucket=storage._bucket, Key=master, Body=b"master")
    async with engine.begin() as connection:
        await connection.execute(
            text("update photos set state = 'ready', master_key = :key, thumbnail_key = :key"),
            {"key": master},
        )

    shown = await uploader.show(photo_id)

    for url in (shown["master_url"], shown["thumbnail_url"]):
        assert httpx.URL(url).params["X-Amz-Expires"] == "300"
        async with httpx.AsyncClient() as browser:
            assert (await browser.get(url)).content == b"master"
            assert (await browser.get(url.partition("?")[0])).status_code == 403


async def test_a_deleted_photo_is_gone_with_its_files_and_name(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    photo_id = await uploader.accepted(pictures.jpeg())

    answer = await uploader.client.delete(f"/v1/photos/{photo_id}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert not await exists(storage, uploader.original_key(photo_id))
    again = await uploader.client.delete(f"/v1/photos/{photo_id}")
    assert again.status_code == 404
    assert (await uploader.client.get(f"/v1/photos/{photo_id}")).status_code == 404
    assert (await uploader.complete(photo_id)).status_code == 404
    assert (await uploader.client.get("/v1/photos")).json()["items"] == []
    assert await types_said(engine, photo_id) == [
        "uploads.photo.accepted.v1",
        "uploads.photo.deleted.v1",
    ]
    async with engine.connect() as connection:
        names = await connection.scalars(text("select filename from photos"))
        assert names.all() == [""]


async def test_an_id_that_is_none_is_refused(uploader: Uploader) -> None:
    assert (await uploader.client.get("/v1/photos/..%2f..")).status_code == 404
    assert (await uploader.client.get("/v1/photos/1")).status_code == 422
    assert (await uploader.client.get(f"/v1/photos/{uuid4()}")).status_code == 404
