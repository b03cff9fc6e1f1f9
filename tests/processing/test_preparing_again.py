"""A photo that is prepared again: nothing done is undone, and nothing waits for the wrong thing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.message import Envelope
from contracts.processing.v1 import PreparePhoto
from contracts.uploads.v1 import PhotoAccepted, Quad
from services.kit.inbox import Delivery
from services.kit.storage import NoSuchObject, Storage
from services.processing import preparation, sandbox
from services.processing.models import preparations
from services.processing.preparation import Keys, Preparer
from services.processing.proposing import UNSURE
from services.processing.sandbox import Sandbox
from tests.processing import pictures, rows

INNER: Quad = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]
TINY: Quad = [(0.5, 0.5), (0.51, 0.5), (0.51, 0.51), (0.5, 0.51)]


@dataclass
class Darkroom:
    """One photo of one account, and who prepares it."""

    engine: AsyncEngine
    storage: Storage
    preparer: Preparer
    account_id: UUID
    photo_id: UUID = field(default_factory=uuid4)

    @property
    def original(self) -> str:
        return f"originals/{self.account_id}/{self.photo_id}"

    async def accept(
        self, version: int, quad: Quad | None, *, object_key: str | None = None
    ) -> PreparePhoto:
        accepted = PhotoAccepted(
            photo_id=self.photo_id,
            account_id=self.account_id,
            version=version,
            object_key=object_key or self.original,
            media_type="image/png",
            size_bytes=1000,
            width=400,
            height=300,
            quad=quad,
        )
        async with self.engine.begin() as connection:
            await preparation.accept(connection, accepted)
        said = await rows.said(self.engine, self.photo_id)
        ordered = [one["data"] for one in said if one["type"] == PreparePhoto.type]
        return PreparePhoto.model_validate(ordered[-1])

    async def prepare(self, command: PreparePhoto) -> dict[str, Any]:
        """Prepare it; what was said last."""
        envelope = Envelope(
            id=uuid4(),
            source="/rekindle/tests",
            type=command.type,
            time=datetime.now(UTC),
            subject=str(command.photo_id),
            correlationid=uuid4(),
            data={},
        )
        delivery = Delivery(self.engine, "rk.processing.prepare.standard", envelope)
        await self.preparer.prepare(command, delivery.transaction)
        said: dict[str, Any] = (await rows.said(self.engine, self.photo_id))[-1]
        return said

    async def row(self) -> Any:
        query = sa.select(preparations).where(preparations.c.photo_id == self.photo_id)
        async with self.engine.connect() as connection:
            return (await connection.execute(query)).one()

    async def stored(self, key: str) -> bool:
        try:
            return await self.storage.size(key) > 0
        except NoSuchObject:
            return False


@pytest.fixture(name="box", scope="module")
def _box() -> Iterator[Sandbox]:
    box = Sandbox(workers=1)
    yield box
    box.close()


@pytest.fixture(name="room")
async def _room(engine: AsyncEngine, storage: Storage, box: Sandbox) -> Darkroom:
    room = Darkroom(
        engine, storage, Preparer(engine, storage, box), await rows.open_account(engine)
    )
    await storage._client.put_object(
        Bucket=storage._bucket, Key=room.original, Body=pictures.png(pictures.textured(400, 300))
    )
    return room


async def test_the_first_time_everything_is_stored_and_told(room: Darkroom) -> None:
    command = await room.accept(2, INNER)
    told = (await room.prepare(command))["data"]

    keys = Keys.of(command)
    assert [told[f"{name}_key"] for name in keys._fields] == list(keys)
    assert all([await room.stored(key) for key in keys])
    assert (told["width"], told["height"], told["version"]) == (200, 150, 2)
    assert len(told["blurhash"]) == 28
    assert told["quad"] == [list(corner) for corner in INNER]


async def test_another_cut_is_made_of_the_frame_under_other_names(room: Darkroom) -> None:
    first = (await room.prepare(await room.accept(2, INNER)))["data"]
    again = await room.accept(4, UNSURE.quad, object_key=first["frame_key"])
    assert (await room.row()).master_key == first["master_key"]

    second = (await room.prepare(again))["data"]

    assert (second["width"], second["height"], second["quad"]) == (400, 300, None)
    assert second["frame_key"] == first["frame_key"]
    for name in ("master_key", "preview_key", "thumbnail_key"):
        assert second[name] != first[name]
    assert await room.stored(first["master_key"])
    assert (await room.row()).master_key == second["master_key"]


async def test_the_frame_that_is_there_is_not_stored_once_more(room: Darkroom) -> None:
    first = (await room.prepare(await room.accept(2, INNER)))["data"]
    again = await room.accept(4, INNER, object_key=first["frame_key"])

    second = (await room.prepare(again))["data"]

    assert second["frame_key"] == first["frame_key"]
    assert not await room.stored(Keys.of(again).frame)


async def test_a_job_that_waits_takes_the_new_one_and_one_that_runs_is_left_alone(
    room: Darkroom,
) -> None:
    first = (await room.prepare(await room.accept(2, INNER)))["data"]
    waits = await rows.add_job(room.engine, room.account_id, photo_id=room.photo_id)
    runs = await rows.add_job(room.engine, room.account_id, photo_id=room.photo_id)
    running = "update jobs set state = 'RUNNING', started_at = now() where id = :id"
    await rows.execute(room.engine, running, id=runs)
    ready_at = (await rows.job(room.engine, runs)).ready_at

    again = await room.accept(4, UNSURE.quad, object_key=first["frame_key"])
    assert (await rows.job(room.engine, waits)).ready_at is None
    assert (await rows.job(room.engine, runs)).ready_at == ready_at
    await room.prepare(again)

    assert (await rows.job(room.engine, waits)).ready_at is not None
    assert (await rows.job(room.engine, runs)).state == "RUNNING"


async def test_a_preparation_that_was_overtaken_leaves_nothing(room: Darkroom) -> None:
    first = await room.accept(2, INNER)
    second = await room.accept(3, UNSURE.quad)

    async def overtaken(command: PreparePhoto) -> bool:
        return True  # it was looked up before the second was accepted

    room.preparer._is_wanted = overtaken  # type: ignore[method-assign]
    await room.prepare(first)
    assert (await room.row()).state == "waiting"
    assert not any([await room.stored(key) for key in Keys.of(first)])

    told = (await room.prepare(second))["data"]
    assert (told["version"], told["width"]) == (3, 400)


async def test_what_was_accepted_before_is_not_begun_again(room: Darkroom) -> None:
    await room.prepare(await room.accept(4, INNER))
    said = len(await rows.said(room.engine, room.photo_id))

    await room.accept(2, UNSURE.quad)

    assert (await room.row()).state == "prepared"
    assert len(await rows.said(room.engine, room.photo_id)) == said


async def test_a_cut_that_cannot_be_made_leaves_the_photo_and_its_jobs(room: Darkroom) -> None:
    first = (await room.prepare(await room.accept(2, INNER)))["data"]
    job_id = await rows.add_job(room.engine, room.account_id, photo_id=room.photo_id)

    told = await room.prepare(await room.accept(4, TINY, object_key=first["frame_key"]))

    assert told["type"] == "processing.photo.unusable.v1"
    assert (told["data"]["code"], told["data"]["version"]) == ("corners-unusable", 4)
    assert (await room.row()).state == "prepared"
    assert (await room.row()).master_key == first["master_key"]
    job = await rows.job(room.engine, job_id)
    assert (job.state, job.ready_at is not None) == ("QUEUED", True)


async def test_a_fault_of_ours_is_tried_again_and_refuses_nothing(
    room: Darkroom, tmp_path: Any
) -> None:
    """Where a master cannot be written, the photo is not at fault."""
    command = await room.accept(2, INNER)
    answer = sandbox.TaskFailed("OSError", {"detail": "no space left on device"})

    class Full(Sandbox):
        async def run(self, *_: Any, **__: Any) -> dict[str, Any]:
            raise answer

    full = Full(workers=1)
    room.preparer._sandbox, whole = full, room.preparer._sandbox
    with pytest.raises(sandbox.Crashed):
        await room.prepare(command)
    full.close()

    assert (await room.row()).state == "waiting"
    assert await room.stored(room.original)
    room.preparer._sandbox = whole
    assert (await room.prepare(command))["type"] == "processing.photo.prepared.v1"
