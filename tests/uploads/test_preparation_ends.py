"""What follows when processing is done with a photo."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.message import Envelope, Message
from contracts.processing.v1 import PhotoPrepared, PhotoUnusable
from services.kit.inbox import AlreadyHandled, Delivery
from services.kit.storage import Storage
from services.uploads.consumers import PreparationEnds
from tests.uploads import pictures
from tests.uploads.conftest import Uploader, exists, said, types_said


def prepared(uploader: Uploader, photo_id: str, *, version: int = 2, **more: Any) -> PhotoPrepared:
    name = f"{uploader.account_id}/{photo_id}-{version}"
    message = PhotoPrepared(
        photo_id=UUID(photo_id),
        account_id=uploader.account_id,
        version=version,
        master_key=f"masters/{name}.jpg",
        preview_key=f"previews/{name}.webp",
        thumbnail_key=f"thumbnails/{name}.webp",
        blurhash="LxH27h2lwtX3mAWUjwfAgFfmfTfi",
        width=90,
        height=60,
    )
    return message.model_copy(update=more)


def unusable(uploader: Uploader, photo_id: str, *, version: int = 2) -> PhotoUnusable:
    return PhotoUnusable(
        photo_id=UUID(photo_id),
        account_id=uploader.account_id,
        version=version,
        code="undecodable",
        detail="The middle is missing.",
    )


def delivery(engine: AsyncEngine, message: Message) -> Delivery:
    envelope = Envelope.model_validate(
        {
            "id": uuid4(),
            "source": "/rekindle/processing",
            "type": message.type,
            "time": "2026-01-01T00:00:00Z",
            "subject": "a photo",
            "correlationid": uuid4(),
            "data": message.model_dump(mode="json"),
        }
    )
    return Delivery(engine, "rk.uploads.events", envelope)


async def store(storage: Storage, message: PhotoPrepared) -> None:
    made = (message.master_key, message.preview_key, message.thumbnail_key, message.frame_key)
    for key in filter(None, made):
        await storage._client.put_object(Bucket=storage._bucket, Key=key, Body=b"pixels")


async def test_a_prepared_photo_is_ready_and_its_original_is_gone(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    photo_id = await uploader.accepted(pictures.jpeg())
    message = prepared(uploader, photo_id)
    await store(storage, message)

    await PreparationEnds(storage).on_prepared(message, delivery(engine, message))

    photo = await uploader.show(photo_id)
    assert (photo["state"], photo["width"], photo["height"]) == ("ready", 90, 60)
    assert photo["version"] == 3
    assert photo["master_url"]
    assert photo["thumbnail_url"]
    assert not await exists(storage, uploader.original_key(photo_id))
    assert await exists(storage, message.master_key)
    ready = (await said(engine, photo_id))[-1]
    assert ready["type"] == "uploads.photo.ready.v1"
    assert ready["data"]["version"] == 3


async def test_the_same_delivery_twice_is_acted_on_once(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    photo_id = await uploader.accepted(pictures.jpeg())
    message = prepared(uploader, photo_id)
    arrival, ends = delivery(engine, message), PreparationEnds(storage)
    await ends.on_prepared(message, arrival)

    with pytest.raises(AlreadyHandled):
        await ends.on_prepared(message, arrival)

    assert len(await said(engine, photo_id)) == 2


async def test_prepared_twice_is_said_once(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    photo_id = await uploader.accepted(pictures.jpeg())
    message = prepared(uploader, photo_id)
    await store(storage, message)
    for _ in range(2):
        await PreparationEnds(storage).on_prepared(message, delivery(engine, message))

    assert len(await said(engine, photo_id)) == 2
    assert await exists(storage, message.master_key)


async def test_an_unusable_photo_is_rejected_and_its_original_is_gone(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    photo_id = await uploader.accepted(pictures.jpeg())
    message = unusable(uploader, photo_id)

    await PreparationEnds(storage).on_unusable(message, delivery(engine, message))

    photo = await uploader.show(photo_id)
    assert photo["state"] == "rejected"
    assert photo["problem"] == {"code": "undecodable", "detail": "The middle is missing."}
    assert not await exists(storage, uploader.original_key(photo_id))
    rejected = (await said(engine, photo_id))[-1]
    assert (rejected["type"], rejected["data"]["code"]) == (
        "uploads.photo.rejected.v1",
        "undecodable",
    )
    # It was complete when that was asked, and the photo says what became of it.
    assert (await uploader.complete(photo_id)).json() == photo


async def test_a_photo_deleted_meanwhile_leaves_neither_master_nor_thumbnail(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    photo_id = await uploader.accepted(pictures.jpeg())
    await uploader.client.delete(f"/v1/photos/{photo_id}")
    message = prepared(uploader, photo_id)
    await store(storage, message)

    await PreparationEnds(storage).on_prepared(message, delivery(engine, message))

    assert not await exists(storage, message.master_key)
    assert not await exists(storage, message.thumbnail_key)
    assert (await types_said(engine, photo_id))[-1] == "uploads.photo.deleted.v1"


async def test_a_photo_deleted_or_never_seen_cannot_become_unusable(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    photo_id, unknown = await uploader.accepted(pictures.jpeg()), str(uuid4())
    await uploader.client.delete(f"/v1/photos/{photo_id}")

    for subject in (photo_id, unknown):
        message = unusable(uploader, subject)
        await PreparationEnds(storage).on_unusable(message, delivery(engine, message))

    assert (await types_said(engine, photo_id))[-1] == "uploads.photo.deleted.v1"
    assert await said(engine, unknown) == []


async def test_a_photo_that_is_not_complete_is_not_made_ready(
    uploader: Uploader, engine: AsyncEngine, storage: Storage
) -> None:
    photo_id = (await uploader.begin())["photo"]["id"]
    message = prepared(uploader, photo_id)

    await PreparationEnds(storage).on_prepared(message, delivery(engine, message))

    assert (await uploader.show(photo_id))["state"] == "begun"
