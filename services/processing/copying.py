"""Copies made while somebody waits: few at a time, not for long, and in a child process."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.problems import NotFound, Unavailable
from services.kit.storage import NoSuchObject, ObjectTooLarge, Storage
from services.processing.sandbox import Crashed, Sandbox, TaskFailed, task_folder

WAITING_MAX, WAITING_PER_ACCOUNT_MAX = 16, 8
MADE_WITHIN_S = 10.0
RETRY_AFTER_S = 2
PICTURE_BYTES_MAX = 100 * 1024 * 1024

_PAIR = sa.text(
    """
    select photo.master_key as before, jobs.result_key as after from jobs
    left join preparations photo
        on photo.photo_id = jobs.photo_ids[1] and photo.state <> 'deleted'
    where jobs.id = :job_id and jobs.account_id = :account_id and jobs.state = 'COMPLETED'
        and jobs.result_key <> ''
    """
)


class Copier:
    """Makes the copies of a finished job that may be shown to strangers."""

    def __init__(self, engine: AsyncEngine, storage: Storage, sandbox: Sandbox) -> None:
        self._engine, self._storage, self._sandbox = engine, storage, sandbox
        self._waiting: Counter[UUID] = Counter()

    async def copy(self, job_id: UUID, name: str, *, account_id: UUID) -> bytes:
        """One copy (`copy_names.NAMES`) as a JPEG; `NotFound` unless there is a pair to show.

        `Unavailable` while too much is asked for.
        """
        pair = await self._pair(job_id, account_id)
        # Strangers see nothing of a photo that was deleted; its owner may keep what was made of it.
        if pair.before is None and name != "jpeg":
            raise NotFound
        before = pair.before if name in ("before", "card") else None
        return await self._made("copy", account_id, before, pair.after, name=name)

    async def blend(
        self, job_id: UUID, *, account_id: UUID, strength: int, faces: int | None
    ) -> bytes:
        """A JPEG between photo and result (`blending.py`); `NotFound` unless there are both.

        `Unavailable` while too much is asked for.
        """
        pair = await self._pair(job_id, account_id)
        if pair.before is None:
            raise NotFound
        told = {"strength": strength, "faces_strength": faces}
        return await self._made("blend", account_id, pair.before, pair.after, **told)

    async def _pair(self, job_id: UUID, account_id: UUID) -> Row[Any]:
        async with self._engine.connect() as connection:
            asked = {"job_id": job_id, "account_id": account_id}
            pair = (await connection.execute(_PAIR, asked)).one_or_none()
        if pair is None:
            raise NotFound
        return pair

    async def _made(
        self, task: str, account_id: UUID, before: str | None, after: str, **told: Any
    ) -> bytes:
        if (
            self._waiting.total() >= WAITING_MAX
            or self._waiting[account_id] >= WAITING_PER_ACCOUNT_MAX
        ):
            raise _busy()
        self._waiting[account_id] += 1
        try:
            async with asyncio.timeout(MADE_WITHIN_S):
                return await self._make(task, before, after, told)
        except (TimeoutError, Crashed, TaskFailed):
            raise _busy() from None
        finally:
            self._waiting[account_id] -= 1
            self._waiting = +self._waiting

    async def _make(self, task: str, before: str | None, after: str, told: dict[str, Any]) -> bytes:
        with task_folder() as folder:
            places = {each: folder / each for each in ("before", "after", "target")}
            try:
                await self._download(after, places["after"])
                if before:
                    await self._download(before, places["before"])
            except (NoSuchObject, ObjectTooLarge):
                raise NotFound from None
            told |= {each: str(place) for each, place in places.items()}
            await self._sandbox.run(task, folder=folder, **told)
            return places["target"].read_bytes()

    async def _download(self, key: str, path: Path) -> None:
        await self._storage.download(key, path, bytes_max=PICTURE_BYTES_MAX)


def _busy() -> Unavailable:
    return Unavailable("The picture cannot be shown right now.", retry_after_s=RETRY_AFTER_S)
