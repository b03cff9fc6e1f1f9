"""The private HTTP API of processing: kinds and jobs, for the account in the caller's token."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import Row

from services.kit.http import AccountOfCaller, InternalCaller, Transaction
from services.processing import jobs, line, models, orders, reading
from services.processing.errors import IdempotencyKeyRequired
from services.processing.kinds import KINDS, PHOTOS_MAX
from services.processing.reading import JobView, ResultView

NOTE_LENGTH_MAX = 500
KEY_LENGTH_MAX = 255
PAGE_MAX, PAGE = 100, 20
RESULT_ADDRESS_LASTS = timedelta(minutes=5)

router = APIRouter(prefix="/v1", tags=["jobs"])


def _plain(note: str | None) -> str | None:
    """A note is text: line ends are welcome, other control characters are not."""
    if note and any(not (c.isprintable() or c in "\n\r\t") for c in note):
        raise ValueError("control characters are not allowed")
    return (note or "").strip() or None


Note = Annotated[Annotated[str, Field(max_length=NOTE_LENGTH_MAX)] | None, AfterValidator(_plain)]


class JobOrder(BaseModel):
    """What to do, with which photos."""

    kind: Annotated[str, Field(max_length=50)]
    photo_ids: Annotated[list[UUID], Field(min_length=1, max_length=PHOTOS_MAX)]
    note: Note = None


class JobPage(BaseModel):
    """Jobs from the newest on."""

    items: list[JobView]
    next_cursor: str | None


class KindView(BaseModel):
    """One kind of work, and what it costs."""

    kind: str
    title: str
    credits: int
    photos_min: int
    photos_max: int
    available: bool


class Kinds(BaseModel):
    """All kinds of work."""

    items: list[KindView]


@router.get("/kinds")
async def list_kinds(_: InternalCaller) -> Kinds:
    """Every kind of work there is, and its price."""
    return Kinds(
        items=[
            KindView(
                kind=kind.name,
                title=kind.title,
                credits=kind.price,
                photos_min=kind.photos_min,
                photos_max=kind.photos_max,
                available=kind.available,
            )
            for kind in KINDS.values()
        ]
    )


@router.post("/jobs", status_code=202)
async def order_job(
    body: JobOrder,
    account_id: AccountOfCaller,
    request: Request,
    response: Response,
    *,
    idempotency_key: Annotated[str, Header()] = "",
    patient: bool = False,
) -> JobView:
    """Order work on photos. The same key with the same body gives the same job.

    Only a `patient` caller waits for a photo that is not heard of yet.
    """
    require_key(idempotency_key)
    state = request.app.state
    job = await orders.place(
        state.engine,
        state.holds,
        orders.Order(kind=body.kind, photo_ids=tuple(body.photo_ids), note=body.note),
        account_id=account_id,
        idempotency_key=idempotency_key,
        photo_heard_within_s=orders.PHOTO_HEARD_WITHIN_S if patient else 0,
    )
    response.headers["location"] = f"/v1/jobs/{job.id}"
    async with state.engine.connect() as connection:
        return (await _shown(request, connection, [job]))[0]


@router.get("/jobs")
async def list_jobs(
    *,
    account_id: AccountOfCaller,
    connection: Transaction,
    request: Request,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    batch: UUID | None = None,
) -> JobPage:
    """The account's jobs, or those of one batch, newest first."""
    found, next_cursor = await reading.page(
        connection,
        models.jobs,
        account_id=account_id,
        limit=limit,
        cursor=cursor,
        batch_id=batch,
    )
    return JobPage(items=await _shown(request, connection, found), next_cursor=next_cursor)


@router.get("/jobs/{job_id}")
async def show_job(
    job_id: UUID, account_id: AccountOfCaller, connection: Transaction, request: Request
) -> JobView:
    """One job, with its place in line or the address of its result."""
    job = await jobs.find(connection, job_id, account_id=account_id)
    return (await _shown(request, connection, [job]))[0]


@router.post("/jobs/{job_id}/cancel", status_code=202)
async def cancel_job(
    job_id: UUID, account_id: AccountOfCaller, connection: Transaction, request: Request
) -> JobView:
    """Stop a job; its credits come back."""
    await jobs.cancel(connection, job_id, account_id=account_id)
    job = await jobs.find(connection, job_id, account_id=account_id)
    return (await _shown(request, connection, [job]))[0]


async def _shown(request: Request, connection: Any, found: Sequence[Row[Any]]) -> list[JobView]:
    places = await line.places(connection, found, slots=request.app.state.gpu_slots)
    return [
        reading.view(job, place=places.get(job.id), result=_result(request, job)) for job in found
    ]


def _result(request: Request, job: Row[Any]) -> ResultView | None:
    if job.result_key is None:
        return None
    url = request.app.state.storage.sign_get(
        job.result_key, expires_s=int(RESULT_ADDRESS_LASTS.total_seconds())
    )
    return ResultView(url=url, expires_at=datetime.now(UTC) + RESULT_ADDRESS_LASTS, **job.result)


def require_key(key: str) -> None:
    """Refuse an order that could be paid twice when it is sent twice."""
    if not (1 <= len(key) <= KEY_LENGTH_MAX and key.isascii() and key.isprintable()):
        raise IdempotencyKeyRequired
