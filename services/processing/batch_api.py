"""The private HTTP API of batches, for the account in the caller's token."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, Field

from services.kit.db import Connection
from services.kit.http import AccountOfCaller, Transaction
from services.processing import batches, models, orders, progress, reading
from services.processing.api import PAGE, PAGE_MAX, Note, require_key
from services.processing.reading import BatchView

router = APIRouter(prefix="/v1", tags=["batches"])


class BatchOrder(BaseModel):
    """What to do with each of these photos."""

    kind: Annotated[str, Field(max_length=50)]
    photo_ids: Annotated[list[UUID], Field(min_length=1, max_length=batches.PHOTOS_MAX)]
    note: Note = None


class BatchPage(BaseModel):
    """Batches from the newest on."""

    items: list[BatchView]
    next_cursor: str | None


@router.post("/batches", status_code=202)
async def make_batch(
    body: BatchOrder,
    account_id: AccountOfCaller,
    request: Request,
    response: Response,
    idempotency_key: Annotated[str, Header()] = "",
) -> BatchView:
    """Order work on many photos. The same key with the same body gives the same batch."""
    require_key(idempotency_key)
    state = request.app.state
    order = orders.Order(kind=body.kind, photo_ids=tuple(body.photo_ids), note=body.note)
    batch_id = await batches.place(
        state.engine, state.holds, order, account_id=account_id, key=idempotency_key
    )
    response.headers["location"] = f"/v1/batches/{batch_id}"
    async with state.engine.connect() as connection:
        return await _shown(connection, batch_id, account_id)


@router.get("/batches")
async def list_batches(
    account_id: AccountOfCaller,
    connection: Transaction,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> BatchPage:
    """The account's batches, newest first."""
    found, next_cursor = await reading.page(
        connection, models.batches, account_id=account_id, limit=limit, cursor=cursor
    )
    counted = await progress.counts(connection, [batch.id for batch in found])
    items = [reading.batch_view(batch, counted[batch.id]) for batch in found]
    return BatchPage(items=items, next_cursor=next_cursor)


@router.get("/batches/{batch_id}")
async def show_batch(
    batch_id: UUID, account_id: AccountOfCaller, connection: Transaction
) -> BatchView:
    """One batch, with how many of its jobs are in which state."""
    return await _shown(connection, batch_id, account_id)


@router.post("/batches/{batch_id}/cancel", status_code=202)
async def cancel_batch(
    batch_id: UUID, account_id: AccountOfCaller, connection: Transaction
) -> BatchView:
    """Stop what has not ended; those credits come back."""
    await batches.cancel(connection, batch_id, account_id=account_id)
    return await _shown(connection, batch_id, account_id)


async def _shown(connection: Connection, batch_id: UUID, account_id: UUID) -> BatchView:
    batch = await batches.find(connection, batch_id, account_id=account_id)
    return reading.batch_view(batch, (await progress.counts(connection, [batch.id]))[batch.id])
