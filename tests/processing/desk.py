"""A job on its way to the GPU, step by step."""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.message import Envelope
from services.kit.db import uuid7
from services.kit.inbox import Delivery
from services.kit.storage import NoSuchObject, Storage
from services.processing.dispatching import start_next
from services.processing.polling import Poller
from services.processing.runpod import RunPod
from services.processing.submitting import Submitter
from tests.processing import pictures, rows
from tests.processing.conftest import ENDPOINT_ID, WEBHOOK_SECRET, Emulator

WORKER = "worker-1"


@dataclass
class Desk:
    """A job on its way to the GPU, and everybody who moves it."""

    engine: AsyncEngine
    storage: Storage
    emulator: Emulator
    submitter: Submitter
    poller: Poller
    account_id: UUID
    job_id: UUID

    async def release(self) -> UUID:
        async with self.engine.begin() as connection:
            assert await start_next(connection, slots=5, endpoint=ENDPOINT_ID) == self.job_id
        return UUID(str((await self.attempt()).id))

    async def submit(self) -> UUID:
        attempt_id = await self.release()
        await self.submitter.submit(attempt_id, self.delivery())
        return attempt_id

    def delivery(self) -> Delivery:
        """The arrival of a message that nobody has heard before."""
        story = uuid7()
        envelope = Envelope(
            id=uuid7(),
            source="/rekindle/tests",
            type="processing.attempt.start.v1",
            time=datetime.now(UTC),
            subject=str(story),
            correlationid=story,
            data={},
        )
        return Delivery(self.engine, "rk.processing.attempts.priority", envelope)

    async def attempt(self) -> Any:
        return (await rows.attempts_of(self.engine, self.job_id))[-1]

    async def job(self) -> Any:
        return await rows.job(self.engine, self.job_id)

    async def look(self, *, late: bool = False) -> None:
        """Look now, whenever it would have been due; somebody else may look as well."""
        await rows.execute(
            self.engine,
            "update attempts set next_poll_at = now()"
            + (", deadline = now() - interval '1 s'" if late else ""),
        )
        assert sum(await asyncio.gather(self.poller.look(), self.poller.look())) == 1

    async def work(self, *, error: str | None = None, store: bool = True) -> None:
        """What the worker does: take the run, store a result, hand in its facts."""
        run = self.emulator.endpoint.jobs.take(WORKER)
        assert run is not None
        result = pictures.png(pictures.textured(640, 480))
        if store and not error:
            output = run.input["output"]
            async with httpx.AsyncClient(trust_env=False) as s3:
                put = await s3.put(output["url"], content=result, headers=output["headers"])
                assert put.status_code == 200, put.text
        facts = {
            "attempt_id": run.input["attempt_id"],
            "engine": "cpu",
            "width": 640,
            "height": 480,
            "bytes": len(result),
            "sha256": hashlib.sha256(result).hexdigest(),
            "media_type": "image/png",
        }
        self.emulator.endpoint.finish(WORKER, run.id, output=None if error else facts, error=error)

    def state_at_runpod(self, attempt: Any) -> str:
        run = self.emulator.endpoint.jobs.find(attempt.runpod_job_id)
        assert run is not None
        return run.state

    async def stored(self, key: str) -> bool:
        try:
            return await self.storage.size(key) > 0
        except NoSuchObject:
            return False


async def open_desk(
    engine: AsyncEngine, storage: Storage, emulator: Emulator, runpod: RunPod
) -> Desk:
    """A desk with one job in line, of an account that pays."""
    account_id = await rows.open_account(engine, "priority")
    return Desk(
        engine,
        storage,
        emulator,
        Submitter(
            engine,
            storage,
            {ENDPOINT_ID: runpod},
            webhook_base="http://127.0.0.1:9",
            webhook_secret=WEBHOOK_SECRET,
        ),
        Poller(engine, runpod, storage),
        account_id,
        await rows.add_job(engine, account_id),
    )
