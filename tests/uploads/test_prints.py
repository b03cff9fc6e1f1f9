"""A photo that is cut elsewhere never loses what it was, and nothing stays that was replaced."""

from dataclasses import fields
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.message import Message
from contracts.processing.v1 import PhotoPrepared, PhotoUnusable, PreparePhoto
from contracts.uploads.v1 import Outline
from services.kit.storage import Storage
from services.processing.preparation import Keys
from services.uploads import leftovers, prints, removal
from services.uploads.consumers import PreparationEnds
from services.uploads.photos import Photo
from tests.uploads import pictures
from tests.uploads.conftest import Uploader, exists, said, types_said
from tests.uploads.test_preparation_ends import delivery, prepared, store, unusable

INNER = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
OTHER = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]]
WHOLE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]


class Darkroom:
    """What processing does to a photo, as uploads hears of it."""

    def __init__(self, uploader: Uploader, engine: AsyncEngine, storage: Storage) -> None:
        self._uploader, self._engine, self._storage = uploader, engine, storage

    async def prepared(self, photo_id: str, *, version: int, **more: Any) -> PhotoPrepared:
        message = prepared(self._uploader, photo_id, version=version, **more)
        await store(self._storage, message)
        await self.tell(message)
        return message

    async def tell(self, message: Message) -> None:
        ends = PreparationEnds(self._storage)
        arrival = delivery(self._engine, message)
        if isinstance(message, PhotoUnusable):
            await ends.on_unusable(message, arrival)
        else:
            assert isinstance(message, PhotoPrepared)
            await ends.on_prepared(message, arrival)

    async def hours_pass(self) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(
                text(
                    "update leftovers set remove_at = remove_at - interval '3 hours',"
                    " left_at = left_at - interval '3 hours'"
                )
            )
        await removal.sweep(self._engine, self._storage)

    async def left(self) -> int:
        async with self._engine.connect() as connection:
            return int(await connection.scalar(text("select count(*) from leftovers")) or 0)


@pytest.fixture(name="room")
def _room(uploader: Uploader, engine: AsyncEngine, storage: Storage) -> Darkroom:
    return Darkroom(uploader, engine, storage)


async def cut_photo(uploader: Uploader, room: Darkroom) -> tuple[str, PhotoPrepared]:
    """A photo that was cut by itself, with its frame."""
    photo_id = await uploader.accepted(pictures.jpeg())
    frame = f"frames/{uploader.account_id}/{photo_id}-2.jpg"
    outline = Outline.model_validate({"quad": INNER, "confidence": 0.97, "applied": True})
    message = await room.prepared(
        photo_id, version=2, frame_key=frame, quad=outline.quad, outline=outline
    )
    return photo_id, message


async def test_what_was_proposed_and_done_is_shown_and_said(
    uploader: Uploader, room: Darkroom, engine: AsyncEngine
) -> None:
    photo_id, _ = await cut_photo(uploader, room)

    photo = await uploader.show(photo_id)
    assert photo["quad"] == INNER
    assert photo["outline"] == {"quad": INNER, "confidence": 0.97, "applied": True, "prints": []}
    assert photo["blurhash"] == "LxH27h2lwtX3mAWUjwfAgFfmfTfi"
    assert {"thumbnails", "previews", "masters", "frames"} == {
        photo[f"{name}_url"].split("/")[4] for name in ("thumbnail", "preview", "master", "frame")
    }
    ready = (await said(engine, photo_id))[-1]["data"]
    assert (ready["outline"], ready["quad"]) == (photo["outline"], INNER)


async def test_a_cut_of_ours_can_be_undone_after_the_original_is_gone(
    uploader: Uploader, room: Darkroom, engine: AsyncEngine, storage: Storage
) -> None:
    photo_id, first = await cut_photo(uploader, room)
    assert not await exists(storage, uploader.original_key(photo_id))

    answer = await uploader.cut(photo_id, None)

    assert (answer.status_code, answer.json()["state"]) == (202, "accepted")
    assert answer.json()["master_url"]
    order = (await said(engine, photo_id))[-1]
    assert order["type"] == "uploads.photo.accepted.v1"
    assert (order["data"]["object_key"], order["data"]["quad"]) == (first.frame_key, WHOLE)
    await room.prepared(photo_id, version=order["data"]["version"], frame_key=first.frame_key)
    photo = await uploader.show(photo_id)
    assert (photo["state"], photo["quad"]) == ("ready", None)
    assert photo["outline"]["applied"] is False


async def test_what_was_replaced_stays_for_who_reads_it_and_then_goes(
    uploader: Uploader, room: Darkroom, storage: Storage
) -> None:
    photo_id, first = await cut_photo(uploader, room)
    version = (await uploader.cut(photo_id, OTHER)).json()["version"]
    second = await room.prepared(photo_id, version=version, frame_key=first.frame_key)

    await removal.sweep(room._engine, storage)
    assert await exists(storage, first.master_key)

    await room.hours_pass()
    assert not await exists(storage, first.master_key)
    assert not await exists(storage, str(first.preview_key))
    for key in (second.master_key, second.preview_key, second.frame_key):
        assert await exists(storage, str(key))
    assert await room.left() == 0


async def test_other_corners_before_it_is_ready_are_cut_from_the_original(
    uploader: Uploader, room: Darkroom, engine: AsyncEngine, storage: Storage
) -> None:
    photo_id = await uploader.accepted(pictures.jpeg())
    assert (await uploader.cut(photo_id, OTHER)).status_code == 202

    overtaken = await room.prepared(photo_id, version=2)
    assert (await uploader.show(photo_id))["state"] == "accepted"
    assert await exists(storage, uploader.original_key(photo_id))
    await room.prepared(photo_id, version=3)

    assert (await uploader.show(photo_id))["state"] == "ready"
    assert not await exists(storage, uploader.original_key(photo_id))
    assert (await said(engine, photo_id))[1]["data"]["object_key"] == uploader.original_key(
        photo_id
    )
    await room.hours_pass()
    assert not await exists(storage, overtaken.master_key)


async def test_asking_for_what_is_there_already_does_nothing(
    uploader: Uploader, room: Darkroom, engine: AsyncEngine
) -> None:
    photo_id, _ = await cut_photo(uploader, room)
    before = await types_said(engine, photo_id)

    assert (await uploader.cut(photo_id, INNER)).json()["state"] == "ready"
    assert await types_said(engine, photo_id) == before
    version = (await uploader.cut(photo_id, OTHER)).json()["version"]
    assert (await uploader.cut(photo_id, OTHER)).json()["version"] == version


async def test_a_cut_that_cannot_be_made_leaves_what_there_was_and_says_why(
    uploader: Uploader, room: Darkroom, storage: Storage
) -> None:
    photo_id, first = await cut_photo(uploader, room)
    version = (await uploader.cut(photo_id, OTHER)).json()["version"]

    await room.tell(unusable(uploader, photo_id, version=version))

    photo = await uploader.show(photo_id)
    assert (photo["state"], photo["quad"], photo["problem"]["code"]) == (
        "ready",
        INNER,
        "undecodable",
    )
    assert await exists(storage, first.master_key)
    assert (await uploader.cut(photo_id, OTHER)).json()["problem"] is None


async def test_what_a_preparation_stored_that_never_said_so_goes(
    uploader: Uploader, room: Darkroom, storage: Storage
) -> None:
    """It died between its last object and its message, and the next try failed or was overtaken."""
    overtaken_id = await uploader.accepted(pictures.jpeg())
    overtaken = prepared(uploader, overtaken_id, version=2)
    failed_id, shown = await cut_photo(uploader, room)
    version = (await uploader.cut(failed_id, OTHER)).json()["version"]
    failed = prepared(uploader, failed_id, version=version)
    for message in (overtaken, failed):
        await store(storage, message)

    await uploader.cut(overtaken_id, OTHER)
    await room.tell(unusable(uploader, failed_id, version=version))
    await room.hours_pass()

    left = [await exists(storage, message.master_key) for message in (overtaken, failed, shown)]
    assert left == [False, False, True]


async def test_what_was_made_of_a_photo_that_nobody_knows_goes_at_once(
    uploader: Uploader, room: Darkroom, engine: AsyncEngine, storage: Storage
) -> None:
    message = await room.prepared(str(uuid4()), version=2)

    await removal.sweep(engine, storage)

    assert not await exists(storage, message.master_key)


async def test_an_end_that_was_overtaken_changes_nothing(
    uploader: Uploader, room: Darkroom
) -> None:
    photo_id = await uploader.accepted(pictures.jpeg())
    await uploader.cut(photo_id, OTHER)

    await room.tell(unusable(uploader, photo_id, version=2))

    assert (await uploader.show(photo_id))["state"] == "accepted"


async def test_a_deleted_photo_leaves_nothing_of_any_cut(
    uploader: Uploader, room: Darkroom, engine: AsyncEngine, storage: Storage
) -> None:
    photo_id, first = await cut_photo(uploader, room)
    version = (await uploader.cut(photo_id, OTHER)).json()["version"]
    second = await room.prepared(photo_id, version=version, frame_key=first.frame_key)
    await uploader.cut(photo_id, INNER)

    await uploader.client.delete(f"/v1/photos/{photo_id}")
    await removal.sweep(engine, storage)

    made = (first.master_key, first.preview_key, first.frame_key, second.master_key)
    assert not any([await exists(storage, str(key)) for key in made])
    late = f"masters/{uploader.account_id}/{photo_id}-{version + 2}.jpg"
    await storage._client.put_object(Bucket=storage._bucket, Key=late, Body=b"late")
    await room.hours_pass()
    assert await room.left() == 0
    async with engine.connect() as connection:
        query = text("select blurhash, quad, outline from photos where id = :id")
        assert set((await connection.execute(query, {"id": UUID(photo_id)})).one()) == {None}


@pytest.mark.parametrize(
    "quad",
    [INNER[::-1], [[0.5, 0.5]] * 4, [[0.5, 0.5], [0.51, 0.5], [0.51, 0.51], [0.5, 0.51]], "whole"],
    ids=["counter-clockwise", "a point", "tiny", "words"],
)
async def test_corners_of_no_print_are_refused(
    uploader: Uploader, room: Darkroom, quad: Any
) -> None:
    photo_id, _ = await cut_photo(uploader, room)

    assert (await uploader.cut(photo_id, quad)).status_code == 422
    assert (await uploader.show(photo_id))["state"] == "ready"


async def test_only_ones_own_accepted_photo_can_be_cut(uploader: Uploader, room: Darkroom) -> None:
    begun = (await uploader.begin())["photo"]["id"]
    refused = await uploader.cut(begun, INNER)
    assert (refused.status_code, refused.json()["code"]) == (409, "not-complete")

    assert (await uploader.cut(str(UUID(int=7)), INNER)).status_code == 404


async def test_changes_without_end_are_refused(
    uploader: Uploader, room: Darkroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prints, "LEFTOVERS_MAX", 3)
    photo_id, first = await cut_photo(uploader, room)
    version = (await uploader.cut(photo_id, OTHER)).json()["version"]
    await room.prepared(photo_id, version=version, frame_key=first.frame_key)

    refused = await uploader.cut(photo_id, INNER)

    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-changes")
    assert int(refused.headers["retry-after"]) <= leftovers.READ_FOR / timedelta(seconds=1)
    await room.hours_pass()
    assert (await uploader.cut(photo_id, INNER)).json()["state"] == "accepted"


@pytest.mark.parametrize("version", [None, 2])
def test_it_knows_where_a_preparation_writes(version: int | None) -> None:
    """Neither service asks the other; both build the same names."""
    account, photo = uuid4(), uuid4()
    blank: dict[str, Any] = dict.fromkeys(field.name for field in fields(Photo))
    known = Photo(**blank | {"id": photo, "account_id": account, "accepted_version": version})
    command = PreparePhoto(
        photo_id=photo,
        account_id=account,
        tier="standard",
        object_key=known.original_key,
        media_type="image/jpeg",
        version=version,
    )

    assert known.keys_in_the_making == frozenset(Keys.of(command))
