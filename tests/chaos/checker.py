"""After quiet has returned: prove from the history and the databases that nothing went wrong."""

import asyncio
import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
from sqlalchemy import Row, text

from services.kit.storage import NoSuchObject, Storage, StorageSettings, open_storage
from tests.chaos.history import Record
from tests.chaos.workload import decodes
from tests.journeys import people

SERVICES = ("gateway", "uploads", "credits", "processing", "billing")
STUCK_AFTER_S = 120.0
LOOK_AGAIN_S = 1.0
RESULT_BYTES_MAX = 50 * 1024 * 1024
TERMINAL = ("COMPLETED", "REJECTED", "FAILED", "CANCELLED")
OPEN_WORK = {
    "processing": "select count(*) from jobs where state not in"
    " ('COMPLETED', 'REJECTED', 'FAILED', 'CANCELLED')",
    "credits": "select count(*) from holds where state = 'held'",
    "uploads": "select count(*) from photos where state = 'accepted'",
}


@dataclass(frozen=True, slots=True)
class World:
    """What the databases say after the run."""

    jobs: dict[str, Any]
    captured: dict[str, int]
    held: dict[str, int]
    photos: dict[str, str]


async def settle(stack: dict[str, Any]) -> bool:
    """Wait until nothing is under way; False when for a long time nothing has moved."""
    clock = asyncio.get_running_loop().time
    least: int | None = None
    left: int | None
    moved_at = clock()
    while clock() - moved_at < STUCK_AFTER_S:
        try:
            left = await _under_way(stack)
        except Exception:  # noqa: BLE001  # servers may still be coming back
            left = least
        if left == 0:
            return True
        if left is not None and (least is None or left < least):
            least, moved_at = left, clock()
        await asyncio.sleep(LOOK_AGAIN_S)
    return False


async def anomalies(stack: dict[str, Any], records: Sequence[Record]) -> dict[str, list[str]]:
    """Everything that is not as it must be, by kind; empty lists are a good run."""
    world = await _world(stack)
    ours = {record.account for record in records}
    found: dict[str, list[str]] = {
        "lost": lost(world, records),
        "doubled": doubled(world, records),
        "stuck": stuck(world),
        "drift": await _drift(stack),
        "unrefunded": wrongly_charged(world, ours),
        "results": await _wrong_results(stack, world),
        "parked": await _parked(stack),
    }
    return found


def lost(world: World, records: Sequence[Record]) -> list[str]:
    """What was acknowledged and is not there."""
    ordered = {r.facts["job"] for r in records if r.call == "order" and r.outcome == "ok"}
    uploaded = {r.facts["photo"] for r in records if r.call == "upload" and r.outcome == "ok"}
    cancelled = {r.facts["job"] for r in records if r.call == "cancel" and r.outcome == "ok"}
    return [
        *(f"job {job}" for job in ordered - world.jobs.keys()),
        *(f"photo {photo}" for photo in uploaded - world.photos.keys()),
        *(f"cancel {j}" for j in cancelled if j in world.jobs and _state(world, j) != "CANCELLED"),
    ]


def stuck(world: World) -> list[str]:
    """Jobs that never ended."""
    return [str(job.id) for job in world.jobs.values() if job.state not in TERMINAL]


def doubled(world: World, records: Sequence[Record]) -> list[str]:
    """One key that led to two jobs, by what was answered or by what is stored."""
    answered: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record.call == "order" and record.outcome == "ok":
            answered[record.facts["key"]].add(record.facts["job"])
    stored: dict[tuple[str, str], set[str]] = defaultdict(set)
    for job in world.jobs.values():
        stored[(str(job.account_id), job.idempotency_key)].add(str(job.id))
    return [
        *(f"key {key} was answered with {jobs}" for key, jobs in answered.items() if len(jobs) > 1),
        *(f"key {key} made {jobs}" for key, jobs in stored.items() if len(jobs) > 1),
    ]


def wrongly_charged(world: World, accounts: set[str]) -> list[str]:
    """Accounts that paid anything but the prices of what was delivered to them."""
    delivered: dict[str, int] = defaultdict(int)
    for job in world.jobs.values():
        if job.state == "COMPLETED":
            delivered[str(job.account_id)] += job.price
    return [
        f"{account}: delivered {delivered[account]}, paid {world.captured.get(account, 0)},"
        f" held {world.held.get(account, 0)}"
        for account in accounts
        if delivered[account] != world.captured.get(account, 0) or world.held.get(account, 0)
    ]


async def _drift(stack: dict[str, Any]) -> list[str]:
    try:
        await people.operate(stack, "credits", "audit")
    except AssertionError as drift:
        return [str(drift)]
    return []


async def _wrong_results(stack: dict[str, Any], world: World) -> list[str]:
    """Completed jobs without a result that decodes."""
    environment = stack["environments"]["uploads"]
    settings = StorageSettings(**{k.lower(): v for k, v in environment.items() if "S3_" in k})
    done = [job for job in world.jobs.values() if job.state == "COMPLETED"]
    with tempfile.TemporaryDirectory() as folder:
        async with open_storage(settings) as storage:
            good = [await _is_good(storage, job, Path(folder)) for job in done]
    return [str(job.id) for job, is_good in zip(done, good, strict=True) if not is_good]


async def _is_good(storage: Storage, job: Row[Any], folder: Path) -> bool:
    path = folder / str(job.id)
    try:
        await storage.download(job.result_key, path, bytes_max=RESULT_BYTES_MAX)
    except NoSuchObject:
        return False
    return decodes(path)


async def _parked(stack: dict[str, Any]) -> list[str]:
    parked = []
    async with await aio_pika.connect(stack["amqp_url"]) as connection:
        channel = await connection.channel()
        for service in SERVICES:
            queue = await channel.get_queue(f"rk.dead.{service}")
            while message := await queue.get(fail=False):
                why = message.headers.get("x-reason")
                parked.append(f"{service} {message.type} {message.message_id}: {why!r}")
    return parked


async def _under_way(stack: dict[str, Any]) -> int:
    count = 0
    for service in SERVICES:
        engine = people.engine_of(stack, service)
        async with engine.connect() as connection:
            statements = ["select count(*) from outbox"]
            statements += [OPEN_WORK[service]] if service in OPEN_WORK else []
            for statement in statements:
                count += (await connection.execute(text(statement))).scalar_one()
        await engine.dispose()
    return count


async def _world(stack: dict[str, Any]) -> World:
    jobs = await _rows(stack, "processing", "select * from jobs")
    spent = await _rows(
        stack,
        "credits",
        "select account_id, sum(amount) as amount from movements where kind = 'capture' group by 1",
    )
    accounts = await _rows(stack, "credits", "select id, held from accounts")
    photos = await _rows(stack, "uploads", "select id, state from photos")
    return World(
        jobs={str(job.id): job for job in jobs},
        captured={str(row.account_id): int(row.amount) for row in spent},
        held={str(row.id): int(row.held) for row in accounts},
        photos={str(row.id): row.state for row in photos},
    )


async def _rows(stack: dict[str, Any], service: str, statement: str) -> Sequence[Row[Any]]:
    engine = people.engine_of(stack, service)
    async with engine.connect() as connection:
        rows = (await connection.execute(text(statement))).all()
    await engine.dispose()
    return rows


async def states_of_jobs(stack: dict[str, Any]) -> list[str]:
    """The state of every job there is."""
    return [str(row.state) for row in await _rows(stack, "processing", "select state from jobs")]


def _state(world: World, job_id: str) -> str:
    return str(world.jobs[job_id].state)


def verdict(found: dict[str, list[str]], facts: dict[str, Any]) -> str:
    """The run as one JSON document."""
    counts = {kind: len(items) for kind, items in found.items()}
    details = {kind: items[:10] for kind, items in found.items() if items}
    document = {**facts, **counts, "anomalies": sum(counts.values()), "details": details}
    return json.dumps(document, indent=2)
