"""Jobs as their owner sees them: one, a page of them, and the place in line."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel, PlainSerializer
from sqlalchemy import Row

from services.kit.db import Connection
from services.processing.errors import InvalidCursor
from services.processing.models import jobs

POSITION_MAX = 10_000
"""Further back nobody counts; the number would be wrong before it is read."""

Moment = Annotated[
    datetime,
    PlainSerializer(lambda moment: moment.isoformat(timespec="milliseconds")[:23] + "Z"),
]


class ResultView(BaseModel):
    """Where the result is, for a few minutes, and what is known of it."""

    url: str
    expires_at: Moment
    width: int
    height: int
    media_type: str
    bytes: int
    sha256: str
    engine: str
    gpu_seconds: float


class ProblemView(BaseModel):
    """Why a job ended without a result."""

    code: str
    detail: str


class JobView(BaseModel):
    """A job as its owner sees it."""

    id: UUID
    kind: str
    photo_ids: list[UUID]
    note: str | None
    state: str
    tier: str
    price: int
    position: int | None
    attempts: int
    result: ResultView | None
    problem: ProblemView | None
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    version: int


def view(job: Row[Any], *, position: int | None, result: ResultView | None) -> JobView:
    """One job; whoever shows it signs the result's address first."""
    problem = None
    if job.problem_code:
        problem = ProblemView(code=job.problem_code, detail=job.problem_detail or "")
    return JobView(
        id=job.id,
        kind=job.kind,
        photo_ids=job.photo_ids,
        note=job.note,
        state=job.state.lower(),
        tier=job.tier,
        price=job.price,
        position=position,
        attempts=job.attempts,
        result=result,
        problem=problem,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        version=job.version,
    )


async def page(
    connection: Connection, *, account_id: UUID, limit: int, cursor: str | None
) -> tuple[Sequence[Row[Any]], str | None]:
    """Jobs from the newest on, and where the next page begins."""
    query = sa.select(jobs).where(jobs.c.account_id == account_id)
    if cursor:
        query = query.where(jobs.c.id < _id_in(cursor))
    found = (await connection.execute(query.order_by(jobs.c.id.desc()).limit(limit + 1))).all()
    more = len(found) > limit
    return found[:limit], _cursor_after(found[limit - 1].id) if more else None


async def positions(connection: Connection, found: Sequence[Row[Any]]) -> dict[UUID, int]:
    """About how many of the same tier come first, plus one, for those jobs that wait."""
    waiting = [job.id for job in found if job.state == "QUEUED"]
    if not waiting:
        return {}
    rows = await connection.execute(
        sa.text(
            """
            select id, 1 + (
                select count(*) from (
                    select from jobs ahead
                    where ahead.state = 'QUEUED' and ahead.tier = mine.tier
                      and ahead.queued_at < mine.queued_at limit :position_max
                ) counted
            ) as position
            from jobs mine where id = any(:waiting)
            """
        ),
        {"waiting": waiting, "position_max": POSITION_MAX},
    )
    return {row.id: row.position for row in rows}


def _cursor_after(job_id: UUID) -> str:
    return urlsafe_b64encode(job_id.bytes).rstrip(b"=").decode()


def _id_in(cursor: str) -> UUID:
    try:
        return UUID(bytes=urlsafe_b64decode(cursor + "=="))
    except ValueError as error:
        raise InvalidCursor from error
