"""Seeded users who upload, order, order again with the same key, cancel, and send nonsense."""

import asyncio
import random
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from PIL import Image, UnidentifiedImageError

from sdk.rekindle.client import Rekindle
from sdk.rekindle.problems import RekindleError, RekindleProblem
from tests.chaos.history import History
from tests.journeys import people, photos

PLAN = "forever"
PAUSE_S = (0.1, 1.0)
CANCELLED, REPLAYED, NONSENSE, NEW_PHOTO = 0.08, 0.15, 0.10, 0.10
SIDES = (200, 240)
SIGN_UP_TRIES = 30


class User:
    """One person with a plan, who keeps ordering until told to stop."""

    def __init__(self, stack: dict[str, Any], history: History, rng: random.Random) -> None:
        self._stack, self._history, self._rng = stack, history, rng
        self._photos: list[UUID] = []
        self._orders: list[tuple[str, UUID, str]] = []

    async def sign_up(self) -> None:
        """Before the faults begin: who cannot get in has no story to tell."""
        self._client = await people.new_user(self._stack, plan=PLAN)
        self._account = str((await self._client.me()).account_id)

    async def live(self, folder: Path, stop: asyncio.Event) -> None:
        async with self._client as client:
            while not stop.is_set():
                await self._act(client, folder)
                await asyncio.sleep(self._rng.uniform(*PAUSE_S))

    async def _act(self, client: Rekindle, folder: Path) -> None:
        dice = self._rng.random()
        if not self._photos or dice < NEW_PHOTO:
            await self._upload(client, folder)
        elif dice < NEW_PHOTO + NONSENSE:
            await self._send_nonsense(client)
        elif self._orders and dice < NEW_PHOTO + NONSENSE + REPLAYED:
            await self._order(client, *self._rng.choice(self._orders))
        else:
            order = (str(uuid4()), self._rng.choice(self._photos), "restore")
            self._orders.append(order)
            await self._order(client, *order)

    async def _upload(self, client: Rekindle, folder: Path) -> None:
        path = folder / f"{uuid4()}.jpg"
        photos.jpeg(path, size=(self._rng.randint(*SIDES), self._rng.randint(*SIDES)))
        since_s = self._history.now_s()
        try:
            photo = await client.photos.add(path)
        except RekindleProblem as problem:
            self._record("upload", "refused", since_s, code=problem.code)
        except (RekindleError, OSError) as error:
            self._record("upload", "unknown", since_s, error=repr(error)[:200])
        else:
            self._record("upload", "ok", since_s, photo=str(photo.id), state=photo.state)
            if photo.state == "ready":
                self._photos.append(photo.id)

    async def _order(self, client: Rekindle, key: str, photo_id: UUID, kind: str) -> None:
        since_s = self._history.now_s()
        try:
            job = await client.jobs.create(kind, [photo_id], idempotency_key=key)
        except RekindleProblem as problem:
            self._record("order", "refused", since_s, key=key, code=problem.code)
            return
        except (RekindleError, OSError) as error:
            self._record("order", "unknown", since_s, key=key, error=repr(error)[:200])
            return
        self._record("order", "ok", since_s, key=key, job=str(job.id))
        if self._rng.random() < CANCELLED:
            await self._cancel(client, job.id)

    async def _cancel(self, client: Rekindle, job_id: UUID) -> None:
        since_s = self._history.now_s()
        try:
            await client.jobs.cancel(job_id)
        except RekindleProblem as problem:
            self._record("cancel", "refused", since_s, job=str(job_id), code=problem.code)
        except (RekindleError, OSError) as error:
            self._record("cancel", "unknown", since_s, job=str(job_id), error=repr(error)[:200])
        else:
            self._record("cancel", "ok", since_s, job=str(job_id))

    async def _send_nonsense(self, client: Rekindle) -> None:
        since_s = self._history.now_s()
        try:
            await client.jobs.create(self._rng.choice(["resurrect", "restore"]), [uuid4()])
        except RekindleProblem as problem:
            self._record("nonsense", "refused", since_s, code=problem.code)
        except (RekindleError, OSError) as error:
            self._record("nonsense", "unknown", since_s, error=repr(error)[:200])
        else:
            self._record("nonsense", "ok", since_s)

    def _record(self, call: str, outcome: Any, since_s: float, **facts: str) -> None:
        self._history.add(self._account, call, outcome, since_s=since_s, **facts)


def decodes(path: Path) -> bool:
    """Whether a stored result is a picture."""
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            picture.load()
    except (UnidentifiedImageError, OSError):
        return False
    return True
