"""Asking for a job: once per Idempotency-Key, and only when its credits are held.

The job is written down first (PENDING_HOLD), then credits is asked over HTTP outside of any
transaction, then its answer is written down. Whoever finds the job in between, the same request
sent again or the reconciler, goes on from there: both calls may be repeated.
"""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import failpoints, outbox
from services.kit.db import uuid7
from services.kit.problems import NotFound, Unavailable
from services.processing import accounts, jobs
from services.processing.errors import (
    IdempotencyKeyReused,
    InsufficientCredits,
    KindNotAvailable,
    PhotoUnusable,
    UnknownKind,
    WrongNumberOfPhotos,
)
from services.processing.holds import Holds, Short
from services.processing.kinds import KINDS, Kind
from services.processing.models import jobs as jobs_table
from services.processing.models import preparations

PHOTO_HEARD_WITHIN_S = 3.0
"""A photo may be ordered work on before its acceptance has travelled here from uploads."""

LOOK_AGAIN_S = 0.1
SEEDS = 2**31
DEAD = ("REJECTED", "FAILED", "CANCELLED")

log = structlog.get_logger()

_BEGIN = sa.text(
    """
    with photos as (
        select count(*) as usable from preparations
        where photo_id = any(:photo_ids) and account_id = :account_id
            and state in ('waiting', 'prepared')
    ), plan as (
        select coalesce(max(tier), 'standard') as tier,
            coalesce(max(short_side_max), :standard_side_max) as short_side_max
        from accounts where account_id = :account_id
    ), begun as (
        insert into jobs (id, account_id, idempotency_key, body_sha256, kind, photo_ids, note,
            price, seed, tier, short_side_max, state)
        select cast(:job_id as uuid), :account_id, :idempotency_key, :body_sha256, :kind,
            :photo_ids, :note, :price, :seed, plan.tier, plan.short_side_max, 'PENDING_HOLD'
        from photos, plan
        where photos.usable = cardinality(cast(:photo_ids as uuid[]))
            and not exists (select from outbox offset :outbox_rows_max limit 1)
            and not exists (select from erasures where account_id = :account_id)
        on conflict do nothing returning *
    )
    select * from begun union all
    select * from jobs where account_id = :account_id and idempotency_key = :idempotency_key
    """
).columns(*jobs_table.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody asks for."""

    kind: str
    photo_ids: tuple[UUID, ...]
    note: str | None

    @property
    def sha256(self) -> bytes:
        """The same for the same order, so that a reused key is noticed."""
        body = [self.kind, [str(photo) for photo in self.photo_ids], self.note]
        return hashlib.sha256(json.dumps(body).encode()).digest()


async def place(
    engine: AsyncEngine,
    holds: Holds,
    order: Order,
    *,
    account_id: UUID,
    idempotency_key: str,
    photo_heard_within_s: float = 0,
) -> jobs.Job:
    """The job that this order made, now or when it was sent before.

    An order that was made before is found again whatever has become of its photos.
    """
    kind = kind_of(order.kind, order.photo_ids)
    values = {
        "job_id": uuid7(),
        "account_id": account_id,
        "idempotency_key": idempotency_key,
        "body_sha256": order.sha256,
        "kind": kind.name,
        "photo_ids": list(order.photo_ids),
        "note": order.note,
        "price": kind.price,
        "seed": secrets.randbelow(SEEDS),
        "standard_side_max": accounts.STANDARD.short_side_max,
        "outbox_rows_max": outbox.ROWS_MAX,
    }
    job = await _begin(engine, values) or await _find(engine, account_id, idempotency_key)
    if job is None:
        await _require_room(engine)
        await require_photos(
            engine, order.photo_ids, account_id=account_id, within_s=photo_heard_within_s
        )
        job = await _begin(engine, values)
    if job is None:
        raise Unavailable("Something changed while the order was placed. Nothing was begun.")
    if job.body_sha256 != order.sha256:
        raise IdempotencyKeyReused
    if job.state == "PENDING_HOLD":
        job = await settle(engine, holds, job)
    _refuse_if_rejected(job)
    return job


async def settle(engine: AsyncEngine, holds: Holds, job: jobs.Job) -> jobs.Job:
    """Ask credits for the hold of a PENDING_HOLD job, write down the answer; the job after it."""
    await failpoints.reach("after_job_insert")
    outcome = await holds.place(
        job.id, account_id=job.account_id, amount=job.price, reason=KINDS[job.kind].title
    )
    await failpoints.reach("after_hold_commit")
    async with engine.begin() as connection:
        match outcome:
            case "placed":
                if queued := await jobs.queue(connection, [job]):
                    return queued[0]
            case "closed":
                await jobs.reject(
                    connection, job.id, code="abandoned", detail="The hold was closed already."
                )
            case Short(needed, available):
                await jobs.reject(
                    connection,
                    job.id,
                    code="insufficient-credits",
                    detail=f"This needs {needed} credits and there were {available}.",
                    facts={"needed": needed, "available": available},
                )
    settled = await _find(engine, job.account_id, job.idempotency_key)
    assert settled is not None
    if outcome == "placed" and settled.state in DEAD:
        await _release(holds, job)
    return settled


async def abandon(engine: AsyncEngine, holds: Holds, job: jobs.Job) -> None:
    """Give up on a job whose hold could not be settled in time."""
    await holds.release(job.id, account_id=job.account_id)
    async with engine.begin() as connection:
        await jobs.reject(
            connection, job.id, code="abandoned", detail="Credits did not answer in time."
        )


def kind_of(name: str, photo_ids: Sequence[UUID]) -> Kind:
    """The kind that is asked for, if there is such work and it takes these photos."""
    kind = KINDS.get(name)
    if kind is None:
        raise UnknownKind(kinds=KINDS)
    if not kind.available:
        raise KindNotAvailable(kind=kind.name)
    different = len(set(photo_ids))
    if different != len(photo_ids) or not kind.photos_min <= different <= kind.photos_max:
        raise WrongNumberOfPhotos(
            kind=kind.name, photos_min=kind.photos_min, photos_max=kind.photos_max
        )
    return kind


async def require_photos(
    engine: AsyncEngine,
    photo_ids: Sequence[UUID],
    *,
    account_id: UUID,
    within_s: float = PHOTO_HEARD_WITHIN_S,
) -> None:
    """Refuse what is not a usable photo of this account, or is not heard of in time."""
    query = sa.select(preparations.c.state, preparations.c.detail).where(
        preparations.c.photo_id.in_(photo_ids), preparations.c.account_id == account_id
    )
    for left in reversed(range(1 + round(within_s / LOOK_AGAIN_S))):
        async with engine.connect() as connection:
            photos = (await connection.execute(query)).all()
        if len(photos) == len(photo_ids):
            break
        if left:
            await asyncio.sleep(LOOK_AGAIN_S)
    if len(photos) < len(photo_ids) or any(photo.state == "deleted" for photo in photos):
        raise NotFound
    for photo in photos:
        if photo.state == "unusable":
            raise PhotoUnusable(photo.detail)


async def _require_room(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await outbox.require_room(connection)


async def _begin(engine: AsyncEngine, values: dict[str, Any]) -> jobs.Job | None:
    """The job as it was just begun, or as it was begun before; None when something forbids it.

    One statement, since every order takes it: the photos are the account's and usable, the outbox
    has room, and the key was never used.
    """
    async with engine.begin() as connection:
        job: jobs.Job | None = (await connection.execute(_BEGIN, values)).one_or_none()
        return job


async def _find(engine: AsyncEngine, account_id: UUID, idempotency_key: str) -> jobs.Job | None:
    query = sa.select(jobs_table).where(
        jobs_table.c.account_id == account_id, jobs_table.c.idempotency_key == idempotency_key
    )
    async with engine.connect() as connection:
        return (await connection.execute(query)).one_or_none()


async def _release(holds: Holds, job: jobs.Job) -> None:
    """The job ended while credits was asked: its last event may have passed the hold."""
    try:
        await holds.release(job.id, account_id=job.account_id)
    except Unavailable:
        log.warning("hold.left_to_expire", job_id=str(job.id))


def _refuse_if_rejected(job: jobs.Job) -> None:
    if job.problem_code == "insufficient-credits":
        raise InsufficientCredits(**job.problem_facts)
    if job.state == "REJECTED" and job.problem_code == "photo-unusable":
        raise PhotoUnusable(job.problem_detail)
