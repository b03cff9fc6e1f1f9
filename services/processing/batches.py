"""Batches: one order, one price and one hold for many photos; a job for each of them.

    PENDING_HOLD ──hold placed──▶ PLACED      its jobs go their ways, and the last one ends it
         └──────────────────────▶ REJECTED    too few credits, or credits did not answer in time

A batch is asked for as a single job is (see `orders`): written down, held over HTTP outside of any
transaction, then queued. Each job ends by itself and closes its own part of the hold.
"""

import secrets
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Row
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import erasures, failpoints, outbox
from services.kit.db import Connection, uuid7
from services.kit.problems import NotFound
from services.processing import accounts, jobs, orders
from services.processing.errors import (
    IdempotencyKeyReused,
    InsufficientCredits,
    WrongNumberOfPhotos,
)
from services.processing.holds import Holds, Short
from services.processing.kinds import KINDS, Kind
from services.processing.models import UNDONE, batches
from services.processing.models import jobs as jobs_table

PHOTOS_MAX = 200

Batch = Row[Any]

_LOCK_UNDONE = sa.text(
    "select * from jobs where batch_id = :batch_id and state = any(:undone) order by id for update"
).columns(*jobs_table.columns)


async def place(
    engine: AsyncEngine, holds: Holds, order: orders.Order, *, account_id: UUID, key: str
) -> UUID:
    """The id of the batch that this order made, now or when it was sent before."""
    kind = _kind_of(order)
    batch = await _find_by_key(engine, account_id, key)
    if batch is None:
        await orders.require_photos(engine, order.photo_ids, account_id=account_id)
        batch = await _begin(engine, order, kind, account_id, key)
    if batch.body_sha256 != order.sha256:
        raise IdempotencyKeyReused
    if batch.state == "PENDING_HOLD":
        await settle(engine, holds, batch)
        batch = await _find_by_key(engine, account_id, key)
        assert batch is not None
    if batch.problem_code == "insufficient-credits":
        raise InsufficientCredits(**batch.problem_facts)
    return UUID(str(batch.id))


async def settle(engine: AsyncEngine, holds: Holds, batch: Batch) -> None:
    """Ask credits for the hold of a PENDING_HOLD batch, and write down the answer."""
    async with engine.connect() as connection:
        query = sa.select(jobs_table.c.id).where(jobs_table.c.batch_id == batch.id)
        job_ids = list((await connection.scalars(query.order_by(jobs_table.c.id))).all())
    await failpoints.reach("after_batch_insert")
    outcome = await holds.place_batch(
        batch.id,
        job_ids,
        account_id=batch.account_id,
        amount=batch.price,
        reason=KINDS[batch.kind].title,
    )
    await failpoints.reach("after_batch_hold_commit")
    dead: Sequence[UUID] = ()
    async with engine.begin() as connection:
        if isinstance(outcome, Short):
            facts = {"needed": outcome.needed, "available": outcome.available}
            await _reject(connection, batch, code="insufficient-credits", facts=facts)
        else:
            dead = await _queue(connection, batch)
    for job_id in dead:
        # It was cancelled while credits was asked: its last event may have passed the hold.
        await holds.release(job_id, account_id=batch.account_id)


async def abandon(engine: AsyncEngine, batch: Batch) -> None:
    """Give up on a batch that could not be held; each job's last event returns its part."""
    async with engine.begin() as connection:
        await _reject(connection, batch, code="abandoned", facts=None)


async def find(connection: Connection, batch_id: UUID, *, account_id: UUID) -> Batch:
    """A batch of this account; any other is not found."""
    query = sa.select(batches).where(batches.c.id == batch_id, batches.c.account_id == account_id)
    if batch := (await connection.execute(query)).one_or_none():
        return batch
    raise NotFound


async def cancel(connection: Connection, batch_id: UUID, *, account_id: UUID) -> None:
    """Stop every job of a batch that has not ended; the others keep their end."""
    await find(connection, batch_id, account_id=account_id)
    # All jobs first, the batch later: whoever ends one job takes them in this order too.
    undone = await connection.execute(_LOCK_UNDONE, {"batch_id": batch_id, "undone": list(UNDONE)})
    for job in undone.all():
        await jobs.cancel(connection, job.id, account_id=account_id)
        await failpoints.reach("mid_batch_cancel")


def _kind_of(order: orders.Order) -> Kind:
    if len(set(order.photo_ids)) != len(order.photo_ids):
        raise WrongNumberOfPhotos(kind=order.kind, photos_min=1, photos_max=PHOTOS_MAX)
    return orders.kind_of(order.kind, order.photo_ids[:1])


async def _begin(
    engine: AsyncEngine, order: orders.Order, kind: Kind, account_id: UUID, key: str
) -> Batch:
    batch_id = uuid7()
    async with engine.begin() as connection:
        await outbox.require_room(connection)
        if await erasures.is_erased(connection, account_id):
            raise NotFound
        begun = await connection.execute(
            insert(batches)
            .values(
                id=batch_id,
                account_id=account_id,
                idempotency_key=key,
                body_sha256=order.sha256,
                kind=kind.name,
                note=order.note,
                jobs=len(order.photo_ids),
                unfinished=len(order.photo_ids),
                price=kind.price,
                state="PENDING_HOLD",
            )
            .on_conflict_do_nothing()
            .returning(batches)
        )
        batch = begun.one_or_none()
        if batch:
            service = await accounts.service_of(connection, account_id)
            await connection.execute(
                jobs_table.insert(),
                [
                    {
                        "id": uuid7(),
                        "account_id": account_id,
                        "batch_id": batch_id,
                        "idempotency_key": f"batch {batch_id} photo {photo_id}",
                        "body_sha256": b"",
                        "kind": kind.name,
                        "photo_ids": [photo_id],
                        "note": order.note,
                        "price": kind.price,
                        "tier": service.tier,
                        "short_side_max": service.short_side_max,
                        "state": "PENDING_HOLD",
                        "seed": secrets.randbelow(orders.SEEDS),
                    }
                    for photo_id in order.photo_ids
                ],
            )
    # Nothing came back: the same order is being placed at the same time.
    batch = batch or await _find_by_key(engine, account_id, key)
    assert batch is not None
    return batch


async def _queue(connection: Connection, batch: Batch) -> Sequence[UUID]:
    """The credits are held: every job waits for its turn; those that ended before come back."""
    undone = {"batch_id": batch.id, "undone": list(UNDONE)}
    pending = (await connection.execute(_LOCK_UNDONE, undone)).all()
    if not await _move(connection, batch.id, to="PLACED"):
        return ()
    await jobs.queue(connection, pending)
    dead = await connection.scalars(
        sa.select(jobs_table.c.id).where(
            jobs_table.c.batch_id == batch.id, jobs_table.c.state.in_(orders.DEAD)
        )
    )
    return dead.all()


async def _reject(
    connection: Connection, batch: Batch, *, code: str, facts: dict[str, int] | None
) -> None:
    undone = {"batch_id": batch.id, "undone": list(UNDONE)}
    pending = (await connection.execute(_LOCK_UNDONE, undone)).all()
    moved = await _move(connection, batch.id, to="REJECTED", problem_code=code, problem_facts=facts)
    for job in pending if moved else ():
        await jobs.reject(
            connection,
            job.id,
            code="insufficient-credits" if code == "insufficient-credits" else "abandoned",
            detail="The batch was not paid for.",
        )


async def _move(connection: Connection, batch_id: UUID, *, to: str, **changes: Any) -> bool:
    moved = await connection.execute(
        batches.update()
        .where(batches.c.id == batch_id, batches.c.state == "PENDING_HOLD")
        .values(state=to, **changes)
        .returning(batches.c.id)
    )
    return moved.one_or_none() is not None


async def _find_by_key(engine: AsyncEngine, account_id: UUID, key: str) -> Batch | None:
    query = sa.select(batches).where(
        batches.c.account_id == account_id, batches.c.idempotency_key == key
    )
    async with engine.connect() as connection:
        return (await connection.execute(query)).one_or_none()
