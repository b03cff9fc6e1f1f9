"""A photo's way from an accepted upload to a master: what is known, and the work itself.

    waiting ──▶ prepared | unusable          deleted, from any of them, and never back
       ▲            │          │
       └────────────┴──────────┘ accepted once more, with other corners

Each accepted version is one preparation that writes objects of its own names. Until it is done the
row keeps the master it had: what runs goes on with that, what waits for its turn waits for the new
one. If it fails, everything stays as it was.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, NamedTuple, Self
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
from services.processing.sandbox import Crashed, Sandbox, TaskFailed, task_folder

ORIGINAL_BYTES_MAX = 50 * 1024 * 1024
CRASHES_MAX = 3
"""A photo that broke its decoder so often is at fault, not the machine."""

MEDIA_TYPES = {
    "master": "image/jpeg",
    "preview": "image/webp",
    "thumbnail": "image/webp",
    "frame": "image/jpeg",
}
REPLACED = "The file was replaced after it was looked at. Upload the photo again."
MISMATCH = "The file is not the one that was announced: its SHA-256 differs. Upload it again."

Transaction = Callable[[], AbstractAsyncContextManager[Connection]]
Write = Callable[[Connection], Awaitable[None]]

log = structlog.get_logger()


class Keys(NamedTuple):
    """Where one preparation stores what it makes; uploads knows the same names."""

    master: str
    preview: str
    thumbnail: str
    frame: str

    @classmethod
    def of(cls, command: PreparePhoto) -> Self:
        """Names that no other preparation has."""
        name = f"{command.account_id}/{command.photo_id}"
        if command.version:
            name += f"-{command.version}"
        return cls(
            master=f"masters/{name}.jpg",
            preview=f"previews/{name}.webp",
            thumbnail=f"thumbnails/{name}.webp",
            frame=f"frames/{name}.jpg",
        )


async def accept(connection: Connection, photo: PhotoAccepted) -> None:
    """Remember an accepted photo and order its preparation; one deleted before stays so."""
    service = await accounts.service_of(connection, photo.account_id)
    quad = [list(corner) for corner in photo.quad] if photo.quad else None
    accepted = {
        "state": "waiting",
        "version": photo.version,
        "object_key": photo.object_key,
        "media_type": photo.media_type,
        "quad": quad or sa.null(),
        "crashes": 0,
    }
    new = insert(preparations).values(
        photo_id=photo.photo_id, account_id=photo.account_id, **accepted
    )
    taken = await connection.execute(
        new.on_conflict_do_update(
            index_elements=[preparations.c.photo_id],
            set_=accepted | {"updated_at": sa.func.now()},
            where=(preparations.c.state != "deleted") & (preparations.c.version < photo.version),
        ).returning(preparations.c.photo_id)
    )
    if taken.one_or_none() is None:
        return
    await jobs.hold_back(connection, photo.photo_id)
    command = PreparePhoto(
        photo_id=photo.photo_id,
        account_id=photo.account_id,
        tier=service.tier,
        object_key=photo.object_key,
        media_type=photo.media_type,
        quad=photo.quad,
        version=photo.version,
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
        if not await self._is_wanted(command):
            async with transaction():
                return
        keys = Keys.of(command)
        with task_folder() as folder:
            try:
                facts = await self._make(command, keys, folder)
            except (NoSuchObject, ObjectTooLarge):
                facts = {"code": "file-missing", "detail": "The uploaded file is not there."}
            except ObjectChanged:
                facts = {"code": "file-replaced", "detail": REPLACED}
            except TaskFailed as refusal:
                if "code" not in refusal.facts:  # our fault, and no reason to refuse the photo
                    raise Crashed(refusal.facts.get("detail", refusal.name)) from refusal
                facts = refusal.facts
            except Crashed:
                if await self._count_crash(command.photo_id) < CRASHES_MAX:
                    raise
                facts = {"code": "file-damaged", "detail": "The file cannot be read."}
        await failpoints.reach("after_master_put_before_row")
        is_made = "width" in facts
        async with transaction() as connection:
            known = await (_finish if is_made else _refuse)(connection, command, facts)
        if is_made and not known:
            # Deleted or given other corners while we worked: what we stored must not stay.
            await self._storage.delete(*keys)

    async def _make(self, command: PreparePhoto, keys: Keys, folder: Path) -> dict[str, Any]:
        source, places = folder / "source", {name: folder / name for name in keys._fields}
        if _is_ours(command.object_key):
            del places["frame"]  # it is what we make this one of
        sha256 = await self._storage.download(
            command.object_key, source, bytes_max=ORIGINAL_BYTES_MAX, etag=command.etag
        )
        if command.sha256 not in (None, sha256):
            return {"code": "checksum-mismatch", "detail": MISMATCH}
        await failpoints.reach("after_original_get_before_master")
        made = await self._sandbox.run(
            "prepare",
            folder=folder,
            source=str(source),
            quad=command.quad,
            **{name: str(place) for name, place in places.items()},
        )
        await failpoints.reach("after_master_before_put")
        await self._storage.upload(places.pop("master"), keys.master, media_type="image/jpeg")
        await failpoints.reach("after_master_put_before_thumbnail")
        await asyncio.gather(
            *(
                self._storage.upload(place, getattr(keys, name), media_type=MEDIA_TYPES[name])
                for name, place in places.items()
                if place.exists()
            )
        )
        return made

    async def _is_wanted(self, command: PreparePhoto) -> bool:
        """Whether this very preparation is waited for."""
        query = sa.select(preparations.c.photo_id).where(*_waiting_for(command))
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).one_or_none() is not None

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
    keys = Keys.of(command)
    left = await _leave_waiting(
        connection,
        command,
        state="prepared",
        master_key=keys.master,
        thumbnail_key=keys.thumbnail,
        width=facts["width"],
        height=facts["height"],
    )
    if left is None:
        return False
    # Our own picture goes on being the whole one; of an original we keep one only if it was cut.
    frame = keys.frame if facts["quad"] else None
    event = PhotoPrepared(
        photo_id=command.photo_id,
        account_id=command.account_id,
        version=command.version,
        master_key=keys.master,
        thumbnail_key=keys.thumbnail,
        preview_key=keys.preview,
        frame_key=command.object_key if _is_ours(command.object_key) else frame,
        blurhash=facts["blurhash"],
        quad=facts["quad"],
        outline=facts["outline"],
        width=facts["width"],
        height=facts["height"],
    )
    await say(connection, event, about=command.photo_id)
    await jobs.wake_waiting(connection, command.photo_id)
    return True


async def _refuse(connection: Connection, command: PreparePhoto, facts: dict[str, Any]) -> bool:
    code, detail = facts["code"], facts["detail"]
    has_master = preparations.c.master_key.is_not(None)
    state = sa.case((has_master, "prepared"), else_="unusable")
    left = await _leave_waiting(connection, command, state=state, code=code, detail=detail)
    if left is None:
        return False
    log.info("photo.unusable", photo_id=str(command.photo_id), code=code)
    event = PhotoUnusable(
        photo_id=command.photo_id,
        account_id=command.account_id,
        version=command.version,
        code=code,
        detail=detail,
    )
    await say(connection, event, about=command.photo_id)
    if left == "prepared":
        await jobs.wake_waiting(connection, command.photo_id)
    else:
        await jobs.fail_waiting_for(connection, command.photo_id, code=code, detail=detail)
    return True


async def _leave_waiting(
    connection: Connection, command: PreparePhoto, **changes: Any
) -> str | None:
    """The state after it; None when nobody waits for this preparation any more."""
    left = await connection.execute(
        preparations.update()
        .where(*_waiting_for(command))
        .values(updated_at=sa.func.now(), **changes)
        .returning(preparations.c.state)
    )
    state: str | None = left.scalar_one_or_none()
    return state


def _waiting_for(command: PreparePhoto) -> list[sa.ColumnElement[bool]]:
    waiting = [preparations.c.photo_id == command.photo_id, preparations.c.state == "waiting"]
    if command.version:
        waiting.append(preparations.c.version == command.version)
    return waiting


def _is_ours(key: str) -> bool:
    return not key.startswith("originals/")
