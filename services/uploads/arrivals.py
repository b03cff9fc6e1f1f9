"""What happens when the uploader says that the bytes are there."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import failpoints
from services.kit.problems import Problem, Unavailable
from services.kit.storage import NoSuchObject, ObjectChanged, Storage
from services.uploads import announcements, parts, photos
from services.uploads.errors import REFUSALS, NotComplete, UploadMissing
from services.uploads.facts import PhotoFacts
from services.uploads.inspection import HeaderIncomplete, damaged, inspect
from services.uploads.models import State
from services.uploads.photos import Photo
from services.uploads.removal import remove_at_once

HEAD_BYTES = (256 * 1024, 8 * 2**20)
"""How much of the beginning is read: enough for nearly all, then enough for long metadata."""
TAIL_BYTES = 64 * 1024
LOOKS_AT_ONCE = 4
LOOK_TIMEOUT_S = 15

log = structlog.get_logger()


class Inspector:
    """Looks at stored files, a few at a time, without holding up the event loop."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._free = asyncio.Semaphore(LOOKS_AT_ONCE)
        # One thread: looking is Python's own work, of which more threads would not do more.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inspection")

    async def look(self, key: str) -> tuple[PhotoFacts, str]:
        """The facts of a stored photo and the ETag of what was seen, or the problem with it."""
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S), self._free:
                return await self._look(key)
        except NoSuchObject:
            raise UploadMissing("Upload the file first, then say that it is complete.") from None
        except ObjectChanged:
            raise Unavailable("The file was sent again meanwhile; try again.") from None
        except TimeoutError:
            raise Unavailable("Many photos are arriving; try again in a moment.") from None

    async def _look(self, key: str) -> tuple[PhotoFacts, str]:
        loop = asyncio.get_running_loop()
        tail = await self._storage.read(key, f"bytes=-{TAIL_BYTES}", bytes_max=TAIL_BYTES)
        for bytes_max in HEAD_BYTES:
            # Of the same object: one that is sent again meanwhile shows no head of its own.
            head = await self._storage.read(
                key, f"bytes=0-{bytes_max - 1}", bytes_max=bytes_max, etag=tail.etag
            )
            try:
                facts = await loop.run_in_executor(
                    self._thread,
                    lambda seen: inspect(seen, tail.data, size=tail.size_bytes),
                    head.data,
                )
            except HeaderIncomplete:
                continue
            return facts, tail.etag
        raise damaged()

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)


async def complete(
    engine: AsyncEngine,
    storage: Storage,
    inspector: Inspector,
    *,
    account_id: UUID,
    photo_id: UUID,
    quad: list[tuple[float, float]] | None,
) -> Photo:
    """Accept the uploaded bytes, or refuse and remove them. Asking again gets the same answer."""
    photo = await _find(engine, account_id, photo_id)
    if photo.state == State.BEGUN:
        photo = await _judge(engine, storage, inspector, photo, quad) or await _find(
            engine, account_id, photo_id
        )
    _repeat_refusal(photo)
    return photo


async def picture(
    engine: AsyncEngine,
    storage: Storage,
    inspector: Inspector,
    *,
    account_id: UUID,
    photo_id: UUID,
) -> str:
    """The key of the picture that a photo's corners refer to, or the problem with its file."""
    photo = await _find(engine, account_id, photo_id)
    _repeat_refusal(photo)
    if photo.state == State.REJECTED:
        raise NotComplete("The photo was rejected: there is nothing to cut.")
    if photo.state == State.BEGUN:
        if photo.upload_id:
            await _join(storage, photo, photo.upload_id)
        await inspector.look(photo.original_key)
    return photo.source_key


async def _judge(
    engine: AsyncEngine,
    storage: Storage,
    inspector: Inspector,
    photo: Photo,
    quad: list[tuple[float, float]] | None,
) -> Photo | None:
    """The photo after it was judged; None if somebody else judged or deleted it meanwhile."""
    if photo.upload_id:
        await _join(storage, photo, photo.upload_id)
    try:
        facts, etag = await inspector.look(photo.original_key)
    except Problem as refusal:
        if refusal.code not in REFUSALS:
            raise
        problem = {"code": refusal.code, "detail": refusal.detail, "facts": refusal.facts}
        async with engine.begin() as connection:
            judged = await photos.reject(connection, photo.id, when=State.BEGUN, problem=problem)
        if judged:
            log.info("photo.rejected", photo_id=str(photo.id), code=refusal.code)
            await remove_at_once(engine, storage, judged)
        return judged
    await failpoints.reach("after_look_before_accept")
    async with engine.begin() as connection:
        return await photos.accept(connection, photo.id, facts=facts, etag=etag, quad=quad)


async def _join(storage: Storage, photo: Photo, upload_id: str) -> None:
    """Make one object of the parts, unless that was done before, by somebody who then died."""
    try:
        arrived = await parts.arrived(storage, photo.original_key, upload_id)
        cut = parts.parts_of(photo.size_announced)
        if missing := [part.number for part in cut if part not in arrived]:
            raise UploadMissing("Send the missing parts first.", parts_missing=missing)
        etags = [arrived[part] for part in cut]
        await parts.join(storage, photo.original_key, upload_id, etags)
    except NoSuchObject:
        return
    except ObjectChanged:
        raise Unavailable("A part was sent again meanwhile; try again.") from None
    await failpoints.reach("after_join_before_look")


async def _find(engine: AsyncEngine, account_id: UUID, photo_id: UUID) -> Photo:
    async with engine.begin() as connection:
        return await announcements.find(connection, account_id=account_id, photo_id=photo_id)


def _repeat_refusal(photo: Photo) -> None:
    """Raise the problem that was found in the bytes; what preparation found is in the photo."""
    problem = photo.problem
    if problem and "facts" in problem:
        raise REFUSALS[problem["code"]](problem["detail"], **problem["facts"])
