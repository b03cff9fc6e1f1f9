"""What a restored backup lacks is listed, and nothing is mended (F15)."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import objects
from services.kit.storage import Storage
from services.uploads import auditing
from tests.uploads import pictures
from tests.uploads.conftest import Uploader, exists


@pytest.fixture(autouse=True)
def _nothing_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects of this test count as written long ago."""
    monkeypatch.setattr(objects, "NEW_FOR", timedelta(minutes=-1))


@pytest.fixture(autouse=True)
async def _empty_bucket(storage: Storage) -> None:
    for folder in auditing.FOLDERS:
        while left := (await storage.ask("list_objects_v2", Prefix=f"{folder}/")).get("Contents"):
            await storage.delete(*(entry["Key"] for entry in left))


async def put(storage: Storage, key: str) -> str:
    await storage.ask("put_object", Key=key, Body=b"x")
    return key


async def test_photos_in_every_state_agree_with_the_bucket(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    await uploader.uploaded(pictures.jpeg(50, 40))
    await uploader.accepted(pictures.jpeg())

    drift = await auditing.audit(engine, storage)

    assert (str(drift), drift.is_clean) == ("2 objects: 0 missing, 0 unknown.", True)


async def test_what_was_uploaded_and_deleted_since_a_backup_is_listed(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    since = uploader.original_key(await uploader.accepted(pictures.jpeg(50, 40)))
    deleted = uploader.original_key(await uploader.accepted(pictures.jpeg()))
    stranger = await put(storage, f"masters/{uuid4()}/{uuid4()}-2.jpg")
    async with (
        engine.begin() as connection
    ):  # the backup knows nothing of the first, and the second
        photo_id = since.rpartition("/")[2]
        await connection.execute(text("delete from photos where id = :id"), {"id": photo_id})
    await storage.delete(deleted)

    drift = await auditing.audit(engine, storage)

    assert (drift.missing, drift.unknown) == (1, 2)
    found = {f"missing: {deleted}", f"unknown: {since}", f"unknown: {stranger}"}
    assert set(drift.shown) == found
    assert await exists(storage, since)
    assert await exists(storage, stranger)


async def test_of_many_only_the_first_are_named(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    for _ in range(objects.SHOWN_MAX + 3):
        await put(storage, f"previews/{uploader.account_id}/{uuid4()}.webp")

    lines = str(await auditing.audit(engine, storage)).splitlines()

    assert lines[0] == "23 objects: 0 missing, 23 unknown."
    assert len(lines) == objects.SHOWN_MAX + 2
    assert lines[-1] == "  and 3 more"


async def test_a_late_object_of_a_deleted_photo_is_unknown_only_when_it_was_swept(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    photo_id = await uploader.accepted(pictures.jpeg())
    await uploader.client.delete(f"/v1/photos/{photo_id}")
    await put(storage, uploader.original_key(photo_id))

    waiting = await auditing.audit(engine, storage)
    async with engine.begin() as connection:
        await connection.execute(text("update photos set sweep_at = null"))
    swept = await auditing.audit(engine, storage)

    assert (waiting.unknown, swept.unknown) == (0, 1)


async def test_what_was_just_written_may_have_its_row_on_the_way(
    uploader: Uploader, engine: AsyncEngine, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "NEW_FOR", timedelta(minutes=30))
    await put(storage, f"masters/{uploader.account_id}/{uuid4()}-1.jpg")

    assert (await auditing.audit(engine, storage)).is_clean
