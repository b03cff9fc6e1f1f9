"""Several prints in one picture: each becomes a photo of its own, once."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import AccountErased
from services.kit.problems import Unavailable
from services.kit.storage import Storage
from services.uploads import erasing, removal, splitting
from services.uploads.photos import Photo
from tests.uploads import pictures
from tests.uploads.conftest import NewUploader, Uploader, exists, said, types_said
from tests.uploads.test_preparation_ends import store
from tests.uploads.test_prints import Darkroom

LEFT = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]
RIGHT = [[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]]


@pytest.fixture(name="page")
async def _page(uploader: Uploader, engine: AsyncEngine, storage: Storage) -> str:
    """A page that is ready, and whose whole picture is one that decodes."""
    photo_id = await uploader.accepted(pictures.jpeg())
    message = await Darkroom(uploader, engine, storage).prepared(photo_id, version=2)
    await store(storage, message)
    await storage._client.put_object(
        Bucket=storage._bucket, Key=message.master_key, Body=pictures.jpeg()
    )
    return photo_id


async def test_a_page_becomes_its_prints_in_order(
    uploader: Uploader, engine: AsyncEngine, storage: Storage, page: str
) -> None:
    answer = await uploader.split(page, [LEFT, RIGHT])

    assert answer.status_code == 201, answer.text
    parts = answer.json()["items"]
    assert [part["state"] for part in parts] == ["accepted"] * 2
    assert [part["filename"] for part in parts] == [
        "grandmother (1 of 2).jpg",
        "grandmother (2 of 2).jpg",
    ]
    assert {part["page_id"] for part in parts} == {page}
    for part, quad in zip(parts, (LEFT, RIGHT), strict=True):
        order = (await said(engine, part["id"]))[0]["data"]
        assert (order["quad"], order["object_key"]) == (quad, uploader.original_key(part["id"]))
        assert await exists(storage, order["object_key"])
    assert (await uploader.show(page))["state"] == "ready"


async def test_the_same_key_gives_the_same_photos_and_another_one_others(
    uploader: Uploader, page: str
) -> None:
    first, again = await asyncio.gather(*(uploader.split(page, [LEFT, RIGHT]) for _ in range(2)))
    other = await uploader.split(page, [LEFT], key="another")

    def ids(answer: Any) -> list[str]:
        return [part["id"] for part in answer.json()["items"]]

    assert ids(first) == ids(again)
    assert not set(ids(first)) & set(ids(other))


async def test_who_died_in_between_goes_on_with_the_same_photos(
    uploader: Uploader, engine: AsyncEngine, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = splitting._fill

    async def dies(*given: Any) -> None:
        part: Photo = given[-1]
        if part.quad_asked == RIGHT:
            raise Unavailable("as if the process had ended here")
        await fill(*given)

    with monkeypatch.context() as broken:
        broken.setattr(splitting, "_fill", dies)
        assert (await uploader.split(page, [LEFT, RIGHT])).status_code == 503

    parts = (await uploader.split(page, [LEFT, RIGHT])).json()["items"]

    assert [part["state"] for part in parts] == ["accepted"] * 2
    assert len((await uploader.client.get("/v1/photos")).json()["items"]) == 3
    assert await types_said(engine, parts[0]["id"]) == ["uploads.photo.accepted.v1"]


async def test_parts_that_nobody_goes_on_with_are_swept(
    uploader: Uploader,
    engine: AsyncEngine,
    storage: Storage,
    page: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def dies(*given: Any) -> None:
        page_, part = given[-2:]
        await storage.copy(page_.source_key, part.original_key)
        raise Unavailable("as if the process had ended before it accepted the part")

    monkeypatch.setattr(splitting, "_fill", dies)
    await uploader.split(page, [LEFT])
    (part,) = [p for p in (await uploader.client.get("/v1/photos")).json()["items"] if p["page_id"]]
    assert await exists(storage, uploader.original_key(part["id"]))

    async with engine.begin() as connection:
        await connection.execute(
            text("update photos set sweep_at = sweep_at - cast(:time as interval)"),
            {"time": splitting.SPLIT_WITHIN},
        )
    await removal.sweep(engine, storage)

    assert not await exists(storage, uploader.original_key(part["id"]))
    assert (await uploader.client.get(f"/v1/photos/{part['id']}")).status_code == 404


async def test_only_ones_own_ready_photo_can_be_split(
    uploader: Uploader, new_uploader: NewUploader, page: str
) -> None:
    waiting = await uploader.accepted(pictures.jpeg())

    refused = await uploader.split(waiting, [LEFT])
    assert (refused.status_code, refused.json()["code"]) == (409, "not-ready")
    assert (await new_uploader().split(page, [LEFT])).status_code == 404


async def test_a_page_is_not_split_while_its_account_is_being_erased(
    uploader: Uploader, engine: AsyncEngine, page: str
) -> None:
    async with engine.begin() as connection:
        await erasing.begin(connection, AccountErased(account_id=uploader.account_id))
        asked = asyncio.create_task(uploader.split(page, [LEFT, RIGHT]))
        await asyncio.sleep(0.2)
        assert not asked.done()

    refused = await asked
    assert (refused.status_code, refused.json()["code"]) == (403, "account-was-erased")


@pytest.mark.parametrize("quads", [[], [LEFT] * 10, [LEFT[::-1]], None])
async def test_no_print_too_many_and_what_is_none_are_refused(
    uploader: Uploader, page: str, quads: Any
) -> None:
    assert (await uploader.split(page, quads)).status_code == 422


async def test_where_a_picture_lies_is_told_as_soon_as_it_is_one(
    uploader: Uploader, storage: Storage, page: str
) -> None:
    async def picture(photo_id: str) -> Any:
        return await uploader.client.get(f"/v1/photos/{photo_id}/picture")

    begun = (await uploader.begin())["photo"]["id"]
    assert (await picture(begun)).json()["code"] == "upload-missing"
    nothing = await uploader.uploaded(b"<html>")
    assert (await picture(nothing)).json()["code"] == "not-a-photo"
    uploaded = await uploader.uploaded(pictures.jpeg())
    assert (await picture(uploaded)).json() == {"object_key": uploader.original_key(uploaded)}
    assert (await picture(page)).json()["object_key"].startswith("masters/")
