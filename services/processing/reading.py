"""Jobs as their owner sees them: one, or a page of them."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel, PlainSerializer
from sqlalchemy import Row

from services.kit.db import Connection
from services.processing.errors import InvalidCursor
from services.processing.line import Place

Moment = Annotated[
    datetime,
    PlainSerializer(lambda moment: moment.isoformat(timespec="milliseconds")[:23] + "Z"),
]


class TruthView(BaseModel):
    """How true a result is to its photo, 0 to 100, and what is not as good as it can be."""

    score: int
    verdict: Literal["green", "amber"]
    reasons: list[str]


class HintsView(BaseModel):
    """Which wishes of the note were granted, and which not."""

    applied: list[str]
    ignored: list[str]


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
    truth: TruthView | None = None
    """None of results that are older than the check."""

    hints: HintsView | None = None


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
    starts_in_s: int | None
    paused_until: Moment | None
    attempts: int
    result: ResultView | None
    problem: ProblemView | None
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    version: int
    batch_id: UUID | None


class BatchView(BaseModel):
    """A batch as its owner sees it: `jobs` by state, and what they cost when all succeed."""

    id: UUID
    kind: str
    note: str | None
    state: Literal["pending_hold", "placed", "rejected", "finished"]
    photos: int
    price: int
    jobs: dict[str, int]
    spent: int
    returned: int
    created_at: Moment
    finished_at: Moment | None


def view(job: Row[Any], *, place: Place | None, result: ResultView | None) -> JobView:
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
        position=place.position if place else None,
        starts_in_s=round(place.starts_in_s) if place else None,
        paused_until=place.paused_until if place else None,
        attempts=job.attempts,
        result=result,
        problem=problem,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        version=job.version,
        batch_id=job.batch_id,
    )


def batch_view(batch: Row[Any], counted: Mapping[str, Row[Any]]) -> BatchView:
    """One batch; a job that ended without a result has given its part back."""
    is_finished = batch.finished_at and batch.state == "PLACED"
    state: Any = "finished" if is_finished else batch.state.lower()
    returned = (counted[name].credits for name in ("failed", "cancelled") if name in counted)
    return BatchView(
        id=batch.id,
        kind=batch.kind,
        note=batch.note,
        state=state,
        photos=batch.jobs,
        price=batch.price * batch.jobs,
        jobs={name: row.jobs for name, row in sorted(counted.items())},
        spent=counted["completed"].credits if "completed" in counted else 0,
        returned=sum(returned),
        created_at=batch.created_at,
        finished_at=batch.finished_at,
    )


async def page(
    connection: Connection,
    table: sa.Table,
    *,
    account_id: UUID,
    limit: int,
    cursor: str | None,
    batch_id: UUID | None = None,
) -> tuple[Sequence[Row[Any]], str | None]:
    """Rows of an account's jobs or batches from the newest on, and where the next page begins."""
    query = sa.select(table).where(table.c.account_id == account_id)
    if batch_id:
        query = query.where(table.c.batch_id == batch_id)
    if cursor:
        query = query.where(table.c.id < _id_in(cursor))
    found = (await connection.execute(query.order_by(table.c.id.desc()).limit(limit + 1))).all()
    more = len(found) > limit
    return found[:limit], _cursor_after(found[limit - 1].id) if more else None


def _cursor_after(job_id: UUID) -> str:
    return urlsafe_b64encode(job_id.bytes).rstrip(b"=").decode()


def _id_in(cursor: str) -> UUID:
    try:
        return UUID(bytes=urlsafe_b64decode(cursor + "=="))
    except ValueError as error:
        raise InvalidCursor from error
