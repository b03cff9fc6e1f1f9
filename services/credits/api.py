"""Credits over HTTP: holds for processing, the balance and its receipts for the account's owner."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, BaseModel, Field

from contracts.message import Tier
from services.credits import accounts, batches, exports, holds, ledger, refunds
from services.credits.models import AMOUNT_MAX, Kind
from services.credits.placing import Placer
from services.kit.db import Connection
from services.kit.http import AccountOfCaller, InternalCaller, InvalidRequest, Transaction

REASON_LENGTH_MAX = 200
PAGE_MAX = 100
EXPORT_MAX = 10_000
JOBS_PER_BATCH_MAX = 200
CURSOR_LENGTH_MAX = 32

router = APIRouter(prefix="/v1", tags=["credits"])
internal = APIRouter(prefix="/internal", tags=["operators"])


def _different(ids: list[UUID]) -> list[UUID]:
    if len(set(ids)) != len(ids):
        raise ValueError("a job is named twice")
    return ids


class PlaceHold(BaseModel):
    """How many credits a job needs, and what for, in the user's words."""

    # Strict: `true`, `2.0` and `"2"` are no amounts.
    amount: Annotated[int, Field(strict=True, ge=1, le=AMOUNT_MAX)]
    reason: Annotated[str, Field(min_length=1, max_length=REASON_LENGTH_MAX)]


class PlaceBatch(PlaceHold):
    """What each job of a batch needs, and which jobs they are."""

    job_ids: Annotated[
        list[UUID], Field(min_length=1, max_length=JOBS_PER_BATCH_MAX), AfterValidator(_different)
    ]


class BatchHold(BaseModel):
    batch_id: UUID
    amount: int
    state: Literal["held"] = "held"


class Hold(BaseModel):
    job_id: UUID
    amount: int
    state: Literal["held"] = "held"


class Balance(BaseModel):
    available: int
    held: int
    blocked: int
    owed: int
    lost_at_end: int
    plan: str
    tier: Tier
    credits_monthly: int


class Outstanding(BaseModel):
    credits: int


class RejectResult(BaseModel):
    """Why a result is rejected."""

    reason: refunds.Reason


class Refund(BaseModel):
    job_id: UUID
    amount: int
    available: int


class Receipt(BaseModel):
    id: UUID
    time: datetime
    movement: Kind
    amount: int
    available: int
    held: int
    text: str
    job_id: UUID | None
    cause: str | None


class Receipts(BaseModel):
    items: list[Receipt]
    next_cursor: str | None


@router.put("/holds/{job_id}", status_code=201)
async def place_hold(
    job_id: UUID,
    wanted: PlaceHold,
    request: Request,
    response: Response,
    account_id: AccountOfCaller,
) -> Hold:
    """Set credits aside for a job; 200 when that was done before, 402 when there are too few."""
    placer: Placer = request.app.state.placer
    outcome = await placer.place(
        account_id=account_id, job_id=job_id, amount=wanted.amount, reason=wanted.reason
    )
    if outcome == "same":
        response.status_code = 200
    return Hold(job_id=job_id, amount=wanted.amount)


@router.put("/holds/batches/{batch_id}", status_code=201)
async def place_batch(
    batch_id: UUID,
    wanted: PlaceBatch,
    response: Response,
    connection: Transaction,
    account_id: AccountOfCaller,
) -> BatchHold:
    """Set credits aside for every job of a batch, or for none; answers as for a single job."""
    outcome = await batches.place(
        connection,
        account_id=account_id,
        batch_id=batch_id,
        job_ids=wanted.job_ids,
        amount=wanted.amount,
        reason=wanted.reason,
    )
    if outcome == "same":
        response.status_code = 200
    return BatchHold(batch_id=batch_id, amount=wanted.amount * len(wanted.job_ids))


@router.delete("/holds/{job_id}", status_code=204)
async def release_hold(job_id: UUID, connection: Transaction, account_id: AccountOfCaller) -> None:
    """Give the credits of a job back; may be repeated."""
    await holds.release_for(connection, account_id=account_id, job_id=job_id)


@router.post("/jobs/{job_id}/refund")
async def refund_job(
    job_id: UUID, rejected: RejectResult, connection: Transaction, account_id: AccountOfCaller
) -> Refund:
    """Give the spent credits of a rejected result back; may be repeated."""
    done = await refunds.refund(
        connection, account_id=account_id, job_id=job_id, reason=rejected.reason
    )
    return Refund(job_id=job_id, amount=done.amount, available=done.available)


@router.get("/credits")
async def read_balance(connection: Transaction, account_id: AccountOfCaller) -> Balance:
    """How many credits can be spent now, where the others are, and what the plan gives."""
    account = await accounts.read(connection, account_id)
    return Balance.model_validate(account, from_attributes=True)


@router.get("/credits/receipts")
async def list_receipts(
    connection: Transaction,
    account_id: AccountOfCaller,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 20,
    cursor: Annotated[str | None, Query(max_length=CURSOR_LENGTH_MAX)] = None,
) -> Receipts:
    """Every movement of the account, the newest first, with the balance after it."""
    page, next_cursor = await _page(connection, account_id, limit=limit, cursor=cursor)
    return Receipts(
        items=[Receipt.model_validate(receipt, from_attributes=True) for receipt in page],
        next_cursor=next_cursor,
    )


@router.get("/credits/receipts.csv")
async def export_receipts(
    connection: Transaction,
    account_id: AccountOfCaller,
    cursor: Annotated[str | None, Query(max_length=CURSOR_LENGTH_MAX)] = None,
) -> Response:
    """The receipts as a table, the newest first; `Link` names the rest of a very long one."""
    page, next_cursor = await _page(connection, account_id, limit=EXPORT_MAX, cursor=cursor)
    headers = {"content-disposition": 'attachment; filename="rekindle-receipts.csv"'}
    if next_cursor:
        headers["link"] = f'</v1/credits/receipts.csv?cursor={next_cursor}>; rel="next"'
    return Response(exports.as_csv(page), media_type="text/csv; charset=utf-8", headers=headers)


@internal.get("/metrics/outstanding")
async def read_outstanding(connection: Transaction, _: InternalCaller) -> Outstanding:
    """What accounts have in all and have not spent: what the business still owes them."""
    return Outstanding(credits=await accounts.outstanding(connection))


async def _page(
    connection: Connection, account_id: UUID, *, limit: int, cursor: str | None
) -> tuple[Sequence[ledger.Receipt], str | None]:
    """Receipts from this cursor on, and the next cursor if there are more."""
    await accounts.read(connection, account_id)
    found = await ledger.receipts(
        connection,
        account_id=account_id,
        limit=limit + 1,
        before_version=_version(cursor) if cursor is not None else None,
    )
    page = found[:limit]
    return page, _cursor(page[-1].version) if len(found) > limit else None


def _cursor(version: int) -> str:
    return urlsafe_b64encode(str(version).encode()).decode().rstrip("=")


def _version(cursor: str) -> int:
    try:
        decoded = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError:
        decoded = ""
    if not re.fullmatch(r"[0-9]{1,18}", decoded):
        raise InvalidRequest("The cursor is none of ours; begin without one.")
    return int(decoded)
