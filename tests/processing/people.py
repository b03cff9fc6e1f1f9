"""Who takes part in a job: a customer, and a worker on the GPU."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
from PIL import Image
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.uploads.v1 import PhotoAccepted
from services.kit import outbox
from services.kit.storage import Storage
from tests.credits.bank import Bank
from tests.processing import pictures
from tests.processing.conftest import Emulator

WORKER = "worker-1"
WITHIN_S = 20


def restored(seed: int) -> Image.Image:
    """The customers' photo, a little lighter or darker: no two seeds make the same file."""
    return pictures.textured(960, 720).point(
        lambda tone: round(tone * (0.9 + seed % 1000 / 10_000))
    )


@dataclass
class Worker:
    """What the GPU does; a test may change what it makes of a photo."""

    emulator: Emulator
    make: Callable[[dict[str, Any]], Image.Image | str] = field(
        default=lambda given: restored(given["options"]["seed"])
    )
    runs: list[dict[str, Any]] = field(default_factory=list)
    lies: dict[str, Any] = field(default_factory=dict)

    async def work(self) -> None:
        async with httpx.AsyncClient(trust_env=False) as s3:
            while True:
                run = self.emulator.endpoint.jobs.take(WORKER)
                if run is None:
                    await asyncio.sleep(0.02)
                    continue
                self.runs.append(run.input)
                output, error = await self._result(s3, run.input)
                self.emulator.endpoint.finish(WORKER, run.id, output=output, error=error)

    async def _result(
        self, s3: httpx.AsyncClient, given: dict[str, Any]
    ) -> tuple[dict[str, Any] | None, str | None]:
        made = self.make(given)
        if isinstance(made, str):
            return None, made
        master = await s3.get(given["images"][0]["url"])
        assert master.headers["content-type"] == "image/jpeg"
        content = pictures.png(made)
        target = given["output"]
        put = await s3.put(target["url"], content=content, headers=target["headers"])
        assert put.status_code == 200, put.text
        facts = {
            "attempt_id": given["attempt_id"],
            "engine": "test",
            "width": made.width,
            "height": made.height,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "media_type": "image/png",
        }
        return facts | self.lies, None


@dataclass
class Customer:
    """Somebody on a paid plan with ten credits, and a photo that was just accepted."""

    engine: AsyncEngine
    storage: Storage
    bank: Bank
    client: httpx.AsyncClient
    account_id: UUID

    async def add_photo(self, image: Image.Image, *, broken: bool = False) -> UUID:
        photo_id = uuid4()
        key = f"originals/{self.account_id}/{photo_id}"
        content = b"<html>" if broken else pictures.png(image)
        await self.storage._client.put_object(Bucket=self.storage._bucket, Key=key, Body=content)
        await self.say(
            PhotoAccepted(
                photo_id=photo_id,
                account_id=self.account_id,
                version=2,
                object_key=key,
                media_type="image/png",
                size_bytes=len(content),
                width=image.width,
                height=image.height,
            ),
            about=photo_id,
        )
        return photo_id

    async def say(self, event: Any, *, about: UUID) -> None:
        """As another service would: its events come to processing over the broker."""
        async with self.engine.begin() as connection:
            await outbox.say(connection, event, about=about)

    async def order(self, photo_id: UUID, key: str = "k1") -> UUID:
        answer = await self.client.post(
            "/v1/jobs?patient=true",
            json={"kind": "restore", "photo_ids": [str(photo_id)]},
            headers={"Idempotency-Key": key},
        )
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["id"])

    async def until(self, job_id: UUID, *states: str) -> dict[str, Any]:
        async with asyncio.timeout(WITHIN_S):
            while True:
                shown: dict[str, Any] = (await self.client.get(f"/v1/jobs/{job_id}")).json()
                if shown["state"] in states:
                    return shown
                await asyncio.sleep(0.05)

    async def until_credits(self, *, available: int, held: int) -> None:
        async with asyncio.timeout(WITHIN_S):
            while True:
                account = await self.bank.read(self.account_id)
                if (account.available, account.held) == (available, held):
                    return
                await asyncio.sleep(0.05)


@asynccontextmanager
async def running(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
