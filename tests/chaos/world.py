"""Everything that can be known after a run: databases, bucket, broker, and RunPod's own books."""

import asyncio
import json
import tempfile
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aio_pika
import aioboto3
import httpx
from aiormq.exceptions import AMQPError
from botocore.config import Config
from sqlalchemy import Row, text

from deploy.local.places import DEFINITIONS
from services.kit.storage import NoSuchObject, Storage, StorageSettings, open_storage
from services.uploads.photos import SWEEP_AFTER
from tests.chaos import money as moneys
from tests.chaos.money import Money
from tests.chaos.schedule import SERVICES
from tests.chaos.workload import decodes
from tests.journeys import people

RESULT_BYTES_MAX = 50 * 1024 * 1024
DOWNLOADS_AT_ONCE = 8
CALL_TIMEOUT_S = 20.0
NOT_WORK = ("rk.dead.", "rk.operators")
"""Queues that keep what they get: parked messages, and the record of all events."""

TERMINAL = ("COMPLETED", "REJECTED", "FAILED", "CANCELLED")
UNDER_WAY = {
    "processing": (
        "select count(*) from jobs where finished_at is null",
        "select count(*) from batches where finished_at is null and state <> 'REJECTED'",
        "select count(*) from attempts where state in ('RELEASED', 'SUBMITTING', 'RUNNING')",
    ),
    "credits": ("select count(*) from holds where state = 'held'",),
    "uploads": ("select count(*) from photos where state = 'accepted'",),
    "billing": ("select count(*) from stripe_events where state = 'stored'",),
}
_CAPTURED = """
    select account_id, sum(amount) as amount from movements where kind = 'capture' group by 1
"""
_GRANTED = """
    select account_id, sum(amount) as amount from movements
    where kind = 'grant' and cause !~ '^(topup|sub|upgrade):' group by 1
"""
"""What was bought is judged apart."""

_PLANS = """
    select account_id, version - 1 from subscriptions
    where not exists (
        select from stripe_subscriptions paid where paid.account_id = subscriptions.account_id
    )
    union select account_id, 0 from stripe_subscriptions
"""
Stack = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class World:
    """What is so after the run."""

    jobs: dict[str, Any]
    captured: dict[str, int]
    held: dict[str, int]
    photos: dict[str, str]
    batches: dict[str, Any] = field(default_factory=dict)
    attempts: Sequence[Any] = ()
    granted: dict[str, int] = field(default_factory=dict)
    plans: dict[str, int] = field(default_factory=dict)
    """How often each account was given a plan; those that subscribe are given none."""

    feeds: dict[str, Sequence[Any]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    """Every object that has to be there (`needed`) or may be there (`allowed`), by key."""

    objects: Collection[str] = ()
    open_uploads: Sequence[str] = ()
    undecodable: Sequence[str] = ()
    runs: dict[str, Any] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    """Messages in outboxes and queues, by name, where there are any."""

    parked: Sequence[str] = ()
    drift: Sequence[str] = ()
    money: Money = field(default_factory=Money)


async def under_way(stack: Stack) -> int:
    """How much has not come to its end: jobs, batches, runs, holds, photos, messages."""
    count = 0
    for service in SERVICES:
        statements = ("select count(*) from outbox", *UNDER_WAY.get(service, ()))
        for statement in statements:
            count += (await _rows(stack, service, statement))[0][0]
    return count + sum((await _messages(stack)).values())


async def look(stack: Stack) -> World:
    """Read everything; what is looked at must not move any more."""
    jobs = await _rows(stack, "processing", "select * from jobs")
    batches = await _rows(stack, "processing", "select * from batches")
    attempts = await _rows(stack, "processing", "select * from attempts")
    photos = await _rows(stack, "uploads", "select * from photos")
    leftovers = await _rows(stack, "uploads", "select key from leftovers")
    accounts = await _rows(stack, "credits", "select id, held from accounts")
    plans = await _rows(stack, "billing", _PLANS)
    money = await moneys.look(stack, _rows)
    objects, open_uploads = await _bucket(stack)
    awaited = {f"originals/{p.account_id}/{p.id}" for p in photos if p.state == "begun"}
    # What was replaced may be there until it is removed.
    replaced = dict.fromkeys((row.key for row in leftovers), "allowed")
    owners = replaced | owners_of(jobs, attempts, photos, stored=objects)
    needed = {key for key, why in owners.items() if why == "needed"}
    return World(
        jobs={str(job.id): job for job in jobs},
        batches={str(batch.id): batch for batch in batches},
        attempts=attempts,
        captured=_sums(await _rows(stack, "credits", _CAPTURED)),
        granted=_sums(await _rows(stack, "credits", _GRANTED)),
        held=_sums(accounts),
        plans=_sums(plans),
        photos={str(row.id): row.state for row in photos},
        feeds=await _feeds(stack),
        owners=owners,
        objects={*objects, *await _unlisted(stack, needed - objects.keys())},
        open_uploads=[key for key in open_uploads if key not in awaited],
        undecodable=await _undecodable(stack, jobs),
        runs=await _runs(stack),
        waiting=await _waiting(stack),
        parked=[*await _parked(stack), *money.parked],
        drift=await _drift(stack),
        money=money,
    )


async def _unlisted(stack: Stack, keys: Collection[str]) -> list[str]:
    """Those of these objects that can be read all the same.

    SeaweedFS may fail to write a folder down while its disk is full, and keep the file in it: then
    the file is there for whoever knows its name, and is in no list.
    """
    found = []
    async with open_storage(_storage_of(stack)) as storage:
        for key in keys:
            with suppress(NoSuchObject):
                await storage.size(key)
                found.append(key)
    return found


async def last_of_feed(stack: Stack, account: str) -> int:
    """The number of the last event of an account."""
    statement = f"select last_seq from feeds where account_id = '{account}'"
    found = await _rows(stack, "gateway", statement)
    return int(found[0][0]) if found else 0


def owners_of(
    jobs: Sequence[Any],
    attempts: Sequence[Any],
    photos: Sequence[Any],
    *,
    stored: Mapping[str, datetime],
) -> dict[str, str]:
    """Every object that has to be there or may be; `stored` says since when there are which."""
    owners: dict[str, str] = {}
    for photo in photos:
        original = f"originals/{photo.account_id}/{photo.id}"
        if photo.state == "ready":
            made = (photo.master_key, photo.preview_key, photo.thumbnail_key, photo.frame_key)
            owners |= {key: "needed" for key in made if key}
        if original in stored and _may_lie(photo, stored[original]):
            owners[original] = "allowed"
    # A run that was given up may have stored something; its attempt is swept after two hours.
    owners |= {attempt.result_key: "allowed" for attempt in attempts if not attempt.swept_at}
    owners |= {job.result_key: "needed" for job in jobs if job.state == "COMPLETED"}
    return owners


def _may_lie(photo: Any, stored_at: datetime) -> bool:
    """Whether an original may be there: it is needed, about to be removed, or came late.

    Once it was removed, the sweep comes again when no late upload can bring it back any more.
    """
    if photo.state in ("begun", "accepted"):
        return True
    if photo.sweep_at is None:
        return False
    is_not_removed_yet = photo.sweep_at - photo.updated_at <= SWEEP_AFTER
    # S3 tells whole seconds.
    came_late = stored_at >= photo.updated_at.replace(microsecond=0)
    return bool(is_not_removed_yet or came_late)


def _sums(rows: Sequence[Any]) -> dict[str, int]:
    return {str(account): int(amount) for account, amount in rows}


async def _feeds(stack: Stack) -> dict[str, Sequence[Any]]:
    statement = "select account_id, seq, type, payload from user_events order by account_id, seq"
    feeds: dict[str, list[Any]] = defaultdict(list)
    for row in await _rows(stack, "gateway", statement):
        feeds[str(row.account_id)].append(row)
    return dict(feeds)


async def _bucket(stack: Stack) -> tuple[dict[str, datetime], list[str]]:
    """Every key with the time it was stored, and of every upload in parts that has not ended."""
    settings = _storage_of(stack)
    session = aioboto3.Session(
        aws_access_key_id=settings.s3_access_key.get_secret_value(),
        aws_secret_access_key=settings.s3_secret_key.get_secret_value(),
        region_name=settings.s3_region,
    )
    config = Config(s3={"addressing_style": "path"})
    stored: dict[str, datetime] = {}
    async with session.client("s3", endpoint_url=settings.s3_endpoint, config=config) as client:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=settings.s3_bucket)
        async for page in pages:
            stored |= {entry["Key"]: entry["LastModified"] for entry in page.get("Contents", ())}
        begun = await client.list_multipart_uploads(Bucket=settings.s3_bucket)
    return stored, [entry["Key"] for entry in begun.get("Uploads", ())]


async def _undecodable(stack: Stack, jobs: Sequence[Any]) -> list[str]:
    """Completed jobs without a result that decodes."""
    done = [job for job in jobs if job.state == "COMPLETED"]
    places = asyncio.Semaphore(DOWNLOADS_AT_ONCE)
    with tempfile.TemporaryDirectory() as folder:
        async with open_storage(_storage_of(stack)) as storage:

            async def is_good(job: Any) -> bool:
                async with places:
                    return await _is_good(storage, job, Path(folder))

            good = await asyncio.gather(*(is_good(job) for job in done))
    return [str(job.id) for job, is_fine in zip(done, good, strict=True) if not is_fine]


async def _is_good(storage: Storage, job: Any, folder: Path) -> bool:
    path = folder / str(job.id)
    try:
        await storage.download(job.result_key, path, bytes_max=RESULT_BYTES_MAX)
        return decodes(path)
    except NoSuchObject:
        return False
    finally:
        path.unlink(missing_ok=True)


async def _runs(stack: Stack) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=CALL_TIMEOUT_S, trust_env=False) as client:
        answer = await client.get(f"{stack['runpod_url']}/__faults/runs")
    runs: dict[str, Any] = answer.json()
    return runs


async def _waiting(stack: Stack) -> dict[str, int]:
    found = await _messages(stack)
    for service in SERVICES:
        if rows := (await _rows(stack, service, "select count(*) from outbox"))[0][0]:
            found[f"outbox of {service}"] = rows
    return found


async def _messages(stack: Stack) -> dict[str, int]:
    """Messages that wait in queues, also those that wait to be tried again."""
    queues = [queue["name"] for queue in json.loads(DEFINITIONS.read_text())["queues"]]
    found: dict[str, int] = {}
    async with await _connected(stack) as connection:
        channel = await connection.channel()
        for name in queues:
            if not name.startswith(NOT_WORK):
                queue = await channel.declare_queue(name, passive=True)
                found[name] = queue.declaration_result.message_count or 0
    return {name: count for name, count in found.items() if count}


async def _parked(stack: Stack) -> list[str]:
    parked = []
    async with await _connected(stack) as connection:
        channel = await connection.channel()
        for service in SERVICES:
            queue = await channel.get_queue(f"rk.dead.{service}")
            while message := await queue.get(fail=False):
                headers = message.headers
                # What the broker itself parked has its word only: `rejected`, `delivery_limit`.
                why = headers.get("x-reason") or headers.get("x-first-death-reason")
                parked.append(f"{service} {message.type} {message.message_id}: {why!r}")
    return parked


async def _connected(stack: Stack) -> aio_pika.abc.AbstractConnection:
    """To whichever node of RabbitMQ answers."""
    *others, last = stack["amqp_urls"]
    for url in others:
        with suppress(AMQPError, OSError, TimeoutError):
            return await aio_pika.connect(url, timeout=CALL_TIMEOUT_S)
    return await aio_pika.connect(last, timeout=CALL_TIMEOUT_S)


async def _drift(stack: Stack) -> list[str]:
    try:
        await people.operate(dict(stack), "credits", "audit")
    except AssertionError as drift:
        return [str(drift)]
    return []


def _storage_of(stack: Stack) -> StorageSettings:
    environment = stack["environments"]["uploads"]
    return StorageSettings(**{k.lower(): v for k, v in environment.items() if "S3_" in k})


async def _rows(stack: Stack, service: str, statement: str) -> Sequence[Row[Any]]:
    engine = people.engine_of(dict(stack), service)
    try:
        async with engine.connect() as connection:
            return (await connection.execute(text(statement))).all()
    finally:
        await engine.dispose()
