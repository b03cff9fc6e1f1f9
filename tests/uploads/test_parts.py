"""Large files: parts at the same time, breaks, abandoned halves, and what S3 itself refuses."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import failpoints
from services.kit.storage import Storage
from services.uploads import addresses, parts, photos, removal
from services.uploads.facts import BYTES_MAX
from services.uploads.parts import PART_BYTES
from tests.uploads import pictures
from tests.uploads.conftest import NewUploader, Uploader, exists, said, types_said
from tests.uploads.test_removal import later

LARGE = pictures.jpeg_of(2 * PART_BYTES + 1000)
"""Three parts."""


async def begin(uploader: Uploader, data: bytes = LARGE, **more: Any) -> dict[str, Any]:
    return await uploader.begin("large.jpg", len(data), multipart=True, **more)


async def send(upload: dict[str, Any], data: bytes = LARGE, *numbers: int) -> list[int]:
    """Send the missing parts (with these numbers), all at once; what S3 answered."""
    async with httpx.AsyncClient(timeout=60) as browser:
        wanted = [part for part in upload["parts"] if not numbers or part["number"] in numbers]
        starts = [(part["number"] - 1) * upload["part_bytes"] for part in wanted]
        sending = (
            browser.put(part["url"], content=data[start : start + part["bytes"]])
            for part, start in zip(wanted, starts, strict=True)
        )
        return [answer.status_code for answer in await asyncio.gather(*sending)]


async def open_uploads(storage: Storage, uploader: Uploader) -> int:
    prefix = f"originals/{uploader.account_id}/"
    return len(await parts.left_open(storage, prefix=prefix))


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let this process fail once at a failpoint."""

    def at(point: str) -> None:
        monkeypatch.setitem(failpoints._armed, point, "raise")

    return at


async def test_a_large_file_goes_up_in_parts_at_the_same_time(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    begun = await uploader.begin("large.jpg", len(LARGE))
    photo_id, upload = begun["photo"]["id"], begun["upload"]

    assert upload["method"] == "PUT"
    assert [part["bytes"] for part in upload["parts"]] == [
        *(PART_BYTES, PART_BYTES),
        len(LARGE) - 2 * PART_BYTES,
    ]
    assert await send(upload) == [200, 200, 200]
    answer = await uploader.complete(photo_id)

    assert (answer.status_code, answer.json()["state"]) == (202, "accepted")
    assert answer.json()["size"] == len(LARGE)
    assert await storage.size(uploader.original_key(photo_id)) == len(LARGE)
    assert await open_uploads(storage, uploader) == 0
    (accepted,) = await said(engine, photo_id)
    assert accepted["data"]["etag"].endswith('-3"')


async def test_the_threshold_decides_when_nobody_says(uploader: Uploader) -> None:
    small = await uploader.begin(size=addresses.IN_PARTS_FROM_BYTES)
    large = await uploader.begin(size=addresses.IN_PARTS_FROM_BYTES + 1)

    assert [begun["upload"]["method"] for begun in (small, large)] == ["POST", "PUT"]


async def test_exactly_fifty_megabytes_are_ten_parts(uploader: Uploader, storage: Storage) -> None:
    data = pictures.jpeg_of(BYTES_MAX)
    begun = await begin(uploader, data)

    assert await send(begun["upload"], data) == [200] * 10
    assert (await uploader.complete(begun["photo"]["id"])).status_code == 202

    assert await storage.size(uploader.original_key(begun["photo"]["id"])) == BYTES_MAX


async def test_s3_itself_refuses_a_part_of_another_length_or_number(uploader: Uploader) -> None:
    begun = await begin(uploader)
    url, size = begun["upload"]["parts"][0]["url"], PART_BYTES

    async def nothing_said() -> Any:
        yield bytes(size + 1)

    async with httpx.AsyncClient(timeout=60) as browser:
        answers = [
            await browser.put(url, content=bytes(size + 1)),
            await browser.put(url, content=bytes(size - 1)),
            await browser.put(url, content=nothing_said()),
            await browser.put(url.replace("partNumber=1", "partNumber=9"), content=bytes(size)),
        ]

    assert [answer.status_code for answer in answers] == [403, 403, 403, 403]


async def test_who_died_learns_what_is_missing_and_sends_only_that(uploader: Uploader) -> None:
    begun = await begin(uploader)
    photo_id = begun["photo"]["id"]
    await send(begun["upload"], LARGE, 1, 3)

    early = await uploader.complete(photo_id)
    upload = (await uploader.client.get(f"/v1/photos/{photo_id}/upload")).json()

    assert (early.status_code, early.json()["code"]) == (409, "upload-missing")
    assert early.json()["parts_missing"] == [2]
    assert upload["stored"] == [1, 3]
    assert [part["number"] for part in upload["parts"]] == [2]
    assert upload["expires_at"] > begun["upload"]["expires_at"]
    assert await send(upload) == [200]
    assert (await uploader.complete(photo_id)).status_code == 202


async def test_a_part_may_be_sent_twice(uploader: Uploader) -> None:
    begun = await begin(uploader)

    await send(begun["upload"])
    assert await send(begun["upload"], LARGE, 2) == [200]

    assert (await uploader.complete(begun["photo"]["id"])).status_code == 202


async def test_a_small_file_has_fresh_addresses_too(uploader: Uploader) -> None:
    photo = pictures.jpeg()
    begun = await uploader.begin(size=len(photo))
    photo_id = begun["photo"]["id"]

    upload = (await uploader.client.get(f"/v1/photos/{photo_id}/upload")).json()

    assert (await uploader.send({"upload": upload}, photo)).is_success
    assert (await uploader.complete(photo_id)).status_code == 202


async def test_nothing_is_to_be_sent_of_what_has_arrived(uploader: Uploader) -> None:
    photo_id = await uploader.accepted(pictures.jpeg())

    answer = await uploader.client.get(f"/v1/photos/{photo_id}/upload")

    assert (answer.status_code, answer.json()["code"]) == (409, "upload-ended")


async def test_nobody_else_learns_what_is_missing(
    uploader: Uploader, new_uploader: NewUploader
) -> None:
    photo_id = (await begin(uploader))["photo"]["id"]

    answer = await new_uploader().client.get(f"/v1/photos/{photo_id}/upload")

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_who_dies_after_the_start_leaves_an_upload_that_is_taken_up(
    uploader: Uploader, storage: Storage, dying: Any
) -> None:
    digest = hashlib.sha256(LARGE).hexdigest()
    dying("after_upload_start_before_row")
    new = {"filename": "a", "size": len(LARGE), "sha256": digest, "multipart": True}
    assert (await uploader.client.post("/v1/photos", json=new)).status_code == 503
    assert await open_uploads(storage, uploader) == 1

    begun = await begin(uploader, sha256=digest)

    assert await open_uploads(storage, uploader) == 1
    assert await send(begun["upload"]) == [200] * 3
    assert (await uploader.complete(begun["photo"]["id"])).status_code == 202
    assert await open_uploads(storage, uploader) == 0


async def test_who_dies_after_the_join_leaves_an_object_that_is_accepted(
    uploader: Uploader, engine: AsyncEngine, dying: Any
) -> None:
    begun = await begin(uploader)
    photo_id = begun["photo"]["id"]
    await send(begun["upload"])
    dying("after_join_before_look")
    assert (await uploader.complete(photo_id)).status_code == 503

    resumed = (await uploader.client.get(f"/v1/photos/{photo_id}/upload")).json()
    answers = await asyncio.gather(*(uploader.complete(photo_id) for _ in range(3)))

    assert (resumed["stored"], resumed["parts"]) == ([1, 2, 3], [])
    assert [answer.status_code for answer in answers] == [202] * 3
    assert await types_said(engine, photo_id) == ["uploads.photo.accepted.v1"]


async def test_complete_many_times_at_once_joins_the_parts_once(
    uploader: Uploader, engine: AsyncEngine
) -> None:
    begun = await begin(uploader)
    await send(begun["upload"])

    answers = await asyncio.gather(*(uploader.complete(begun["photo"]["id"]) for _ in range(5)))

    assert {answer.status_code for answer in answers} <= {202, 503}
    assert (await uploader.complete(begun["photo"]["id"])).status_code == 202
    assert len(await types_said(engine, begun["photo"]["id"])) == 1


async def test_of_uploads_started_at_the_same_time_one_is_left(
    uploader: Uploader, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(LARGE).hexdigest()

    async def none_seen_yet(*_: Any, **__: Any) -> list[dict[str, Any]]:
        return []

    with monkeypatch.context() as blind:
        blind.setattr(parts, "left_open", none_seen_yet)
        begun = await asyncio.gather(*(begin(uploader, sha256=digest) for _ in range(4)))

    assert len({one["photo"]["id"] for one in begun}) == 1
    assert len({one["upload"]["parts"][0]["url"].split("uploadId=")[1][:40] for one in begun}) == 1
    assert await open_uploads(storage, uploader) == 1


async def test_deleting_a_begun_photo_ends_its_upload(uploader: Uploader, storage: Storage) -> None:
    begun = await begin(uploader)
    await send(begun["upload"], LARGE, 1)

    await uploader.client.delete(f"/v1/photos/{begun['photo']['id']}")

    assert await open_uploads(storage, uploader) == 0
    assert await send(begun["upload"], LARGE, 1) == [404]


async def test_an_abandoned_upload_is_swept_with_its_parts_and_has_expired(
    uploader: Uploader, engine: AsyncEngine, storage: Storage, new_uploader: NewUploader
) -> None:
    begun = await begin(uploader)
    photo_id = begun["photo"]["id"]
    await send(begun["upload"], LARGE, 1, 2)
    await later(engine, timedelta(hours=24))

    await removal.sweep(engine, storage)

    assert await open_uploads(storage, uploader) == 0
    for answer in (
        await uploader.complete(photo_id),
        await uploader.client.get(f"/v1/photos/{photo_id}/upload"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (410, "upload-expired")
    assert (await uploader.client.get(f"/v1/photos/{photo_id}")).status_code == 404
    assert (await new_uploader().complete(photo_id)).status_code == 404


async def test_an_upload_that_no_photo_knows_is_swept_a_day_later(
    uploader: Uploader, engine: AsyncEngine, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await parts.start(storage, f"originals/{uploader.account_id}/nobody")

    await removal.sweep(engine, storage)
    assert await open_uploads(storage, uploader) == 1

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Tomorrow":
            return super().now(tz) + photos.ABANDONED_AFTER + photos.LATE_WRITES_END_AFTER

    monkeypatch.setattr(removal, "datetime", Tomorrow)
    assert Tomorrow.now(UTC) > datetime.now(UTC)
    await asyncio.sleep(1)  # S3 tells whole seconds
    await removal.sweep(engine, storage)

    assert await open_uploads(storage, uploader) == 0


async def test_what_is_no_photo_is_refused_in_parts_as_well(
    uploader: Uploader, storage: Storage
) -> None:
    page = pictures.HTML + bytes(PART_BYTES)
    begun = await begin(uploader, page)
    await send(begun["upload"], page)

    answer = await uploader.complete(begun["photo"]["id"])

    assert (answer.status_code, answer.json()["code"]) == (415, "not-a-photo")
    assert not await exists(storage, uploader.original_key(begun["photo"]["id"]))
