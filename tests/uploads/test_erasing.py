"""An account is erased: its photos go with every object, and none can begin any more."""

from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import AccountErased
from services.kit.storage import Storage, StorageAway
from services.uploads import erasing, removal
from tests.uploads import pictures
from tests.uploads.conftest import NewUploader, Uploader, exists, types_said

CLEARED = "uploads.account.cleared.v1"


async def erase(engine: AsyncEngine, account_id: UUID) -> None:
    async with engine.begin() as connection:
        await erasing.begin(connection, AccountErased(account_id=account_id))


async def sweep(engine: AsyncEngine, storage: Storage) -> None:
    """Twice: what the first one removed, the second one finds gone."""
    for _ in range(2):
        await erasing.sweep(engine)
        await removal.sweep(engine, storage)
    await erasing.sweep(engine)


async def test_every_photo_goes_whatever_its_state_and_nobody_elses(
    new_uploader: NewUploader, engine: AsyncEngine, storage: Storage
) -> None:
    mine, other = new_uploader(), new_uploader()
    accepted = await mine.accepted(pictures.jpeg())
    begun = await mine.uploaded(pictures.jpeg(60, 50))
    kept = await other.accepted(pictures.jpeg())

    await erase(engine, mine.account_id)
    await sweep(engine, storage)

    for photo_id in (accepted, begun):
        assert not await exists(storage, mine.original_key(photo_id))
        assert (await mine.client.get(f"/v1/photos/{photo_id}")).status_code == 404
    assert await exists(storage, other.original_key(kept))
    assert (await other.show(kept))["state"] == "accepted"
    assert await types_said(engine, str(mine.account_id)) == [CLEARED]
    async with engine.connect() as connection:
        names = await connection.scalars(
            text("select distinct filename from photos where account_id = :id"),
            {"id": mine.account_id},
        )
        assert names.all() == [""]


async def test_nothing_begins_any_more(uploader: Uploader, engine: AsyncEngine) -> None:
    await erase(engine, uploader.account_id)

    refused = await uploader.client.post("/v1/photos", json={"filename": "a.jpg", "size": 100})

    assert (refused.status_code, refused.json()["code"]) == (403, "account-was-erased")


async def test_while_the_storage_is_away_nobody_says_that_nothing_is_left(
    uploader: Uploader, engine: AsyncEngine, storage: Storage, storage_away: Storage
) -> None:
    photo_id = await uploader.accepted(pictures.jpeg())
    await erase(engine, uploader.account_id)

    await erasing.sweep(engine)
    with pytest.raises(StorageAway):
        await removal.sweep(engine, storage_away)
    await erasing.sweep(engine)
    meanwhile = await types_said(engine, str(uploader.account_id))
    await sweep(engine, storage)

    assert meanwhile == []
    assert not await exists(storage, uploader.original_key(photo_id))
    assert await types_said(engine, str(uploader.account_id)) == [CLEARED]


async def test_erased_twice_is_said_once(uploader: Uploader, engine: AsyncEngine) -> None:
    for _ in range(2):
        await erase(engine, uploader.account_id)
        await erasing.sweep(engine)

    assert await types_said(engine, str(uploader.account_id)) == [CLEARED]
