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
from sqlalchemy import Row
from sqlalchemy.dialects.postgresql import insert
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
    engine: AsyncEngine, holds: Holds, order: Order, *, account_id: UUID, idempotency_key: str
) -> UUID:
    """The id of the job that this order made, now or when it was sent before."""
    kind = kind_of(order.kind, order.photo_ids)
    job = await _find(engine, account_id, idempotency_key)
    if job is None:
        await require_photos(engine, order.photo_ids, account_id=account_id)
        job = await _begin(engine, order, kind, account_id, idempotency_key)
    return await _settled(engine, holds, order, job)


async def place_again(
    engine: AsyncEngine, holds: Holds, order: Order, *, account_id: UUID, idempotency_key: str
) -> UUID:
    """The id of the job that this order made before, whatever has become of its photos.

    Raises:
        NotFound: It made none.

    """
    job = await _find(engine, account_id, idempotency_key)
    if job is None:
        raise NotFound
    return await _settled(engine, holds, order, job)


async def settle(engine: AsyncEngine, holds: Holds, job: Row[Any]) -> None:
    """Ask credits for the hold of a PENDING_HOLD job, and write down the answer."""
    await failpoints.reach("after_job_insert")
    outcome = await holds.place(
        job.id, account_id=job.account_id, amount=job.price, reason=KINDS[job.kind].title
    )
    await failpoints.reach("after_hold_commit")
    queued: Sequence[jobs.Job] = ()
    async with engine.begin() as connection:
        match outcome:
            case "placed":
                queued = await jobs.queue(connection, [job.id])
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
    if outcome == "placed" and not queued:
        await _release_if_dead(engine, holds, job)


async def abandon(engine: AsyncEngine, holds: Holds, job: Row[Any]) -> None:
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
    engine: AsyncEngine, photo_ids: Sequence[UUID], *, account_id: UUID
) -> None:
    """Refuse what is not a usable photo of this account."""
    query = sa.select(preparations.c.state, preparations.c.detail).where(
        preparations.c.photo_id.in_(photo_ids), preparations.c.account_id == account_id
    )
    tries = round(PHOTO_HEARD_WITHIN_S / LOOK_AGAIN_S)
    for _ in range(tries):
        async with engine.connect() as connection:
            photos = (await connection.execute(query)).all()
        if len(photos) == len(photo_ids):
            break
        await asyncio.sleep(LOOK_AGAIN_S)
    if len(photos) < len(photo_ids) or any(photo.state == "deleted" for photo in photos):
        raise NotFound
    for photo in photos:
        if photo.state == "unusable":
            raise PhotoUnusable(photo.detail)


async def _begin(
    engine: AsyncEngine, order: Order, kind: Kind, account_id: UUID, idempotency_key: str
) -> Row[Any]:
    async with engine.begin() as connection:
        await outbox.require_room(connection)
        service = await accounts.service_of(connection, account_id)
        begun = await connection.execute(
            insert(jobs_table)
            .values(
                id=uuid7(),
                account_id=account_id,
                idempotency_key=idempotency_key,
                body_sha256=order.sha256,
                kind=kind.name,
                photo_ids=list(order.photo_ids),
                note=order.note,
                price=kind.price,
                tier=service.tier,
                short_side_max=service.short_side_max,
                state="PENDING_HOLD",
                seed=secrets.randbelow(SEEDS),
            )
            .on_conflict_do_nothing()
            .returning(jobs_table)
        )
        job = begun.one_or_none()
    # Nothing came back: the same order is being placed at the same time.
    job = job or await _find(engine, account_id, idempotency_key)
    assert job is not None
    return job


async def _settled(engine: AsyncEngine, holds: Holds, order: Order, job: Row[Any]) -> UUID:
    if job.body_sha256 != order.sha256:
        raise IdempotencyKeyReused
    settled: Row[Any] | None = job
    if job.state == "PENDING_HOLD":
        await settle(engine, holds, job)
        settled = await _find(engine, job.account_id, job.idempotency_key)
    assert settled is not None
    _refuse_if_rejected(settled)
    return UUID(str(settled.id))


async def _find(engine: AsyncEngine, account_id: UUID, idempotency_key: str) -> Row[Any] | None:
    query = sa.select(jobs_table).where(
        jobs_table.c.account_id == account_id, jobs_table.c.idempotency_key == idempotency_key
    )
    async with engine.connect() as connection:
        return (await connection.execute(query)).one_or_none()


async def _release_if_dead(engine: AsyncEngine, holds: Holds, job: Row[Any]) -> None:
    """The job ended while credits was asked: its last event may have passed the hold."""
    now = await _find(engine, job.account_id, job.idempotency_key)
    if now is None or now.state not in DEAD:
        return
    try:
        await holds.release(job.id, account_id=job.account_id)
    except Unavailable:
        log.warning("hold.left_to_expire", job_id=str(job.id))


def _refuse_if_rejected(job: Row[Any]) -> None:
    if job.problem_code == "insufficient-credits":
        raise InsufficientCredits(**job.problem_facts)
    if job.state == "REJECTED" and job.problem_code == "photo-unusable":
        raise PhotoUnusable(job.problem_detail)
