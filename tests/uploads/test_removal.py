"""Nothing stays that must not, whoever dies or is away."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.storage import Storage
from services.uploads import photos, removal
from services.uploads.models import State
from tests.uploads import pictures
from tests.uploads.conftest import Uploader, exists, types_said

DELETED = "uploads.photo.deleted.v1"


async def later(engine: AsyncEngine, time: timedelta) -> None:
    """Let so much time pass, as far as the photos can tell."""
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "update photos set sweep_at = sweep_at - past, created_at = created_at - past,"
                " updated_at = updated_at - past, upload_expires_at = upload_expires_at - past"
                " from (select cast(:time as interval) as past) as passed"
            ),
            {"time": time},
        )


async def left_to_sweep(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        count = await connection.scalar(
            text("select count(*) from photos where sweep_at is not null")
        )
        return int(count or 0)


async def test_what_was_begun_and_abandoned_ends_after_a_day(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    old = await uploader.uploaded(pictures.jpeg())
    await later(engine, timedelta(hours=24))
    young = await uploader.uploaded(pictures.jpeg())

    assert await removal.sweep(engine, storage) == 1

    assert not await exists(storage, uploader.original_key(old))
    assert await exists(storage, uploader.original_key(young))
    assert (await uploader.client.get(f"/v1/photos/{old}")).status_code == 404
    assert (await uploader.show(young))["state"] == "begun"
    assert await types_said(engine, old) == [DELETED]


async def test_an_accepted_photo_is_left_alone_however_long_it_waits(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    photo_id = await uploader.accepted(pictures.jpeg())
    await later(engine, timedelta(days=3))

    assert await removal.sweep(engine, storage) == 0
    assert await exists(storage, uploader.original_key(photo_id))


async def test_who_dies_between_commit_and_removal_leaves_it_to_the_sweep(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    photo_id = await uploader.uploaded(pictures.HTML)
    async with engine.begin() as connection:
        photo = await photos.find(
            connection, account_id=uploader.account_id, photo_id=UUID(photo_id)
        )
        await photos.reject(
            connection, photo.id, when=State.BEGUN, problem={"code": "not-a-photo", "detail": ""}
        )

    assert await removal.sweep(engine, storage) == 0, "whoever rejected it may still be at it"
    await later(engine, photos.SWEEP_AFTER)
    assert await removal.sweep(engine, storage) == 1

    assert not await exists(storage, uploader.original_key(photo_id))


async def test_a_bucket_that_is_away_postpones_the_removal(
    uploader: Uploader, engine: AsyncEngine, storage: Storage, storage_away: Storage
) -> None:
    photo_id = await uploader.accepted(pictures.jpeg())

    uploader.app.state.storage = storage_away
    answer = await uploader.client.delete(f"/v1/photos/{photo_id}")
    assert answer.status_code == 204
    assert await exists(storage, uploader.original_key(photo_id))

    await later(engine, photos.SWEEP_AFTER)
    await removal.sweep(engine, storage)

    assert not await exists(storage, uploader.original_key(photo_id))


async def test_a_file_sent_again_after_the_removal_is_removed_as_well(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    photo = pictures.jpeg()
    begun = await uploader.begin(size=len(photo))
    photo_id = begun["photo"]["id"]
    await uploader.client.delete(f"/v1/photos/{photo_id}")
    assert (await uploader.send(begun, photo)).is_success
    key = uploader.original_key(photo_id)
    assert await exists(storage, key)

    await later(engine, photos.UPLOAD_WITHIN + photos.LATE_WRITES_END_AFTER)
    assert await removal.sweep(engine, storage) == 1

    assert not await exists(storage, key)
    assert await left_to_sweep(engine) == 0


async def test_preparation_that_died_silently_leaves_nothing_of_a_deleted_photo(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    photo_id = await uploader.accepted(pictures.jpeg())
    await uploader.client.delete(f"/v1/photos/{photo_id}")
    master = f"masters/{uploader.account_id}/{photo_id}-2.jpg"
    await storage._client.put_object(Bucket=storage._bucket, Key=master, Body=b"late")

    await later(engine, photos.UPLOAD_WITHIN + photos.LATE_WRITES_END_AFTER)
    await removal.sweep(engine, storage)

    assert not await exists(storage, master)


async def test_a_sweep_works_through_more_than_one_batch(
    uploader: Uploader, engine: AsyncEngine, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "BATCH", 2)
    for _ in range(5):
        await uploader.begin()
    await later(engine, timedelta(hours=24))

    assert await removal.sweep(engine, storage) == 5
    assert await removal.sweep(engine, storage) == 0


async def test_what_changes_during_its_removal_stays_due(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    photo_id = (await uploader.begin())["photo"]["id"]
    async with engine.begin() as connection:
        seen = await photos.find(
            connection, account_id=uploader.account_id, photo_id=UUID(photo_id)
        )
        await photos.delete(connection, seen.id)
    await later(engine, timedelta(days=2))
    async with engine.begin() as connection:
        await photos.removed(connection, seen)

    assert await left_to_sweep(engine) == 1
    assert await removal.sweep(engine, storage) == 1
