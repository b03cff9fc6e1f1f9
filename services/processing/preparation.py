"""A photo's way from an accepted upload to a master: what is known, and the work itself.

waiting ──▶ prepared | unusable          deleted, from any of them, and never back
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.processing.v1 import PhotoPrepared, PhotoUnusable, PreparePhoto
from contracts.uploads.v1 import PhotoAccepted
from services.kit import failpoints
from services.kit.db import Connection
from services.kit.outbox import order, say
from services.kit.storage import NoSuchObject, ObjectChanged, ObjectTooLarge, Storage
from services.processing import accounts, jobs
from services.processing.models import preparations
from services.processing.sandbox import Crashed, Sandbox, TaskFailed

ORIGINAL_BYTES_MAX = 50 * 1024 * 1024
CRASHES_MAX = 3
"""A photo that broke its decoder so often is at fault, not the machine."""

REPLACED = "The file was replaced after it was looked at. Upload the photo again."
MISMATCH = "The file is not the one that was announced: its SHA-256 differs. Upload it again."

Transaction = Callable[[], AbstractAsyncContextManager[Connection]]
Write = Callable[[Connection], Awaitable[None]]

log = structlog.get_logger()


async def accept(connection: Connection, photo: PhotoAccepted) -> None:
    """Remember an accepted photo and order its preparation; one deleted before stays so."""
    service = await accounts.service_of(connection, photo.account_id)
    quad = [list(corner) for corner in photo.quad] if photo.quad else None
    new = await connection.execute(
        insert(preparations)
        .values(
            photo_id=photo.photo_id,
            account_id=photo.account_id,
            state="waiting",
            object_key=photo.object_key,
            media_type=photo.media_type,
            quad=quad or sa.null(),
        )
        .on_conflict_do_nothing()
        .returning(preparations.c.photo_id)
    )
    if new.one_or_none() is None:
        return
    command = PreparePhoto(
        photo_id=photo.photo_id,
        account_id=photo.account_id,
        tier=service.tier,
        object_key=photo.object_key,
        media_type=photo.media_type,
        quad=photo.quad,
        etag=photo.etag,
        sha256=photo.sha256,
    )
    queue = f"rk.processing.prepare.{service.tier}"
    await order(connection, command, about=photo.photo_id, queue=queue)


async def forget(connection: Connection, photo_id: UUID, *, account_id: UUID) -> None:
    """The photo is deleted; jobs that wait for it end."""
    gone = {"state": "deleted", "updated_at": sa.func.now()}
    tombstone = insert(preparations).values(
        photo_id=photo_id, account_id=account_id, object_key="", media_type="", **gone
    )
    await connection.execute(
        tombstone.on_conflict_do_update(index_elements=[preparations.c.photo_id], set_=gone)
    )
    await failpoints.reach("mid_forget")
    await jobs.fail_waiting_for(
        connection, photo_id, code="photo-deleted", detail="The photo was deleted."
    )


class Preparer:
    """Makes masters: downloads, lets a child process do the work, uploads."""

    def __init__(self, engine: AsyncEngine, storage: Storage, sandbox: Sandbox) -> None:
        self._engine, self._storage, self._sandbox = engine, storage, sandbox

    async def prepare(self, command: PreparePhoto, transaction: Transaction) -> None:
        """Prepare one photo and write the outcome; `Crashed` when it is worth another try."""
        if (await self._state(command.photo_id)) != "waiting":
            async with transaction():
                return
        with tempfile.TemporaryDirectory(prefix="rekindle-prepare-") as folder:
            try:
                facts = await self._make(command, Path(folder))
            except (NoSuchObject, ObjectTooLarge):
                facts = {"code": "file-missing", "detail": "The uploaded file is not there."}
            except ObjectChanged:
                facts = {"code": "file-replaced", "detail": REPLACED}
            except TaskFailed as refusal:
                facts = refusal.facts
            except Crashed:
                if await self._count_crash(command.photo_id) < CRASHES_MAX:
                    raise
                facts = {"code": "file-damaged", "detail": "The file cannot be read."}
        await failpoints.reach("after_master_put_before_row")
        async with transaction() as connection:
            if "code" in facts or "width" not in facts:
                known = await _refuse(connection, command, facts)
            else:
                known = await _finish(connection, command, facts)
        if not known and "width" in facts:
            # Deleted while we worked: what we stored a moment ago must not stay.
            await self._storage.delete(_master_key(command), _thumbnail_key(command))

    async def _make(self, command: PreparePhoto, folder: Path) -> dict[str, Any]:
        source, master, thumbnail = (folder / name for name in ("source", "master", "thumbnail"))
        sha256 = await self._storage.download(
            command.object_key, source, bytes_max=ORIGINAL_BYTES_MAX, etag=command.etag
        )
        if command.sha256 not in (None, sha256):
            return {"code": "checksum-mismatch", "detail": MISMATCH}
        made = await self._sandbox.run(
            "prepare",
            folder=folder,
            source=str(source),
            master=str(master),
            thumbnail=str(thumbnail),
            quad=command.quad,
        )
        await asyncio.gather(
            self._storage.upload(master, _master_key(command), media_type="image/jpeg"),
            self._storage.upload(thumbnail, _thumbnail_key(command), media_type="image/webp"),
        )
        return made

    async def _state(self, photo_id: UUID) -> str | None:
        async with self._engine.connect() as connection:
            found = await connection.execute(
                sa.select(preparations.c.state).where(preparations.c.photo_id == photo_id)
            )
            return found.scalar_one_or_none()

    async def _count_crash(self, photo_id: UUID) -> int:
        async with self._engine.begin() as connection:
            counted = await connection.execute(
                preparations.update()
                .where(preparations.c.photo_id == photo_id)
                .values(crashes=preparations.c.crashes + 1)
                .returning(preparations.c.crashes)
            )
            return int(counted.scalar_one())


async def _finish(connection: Connection, command: PreparePhoto, facts: dict[str, Any]) -> bool:
    keys = {"master_key": _master_key(command), "thumbnail_key": _thumbnail_key(command)}
    size = {"width": facts["width"], "height": facts["height"]}
    if not await _leave_waiting(connection, command.photo_id, "prepared", **keys, **size):
        return False
    event = PhotoPrepared(
        photo_id=command.photo_id,
        account_id=command.account_id,
        master_key=keys["master_key"],
        thumbnail_key=keys["thumbnail_key"],
        width=size["width"],
        height=size["height"],
    )
    await say(connection, event, about=command.photo_id)
    await jobs.wake_waiting(connection, command.photo_id)
    return True


async def _refuse(connection: Connection, command: PreparePhoto, facts: dict[str, Any]) -> bool:
    code = str(facts.get("code", "file-damaged"))
    detail = str(facts.get("detail", "The file cannot be read."))
    if not await _leave_waiting(connection, command.photo_id, "unusable", code=code, detail=detail):
        return False
    log.info("photo.unusable", photo_id=str(command.photo_id), code=code)
    event = PhotoUnusable(
        photo_id=command.photo_id, account_id=command.account_id, code=code, detail=detail
    )
    await say(connection, event, about=command.photo_id)
    await jobs.fail_waiting_for(connection, command.photo_id, code=code, detail=detail)
    return True


async def _leave_waiting(
    connection: Connection, photo_id: UUID, state: str, **changes: Any
) -> bool:
    left = await connection.execute(
        preparations.update()
        .where(preparations.c.photo_id == photo_id, preparations.c.state == "waiting")
        .values(state=state, updated_at=sa.func.now(), **changes)
        .returning(preparations.c.photo_id)
    )
    return left.one_or_none() is not None


def _master_key(command: PreparePhoto) -> str:
    return f"masters/{command.account_id}/{command.photo_id}.jpg"


def _thumbnail_key(command: PreparePhoto) -> str:
    return f"thumbnails/{command.account_id}/{command.photo_id}.webp"
