"""Short ways to what a test needs in the tables, and to what was said."""

from decimal import Decimal
from typing import Any, Literal
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.message import Tier
from services.kit.db import Connection, uuid7
from services.processing import accounts, jobs
from services.processing.budgets import Limits
from services.processing.models import attempts as attempts_table
from services.processing.models import jobs as jobs_table
from services.processing.models import preparations

WIDTH, HEIGHT = 640, 480
MASTER_RECORDED = (
    "update preparations set state = 'prepared', master_key = 'm', thumbnail_key = 't',"
    " width = 1, height = 1"
)
PLENTY = Limits(*[Decimal(1_000_000)] * 4)
"""For tests that end runs by a plain update, which gives no reservation back."""


async def open_account(engine: AsyncEngine, tier: Tier = "standard") -> UUID:
    account_id = uuid4()
    async with engine.begin() as connection:
        await accounts.change_plan(connection, account_id, plan="any", tier=tier, version=1)
    return account_id


async def add_photo(
    engine: AsyncEngine,
    account_id: UUID,
    state: Literal["waiting", "prepared", "unusable", "deleted"] = "prepared",
) -> UUID:
    photo_id, is_made = uuid4(), state == "prepared"
    async with engine.begin() as connection:
        await connection.execute(
            preparations.insert().values(
                photo_id=photo_id,
                account_id=account_id,
                state=state,
                object_key=f"originals/{account_id}/{photo_id}",
                media_type="image/jpeg",
                version=2,
                master_key=f"masters/{account_id}/{photo_id}-2.jpg" if is_made else None,
                thumbnail_key=f"thumbnails/{account_id}/{photo_id}-2.webp" if is_made else None,
                width=WIDTH if is_made else None,
                height=HEIGHT if is_made else None,
                code="file-damaged" if state == "unusable" else None,
                detail="The file is damaged." if state == "unusable" else None,
            )
        )
    return photo_id


async def finish_photo(connection: Connection, photo_id: UUID) -> None:
    """What preparation writes when it is done, and whom it wakes."""
    query = sa.text(f"{MASTER_RECORDED} where photo_id = :photo_id")
    await connection.execute(query, {"photo_id": photo_id})
    await jobs.wake_waiting(connection, photo_id)


async def add_job(engine: AsyncEngine, account_id: UUID, *, photo_id: UUID | None = None) -> UUID:
    """A job whose hold is placed: it waits for its turn, or for its photo."""
    photo_id = photo_id or await add_photo(engine, account_id)
    job_id = uuid7()
    async with engine.begin() as connection:
        service = await accounts.service_of(connection, account_id)
        pending = await connection.execute(
            jobs_table.insert()
            .values(
                id=job_id,
                account_id=account_id,
                idempotency_key=str(job_id),
                body_sha256=b"",
                kind="restore",
                photo_ids=[photo_id],
                price=2,
                tier=service.tier,
                short_side_max=service.short_side_max,
                state="PENDING_HOLD",
                seed=1,
            )
            .returning(jobs_table)
        )
        await jobs.queue(connection, pending.all())
    return job_id


async def job(engine: AsyncEngine, job_id: UUID) -> Row[Any]:
    async with engine.connect() as connection:
        query = sa.select(jobs_table).where(jobs_table.c.id == job_id)
        return (await connection.execute(query)).one()


async def attempts_of(engine: AsyncEngine, job_id: UUID) -> list[Row[Any]]:
    async with engine.connect() as connection:
        query = sa.select(attempts_table).where(attempts_table.c.job_id == job_id)
        return list(await connection.execute(query.order_by(attempts_table.c.number)))


async def said(engine: AsyncEngine, about: UUID) -> list[dict[str, Any]]:
    """What waits to be published about something, in order."""
    async with engine.connect() as connection:
        rows = await connection.execute(
            sa.text("select payload from outbox where aggregate_id = :about order by id"),
            {"about": about},
        )
        return [row.payload for row in rows]


async def types_said(engine: AsyncEngine, about: UUID) -> list[str]:
    return [envelope["type"] for envelope in await said(engine, about)]


async def execute(engine: AsyncEngine, statement: str, **values: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(sa.text(statement), values)
