"""Kill -9 in the middle of a job: it still ends, once, and the books are exact."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from sdk.rekindle.client import Rekindle
from tests.journeys import people, photos

VICTIMS = (
    "uploads-consumer",
    "processing-consumer",
    "credits-consumer",
    "gateway-consumer",
    "relay",
    "dispatcher",
)
ENDS_WITHIN_S = 150.0


MOMENTS = [(victim, moment) for victim in VICTIMS for moment in ("photo", "queued", "running")]


@pytest.mark.parametrize(
    ("victim", "moment"),
    [*MOMENTS, ("worker", "running"), ("postgres", "running"), ("rabbitmq", "running")],
)
async def test_a_killed_process_loses_nothing_and_pays_nothing_twice(
    stack: dict[str, Any], tmp_path: Path, victim: str, moment: str
) -> None:
    async with await people.new_user(stack) as user:
        path = photos.jpeg(tmp_path / "a.jpg")
        begun = await user.photos.begin(path.name, path.stat().st_size)
        await user.photos.upload(begun.upload, path)
        await user.photos.complete(begun.photo.id)
        if moment == "photo":
            kill(stack, victim)
        job = await user.jobs.create("restore", [begun.photo.id])
        if moment == "queued":
            kill(stack, victim)
        if moment == "running":
            await until_running(user, job.id)
            kill(stack, victim)

        job = await user.jobs.wait(job.id, timeout_s=ENDS_WITHIN_S)

        assert job.state == "completed", job.problem
        await settled(user, spent=2)
        movements = [r.movement for r in (await user.credits.receipts()).items if r.job_id]
        assert sorted(movements) == ["capture", "hold"]
    await people.operate(stack, "credits", "audit")
    await one_result(stack, job.id)


def kill(stack: dict[str, Any], victim: str) -> None:
    """End a process as the kernel would; the supervisor starts it again."""
    pid = current(stack)["processes"][victim]["pid"]
    os.kill(pid, signal.SIGKILL)


def current(stack: dict[str, Any]) -> dict[str, Any]:
    """The state as it is now: pids change when processes are restarted."""
    state: dict[str, Any] = json.loads((Path(stack["home"]) / "state.json").read_text())
    return state


async def until_running(user: Rekindle, job_id: Any) -> None:
    async with asyncio.timeout(60):
        while (await user.jobs.get(job_id)).state in ("pending_hold", "queued"):
            await asyncio.sleep(0.05)


async def settled(user: Rekindle, *, spent: int) -> None:
    async with asyncio.timeout(60):
        while True:
            balance = await user.credits.balance()
            if (balance.available, balance.held) == (3 - spent, 0):
                return
            await asyncio.sleep(0.2)


async def one_result(stack: dict[str, Any], job_id: Any) -> None:
    engine = people.engine_of(stack, "processing")
    async with engine.connect() as connection:
        found = await connection.execute(
            text("select state from jobs where id = :job_id"), {"job_id": job_id}
        )
        assert found.scalar_one().lower() == "completed"
    await engine.dispose()
