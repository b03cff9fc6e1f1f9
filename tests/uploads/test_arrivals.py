"""From the announcement of a file to the verdict on it."""

import asyncio
import hashlib
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.storage import Piece, Storage
from services.uploads import addresses
from services.uploads.arrivals import Inspector
from services.uploads.facts import BYTES_MAX
from tests.uploads import pictures
from tests.uploads.conftest import NewUploader, Uploader, exists, said, types_said

ACCEPTED, REJECTED = "uploads.photo.accepted.v1", "uploads.photo.rejected.v1"
QUAD = [[0.1, 0.1], [0.9, 0.12], [0.88, 0.9], [0.12, 0.88]]


async def test_a_photo_is_announced_with_an_address_for_its_file(uploader: Uploader) -> None:
    answer = await uploader.client.post(
        "/v1/photos", json={"filename": "a.jpg", "size": 5, "sha256": "ab" * 32}
    )

    photo, upload = answer.json()["photo"], answer.json()["upload"]
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/photos/{photo['id']}"
    assert (photo["state"], photo["version"], photo["size"]) == ("begun", 1, None)
    assert photo["created_at"].endswith("Z")
    assert upload["method"] == "POST"
    left = datetime.fromisoformat(upload["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"filename": "a.jpg", "size": 51 * 2**20}, 413, "photo-too-large"),
        ({"filename": "a.jpg", "size": BYTES_MAX + 1}, 413, "photo-too-large"),
        ({"filename": "a.jpg", "size": 0}, 422, "invalid-request"),
        ({"filename": "a.jpg", "size": True}, 422, "invalid-request"),
        ({"filename": "a.jpg", "size": 2**70}, 422, "invalid-request"),
        ({"filename": "", "size": 1}, 422, "invalid-request"),
        ({"filename": "a" * 256, "size": 1}, 422, "invalid-request"),
        ({"filename": "a.jpg", "size": 1, "sha256": "ab"}, 422, "invalid-request"),
    ],
)
async def test_an_impossible_file_is_not_announced(
    uploader: Uploader, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await uploader.client.post("/v1/photos", json=body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await uploader.client.get("/v1/photos")).json()["items"] == []


async def test_the_refusal_of_a_large_file_says_how_large_one_may_be(uploader: Uploader) -> None:
    answer = await uploader.client.post("/v1/photos", json={"filename": "a", "size": 53_477_376})

    assert answer.json()["bytes_max"] == 52_428_800


async def test_a_file_of_exactly_fifty_megabytes_is_taken_by_s3(
    uploader: Uploader, storage: Storage
) -> None:
    begun = await uploader.begin(size=BYTES_MAX, multipart=False)

    sent = await uploader.send(begun, bytes(BYTES_MAX))

    key = uploader.original_key(begun["photo"]["id"])
    assert sent.is_success
    assert await storage.size(key) == BYTES_MAX
    await storage.delete(key)


@pytest.mark.parametrize("size", [0, BYTES_MAX + 1, 51 * 2**20], ids=["empty", "1 more", "51 MB"])
async def test_s3_itself_refuses_a_file_of_another_size(
    uploader: Uploader, storage: Storage, size: int
) -> None:
    begun = await uploader.begin(size=BYTES_MAX, multipart=False)

    sent = await uploader.send(begun, bytes(size))

    assert sent.status_code == 400
    assert not await exists(storage, uploader.original_key(begun["photo"]["id"]))
    answer = await uploader.complete(begun["photo"]["id"])
    assert (answer.status_code, answer.json()["code"]) == (409, "upload-missing")


async def test_s3_itself_refuses_another_key_and_other_fields(
    uploader: Uploader, storage: Storage
) -> None:
    photo = pictures.jpeg()
    begun = await uploader.begin(size=len(photo))
    elsewhere = f"originals/{uuid4()}/{uuid4()}"

    assert (await uploader.send(begun, photo, key=elsewhere)).status_code == 403
    for field in ("x-amz-meta-a", "Content-Type", "x-amz-server-side-encryption", "policy"):
        assert (await uploader.send(begun, photo, **{field: "text/html"})).status_code == 403
    assert not await exists(storage, elsewhere)
    assert not await exists(storage, uploader.original_key(begun["photo"]["id"]))


async def test_s3_itself_refuses_an_address_whose_time_is_over(
    uploader: Uploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "EXPIRES_S", 1)
    form = await uploader.begin(size=5)
    part = await uploader.begin(size=5, multipart=True)
    await asyncio.sleep(2.1)

    async with httpx.AsyncClient() as browser:
        late = await browser.put(part["upload"]["parts"][0]["url"], content=b"photo")
    assert (late.status_code, (await uploader.send(form, b"photo")).status_code) == (403, 403)


async def test_an_original_is_encrypted_and_nothing_that_a_browser_shows(
    uploader: Uploader, storage: Storage
) -> None:
    begun, page = await uploader.begin(size=len(pictures.HTML)), pictures.HTML

    assert (await uploader.send(begun, page)).is_success

    key = uploader.original_key(begun["photo"]["id"])
    head = await storage.ask("head_object", Key=key)
    assert head["ContentType"] == "application/octet-stream"
    assert head["ServerSideEncryption"] == "AES256"


async def test_a_file_that_is_replaced_during_the_look_is_looked_at_again(
    uploader: Uploader,
    storage: Storage,
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = pictures.jpeg()
    second = first[:-3] + bytes([first[-3] ^ 1]) + first[-2:]
    begun = await uploader.begin(size=len(first))
    photo_id = begun["photo"]["id"]
    await uploader.send(begun, first)
    read, reads = storage.read, []

    async def read_and_replace(*asked: Any, **more: Any) -> Piece:
        piece = await read(*asked, **more)
        reads.append(piece)
        if len(reads) == 1:
            await uploader.send(begun, second)
        return piece

    monkeypatch.setattr(storage, "read", read_and_replace)
    answer = await uploader.complete(photo_id)

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert (await uploader.show(photo_id))["state"] == "begun"
    assert (await uploader.complete(photo_id)).status_code == 202
    (accepted,) = await said(engine, photo_id)
    assert accepted["data"]["etag"] == f'"{hashlib.md5(second).hexdigest()}"'


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        ("image/jpeg", pictures.jpeg()),
        ("image/jpeg", pictures.mpo()),
        ("image/jpeg", pictures.with_metadata(pictures.jpeg(), 2**20)),
        ("image/png", pictures.png()),
        ("image/webp", pictures.webp()),
        ("image/heic", pictures.heic()),
    ],
    ids=["JPEG", "MPO", "JPEG with long metadata", "PNG", "WebP", "HEIC"],
)
async def test_a_photo_is_accepted_by_its_bytes(
    uploader: Uploader, engine: AsyncEngine, storage: Storage, media_type: str, data: bytes
) -> None:
    photo_id = await uploader.uploaded(data, "scan.TIFF")

    answer = await uploader.complete(photo_id, quad=QUAD)

    photo = answer.json()
    assert answer.status_code == 202
    assert (photo["state"], photo["media_type"], photo["version"]) == ("accepted", media_type, 2)
    assert (photo["width"], photo["height"], photo["size"]) == (96, 64, len(data))
    assert photo["master_url"] is None
    (accepted,) = await said(engine, photo_id)
    assert accepted["type"] == ACCEPTED
    assert accepted["data"] == {
        "photo_id": photo_id,
        "account_id": str(uploader.account_id),
        "version": 2,
        "object_key": uploader.original_key(photo_id),
        "media_type": media_type,
        "size_bytes": len(data),
        "width": 96,
        "height": 64,
        "quad": QUAD,
        "etag": f'"{hashlib.md5(data).hexdigest()}"',
        "sha256": None,
    }
    assert await exists(storage, uploader.original_key(photo_id))


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (pictures.HTML, 415, "not-a-photo"),
        (pictures.encoded("GIF"), 415, "format-not-supported"),
        (pictures.encoded("AVIF"), 415, "format-not-supported"),
        (pictures.png_that_claims(60_000, 60_000), 413, "too-many-pixels"),
        (pictures.jpeg(400, 300)[:-2000], 422, "file-damaged"),
        (pictures.jpeg()[:300], 422, "file-damaged"),
        (pictures.png(12, 12), 422, "too-small"),
    ],
    ids=["HTML", "GIF", "AVIF", "a bomb", "cut off", "header cut off", "tiny"],
)
async def test_anything_else_is_refused_and_removed(
    *,
    uploader: Uploader,
    engine: AsyncEngine,
    storage: Storage,
    data: bytes,
    status: int,
    code: str,
) -> None:
    photo_id = await uploader.uploaded(data, "portrait.jpg")

    answer = await uploader.complete(photo_id)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert not await exists(storage, uploader.original_key(photo_id))
    photo = await uploader.show(photo_id)
    assert (photo["state"], photo["media_type"]) == ("rejected", None)
    assert photo["problem"] == {"code": code, "detail": problem["detail"]}
    (rejected,) = await said(engine, photo_id)
    assert (rejected["type"], rejected["data"]["code"]) == (REJECTED, code)


async def test_a_refusal_is_repeated_and_not_said_twice(
    uploader: Uploader, engine: AsyncEngine
) -> None:
    photo_id = await uploader.uploaded(pictures.png_that_claims(60_000, 60_000))

    first, second = await uploader.complete(photo_id), await uploader.complete(photo_id)

    assert second.status_code == 413
    assert second.json() | {"trace_id": ""} == first.json() | {"trace_id": ""}
    assert second.json()["pixels"] == 3_600_000_000
    assert await types_said(engine, photo_id) == [REJECTED]


async def test_complete_before_the_file_is_there_changes_nothing(
    uploader: Uploader, engine: AsyncEngine
) -> None:
    photo_id = (await uploader.begin())["photo"]["id"]

    answer = await uploader.complete(photo_id)

    assert (answer.status_code, answer.json()["code"]) == (409, "upload-missing")
    assert (await uploader.show(photo_id))["state"] == "begun"
    assert await types_said(engine, photo_id) == []


async def test_complete_twice_gives_the_same_photo_once(
    uploader: Uploader, engine: AsyncEngine
) -> None:
    photo_id = await uploader.uploaded(pictures.jpeg())

    answers = [await uploader.complete(photo_id), await uploader.complete(photo_id, quad=QUAD)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert await types_said(engine, photo_id) == [ACCEPTED]


async def test_complete_many_times_at_once_is_said_once(
    uploader: Uploader, engine: AsyncEngine
) -> None:
    photo_id = await uploader.uploaded(pictures.jpeg())

    answers = await asyncio.gather(*(uploader.complete(photo_id) for _ in range(6)))

    assert [answer.status_code for answer in answers] == [202] * 6
    assert len({answer.text for answer in answers}) == 1
    assert await types_said(engine, photo_id) == [ACCEPTED]


@pytest.mark.parametrize(
    "quad",
    [
        [[0, 0], [1, 0], [1, 1]],
        [[0, 0], [1, 0], [1, 1], [0, 1.01]],
        [[0, 0], [1, 1], [1, 0], [0, 1]],
        [[0, 0], [0, 1], [1, 1], [1, 0]],
        [[0.5, 0.5]] * 4,
    ],
    ids=["three corners", "outside", "crossed", "counterclockwise", "a point"],
)
async def test_corners_that_no_print_has_are_refused(
    uploader: Uploader, quad: list[list[float]]
) -> None:
    photo_id = await uploader.uploaded(pictures.jpeg())

    answer = await uploader.complete(photo_id, quad=quad)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert (await uploader.show(photo_id))["state"] == "begun"


async def test_corners_that_are_no_numbers_are_refused(uploader: Uploader) -> None:
    photo_id = await uploader.uploaded(pictures.jpeg())

    answer = await uploader.client.post(
        f"/v1/photos/{photo_id}/complete",
        content=b'{"quad": [[NaN, 0], [1, 0], [1, 1], [0, 1]]}',
        headers={"content-type": "application/json"},
    )

    assert answer.status_code == 422


async def test_somebody_elses_photo_is_as_absent_as_one_that_never_was(
    uploader: Uploader, new_uploader: NewUploader
) -> None:
    stranger, story = new_uploader(), {"x-correlation-id": str(uuid4())}
    theirs, nobodys = await uploader.uploaded(pictures.jpeg()), str(uuid4())

    for method, suffix in (("GET", ""), ("DELETE", ""), ("POST", "/complete")):
        seen = [
            await stranger.client.request(method, f"/v1/photos/{photo}{suffix}", headers=story)
            for photo in (theirs, nobodys)
        ]
        foreign, absent = (
            answer.content.replace(photo.encode(), b"ID")
            for answer, photo in zip(seen, (theirs, nobodys), strict=True)
        )
        assert [answer.status_code for answer in seen] == [404, 404]
        assert foreign == absent
        assert seen[0].headers == seen[1].headers
    assert (await uploader.show(theirs))["state"] == "begun"


async def test_without_a_token_nothing_is_shown(uploader: Uploader) -> None:
    answer = await uploader.client.get("/v1/photos", headers={"authorization": "Bearer no"})

    assert answer.status_code == 401


async def test_the_bucket_being_away_is_a_moment_and_not_a_verdict(
    uploader: Uploader, storage_away: Storage
) -> None:
    photo_id, state = await uploader.uploaded(pictures.jpeg()), uploader.app.state
    seeing = state.inspector

    with closing(Inspector(storage_away)) as blind:
        state.inspector = blind
        answer = await uploader.complete(photo_id)
    state.inspector = seeing

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert (await uploader.complete(photo_id)).status_code == 202


async def test_a_service_without_its_bucket_is_not_ready(
    uploader: Uploader, storage_away: Storage
) -> None:
    assert (await uploader.client.get("/readyz")).status_code == 200

    uploader.app.state.storage = storage_away

    assert (await uploader.client.get("/readyz")).status_code == 503
