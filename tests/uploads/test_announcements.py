"""The same file once, checksums that S3 compares, other bytes after the look, and limits."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.storage import ObjectChanged, Storage
from services.uploads import quotas
from tests.uploads import pictures
from tests.uploads.conftest import NewUploader, Uploader, exists, said
from tests.uploads.test_removal import later

PHOTO = pictures.jpeg()
DIGEST = hashlib.sha256(PHOTO).hexdigest()


async def announce(uploader: Uploader, **changes: Any) -> httpx.Response:
    new = {"filename": "a.jpg", "size": len(PHOTO), "sha256": DIGEST, **changes}
    return await uploader.client.post("/v1/photos", json=new)


async def accepted(uploader: Uploader) -> str:
    begun = (await announce(uploader)).json()
    assert (await uploader.send(begun, PHOTO)).is_success
    assert (await uploader.complete(begun["photo"]["id"])).status_code == 202
    return str(begun["photo"]["id"])


async def test_s3_itself_refuses_other_bytes_than_were_announced(
    uploader: Uploader, storage: Storage
) -> None:
    begun = (await announce(uploader)).json()
    other = PHOTO[:-1] + b"\0"

    refused = await uploader.send(begun, other)

    assert (refused.status_code, "BadDigest" in refused.text) == (400, True)
    assert not await exists(storage, uploader.original_key(begun["photo"]["id"]))
    assert (await uploader.send(begun, PHOTO)).is_success


async def test_the_news_carries_what_the_bytes_must_be(
    uploader: Uploader, engine: AsyncEngine
) -> None:
    photo_id = await accepted(uploader)

    (news,) = await said(engine, photo_id)
    assert news["data"]["sha256"] == DIGEST
    assert news["data"]["etag"] == f'"{hashlib.md5(PHOTO).hexdigest()}"'


async def test_the_same_file_again_is_the_same_photo(uploader: Uploader) -> None:
    photo_id = await accepted(uploader)

    again = await announce(uploader, filename="b.jpg", sha256=DIGEST.upper())

    assert again.status_code == 200
    assert again.headers["location"] == f"/v1/photos/{photo_id}"
    assert (again.json()["photo"]["id"], again.json()["upload"]) == (photo_id, None)
    assert len((await uploader.client.get("/v1/photos")).json()["items"]) == 1


async def test_a_file_that_has_not_come_is_taken_up_again(uploader: Uploader) -> None:
    first, second = await announce(uploader), await announce(uploader)

    assert [first.status_code, second.status_code] == [201, 200]
    assert first.json()["photo"] == second.json()["photo"]
    assert (await uploader.send(second.json(), PHOTO)).is_success


async def test_the_same_file_many_times_at_once_is_one_photo(uploader: Uploader) -> None:
    answers = await asyncio.gather(*(announce(uploader) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["photo"]["id"] for answer in answers}) == 1


async def test_nobody_learns_what_others_have(
    uploader: Uploader, new_uploader: NewUploader
) -> None:
    photo_id = await accepted(uploader)

    answer = await announce(new_uploader())

    assert answer.status_code == 201
    assert answer.json()["photo"]["id"] != photo_id


async def test_without_a_hash_or_of_another_size_nothing_is_the_same(uploader: Uploader) -> None:
    await accepted(uploader)

    answers = [await announce(uploader, sha256=None), await announce(uploader, size=1)]

    assert [answer.status_code for answer in answers] == [201, 201]


@pytest.mark.parametrize("end", ["deleted", "refused"])
async def test_a_photo_that_is_no_more_can_be_added_again(uploader: Uploader, end: str) -> None:
    data = PHOTO if end == "deleted" else pictures.HTML
    same = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    first = (await announce(uploader, **same)).json()
    await uploader.send(first, data)
    if end == "deleted":
        await uploader.client.delete(f"/v1/photos/{first['photo']['id']}")
    else:
        assert (await uploader.complete(first["photo"]["id"])).status_code == 415

    again = await announce(uploader, **same)

    assert again.status_code == 201
    assert again.json()["photo"]["id"] != first["photo"]["id"]


async def test_a_file_that_is_sent_again_after_the_look_has_another_etag(
    uploader: Uploader, engine: AsyncEngine, storage: Storage, tmp_path: Any
) -> None:
    begun = await uploader.begin(size=len(PHOTO))
    photo_id = begun["photo"]["id"]
    await uploader.send(begun, PHOTO)
    await uploader.complete(photo_id)
    (news,) = await said(engine, photo_id)

    assert (await uploader.send(begun, PHOTO[:-1] + b"\0")).is_success

    key, etag = uploader.original_key(photo_id), news["data"]["etag"]
    with pytest.raises(ObjectChanged):
        await storage.download(key, tmp_path / "file", bytes_max=10**6, etag=etag)
    with pytest.raises(ObjectChanged):
        await storage.read(key, "bytes=0-9", bytes_max=10, etag=etag)


async def test_so_many_photos_may_be_added_in_an_hour(
    uploader: Uploader,
    new_uploader: NewUploader,
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quotas, "UPLOADS_PER_HOUR_MAX", 3)
    deleted = (await uploader.begin())["photo"]["id"]
    await uploader.client.delete(f"/v1/photos/{deleted}")
    await uploader.begin()
    await announce(uploader)

    refused = await announce(uploader, size=7)

    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-uploads")
    assert 3590 < int(refused.headers["retry-after"]) <= 3600
    assert "3 photos in an hour" in refused.json()["detail"]
    assert (await announce(uploader)).status_code == 200, "what is known needs no room"
    assert (await announce(new_uploader())).status_code == 201
    await later(engine, timedelta(hours=1))
    assert (await announce(uploader, size=7)).status_code == 201


async def test_so_many_uploads_may_be_open(
    uploader: Uploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "OPEN_UPLOADS_MAX", 2)
    first = (await uploader.begin())["photo"]["id"]
    await uploader.begin()

    refused = await announce(uploader)

    assert (refused.status_code, refused.json()["code"]) == (409, "too-many-open-uploads")
    assert refused.json()["open_max"] == 2
    await uploader.client.delete(f"/v1/photos/{first}")
    assert (await announce(uploader)).status_code == 201


async def test_so_many_bytes_may_be_kept(
    uploader: Uploader, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "STORED_BYTES_MAX", 1000)
    kept = (await uploader.begin(size=600))["photo"]["id"]

    refused = await uploader.client.post("/v1/photos", json={"filename": "a", "size": 401})

    assert (refused.status_code, refused.json()["code"]) == (409, "storage-full")
    assert (refused.json()["bytes_max"], refused.json()["bytes_used"]) == (1000, 600)
    assert (await uploader.begin(size=400))["photo"]["state"] == "begun"
    await uploader.client.delete(f"/v1/photos/{kept}")
    assert (await uploader.begin(size=600))["photo"]["state"] == "begun"


async def test_at_the_same_time_no_more_get_in_than_one_by_one(
    uploader: Uploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "OPEN_UPLOADS_MAX", 3)

    answers = await asyncio.gather(*(announce(uploader, size=n) for n in range(1, 9)))

    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 5


async def test_the_database_itself_keeps_one_photo_per_file(
    uploader: Uploader, engine: AsyncEngine
) -> None:
    await announce(uploader)
    await uploader.begin(size=len(PHOTO))

    with pytest.raises(Exception, match="photos_by_content"):
        async with engine.begin() as connection:
            await connection.execute(
                text("update photos set sha256_announced = :digest"), {"digest": DIGEST}
            )
