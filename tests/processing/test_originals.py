"""Preparation works on exactly the bytes that were looked at, and that were announced."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.processing.v1 import PreparePhoto
from contracts.uploads.v1 import PhotoAccepted
from services.kit.storage import NoSuchObject, Storage
from services.processing import preparation
from services.processing.preparation import Preparer
from services.processing.sandbox import Sandbox
from tests.processing import pictures, rows


@pytest.fixture(name="sandbox")
def _sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(workers=1)
    yield sandbox
    sandbox.close()


class Original:
    """A photo that waits to be prepared, and the file that was looked at."""

    def __init__(self, engine: AsyncEngine, storage: Storage, folder: Path) -> None:
        self._engine, self._storage = engine, storage
        self.path = pictures.saved(folder / "original", pictures.corners())
        self.sha256 = hashlib.sha256(self.path.read_bytes()).hexdigest()

    async def accepted(self) -> PhotoAccepted:
        self.account_id = await rows.open_account(self._engine)
        self.photo_id = await rows.add_photo(self._engine, self.account_id, "waiting")
        key = f"originals/{self.account_id}/{self.photo_id}"
        await self._storage.upload(self.path, key, media_type="application/octet-stream")
        seen = await self._storage.read(key, "bytes=0-9", bytes_max=10)
        return PhotoAccepted(
            photo_id=self.photo_id,
            account_id=self.account_id,
            version=2,
            object_key=key,
            media_type="image/png",
            size_bytes=seen.size_bytes,
            width=320,
            height=240,
            etag=seen.etag,
            sha256=self.sha256,
        )

    async def prepare(self, photo: PhotoAccepted, sandbox: Sandbox, **changes: Any) -> sa.Row[Any]:
        """What became of it."""
        command = PreparePhoto(
            photo_id=photo.photo_id,
            account_id=photo.account_id,
            tier="standard",
            object_key=photo.object_key,
            media_type=photo.media_type,
            **({"etag": photo.etag, "sha256": photo.sha256} | changes),
        )
        preparer = Preparer(self._engine, self._storage, sandbox)
        await preparer.prepare(command, self._engine.begin)
        return await self.state(photo.photo_id)

    async def state(self, photo_id: UUID) -> sa.Row[Any]:
        async with self._engine.connect() as connection:
            query = sa.text("select state, code, detail from preparations where photo_id = :id")
            return (await connection.execute(query, {"id": photo_id})).one()


@pytest.fixture
def original(engine: AsyncEngine, storage: Storage, tmp_path: Path) -> Original:
    return Original(engine, storage, tmp_path)


async def test_the_bytes_that_were_looked_at_are_prepared(
    original: Original, sandbox: Sandbox
) -> None:
    outcome = await original.prepare(await original.accepted(), sandbox)

    assert outcome.state == "prepared"


async def test_an_object_that_was_swapped_after_the_look_is_never_used(
    original: Original, sandbox: Sandbox, storage: Storage, engine: AsyncEngine
) -> None:
    photo = await original.accepted()
    job_id = await rows.add_job(engine, original.account_id, photo_id=original.photo_id)
    other = pictures.saved(original.path.with_name("other"), pictures.textured(320, 240))
    await storage.upload(other, photo.object_key, media_type="application/octet-stream")

    outcome = await original.prepare(photo, sandbox, sha256=None)

    assert (outcome.state, outcome.code) == ("unusable", "file-replaced")
    with pytest.raises(NoSuchObject):
        await storage.size(f"masters/{original.account_id}/{original.photo_id}.jpg")
    assert (await rows.job(engine, job_id)).state == "FAILED"


async def test_bytes_that_were_not_announced_are_refused(
    original: Original, sandbox: Sandbox
) -> None:
    outcome = await original.prepare(await original.accepted(), sandbox, sha256="ab" * 32)

    assert (outcome.state, outcome.code) == ("unusable", "checksum-mismatch")
    assert "SHA-256" in outcome.detail


async def test_news_from_before_carry_neither_and_are_prepared_all_the_same(
    original: Original, sandbox: Sandbox
) -> None:
    outcome = await original.prepare(await original.accepted(), sandbox, etag=None, sha256=None)

    assert outcome.state == "prepared"


async def test_what_the_news_says_is_ordered(original: Original, engine: AsyncEngine) -> None:
    photo = await original.accepted()
    async with engine.begin() as connection:
        await connection.execute(sa.text("delete from preparations"))
        await preparation.accept(connection, photo)

    (command,) = await rows.said(engine, photo.photo_id)
    assert command["data"]["etag"] == photo.etag
    assert command["data"]["sha256"] == original.sha256
