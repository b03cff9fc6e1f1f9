"""The batch door: one order for many photos."""

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.gateway import schemas
from services.gateway.idempotency import Attempt
from services.gateway.once import answer_once, forward_order, read_body
from services.gateway.openapi import IDEMPOTENCY_KEY, takes
from services.gateway.parts import Gateway
from services.gateway.upstream import (
    PageCursor,
    PageLimit,
    ask,
    page_read_back,
    passed_back,
    read_back,
)
from services.gateway.visitors import JobMaker, Reader, Writer
from services.kit.client import Answer

router = APIRouter(
    prefix="/v1", tags=["batches"], generate_unique_id_function=lambda route: route.name
)

ROUTE = "POST /v1/batches"


@router.post(
    "/batches",
    status_code=202,
    response_model=schemas.Batch,
    openapi_extra=takes(schemas.BatchRequest, IDEMPOTENCY_KEY),
)
async def make_batch(request: Request, visitor: JobMaker, gateway: Gateway) -> Response:
    """Ask for the same work on up to 200 photos: one price, one hold, a job for each.

    Either all credits are held or none. A job that ends without a result gives its part back.
    """
    read_body(schemas.BatchRequest, await request.body())

    async def order(attempt: Attempt, body: bytes) -> Answer:
        return await forward_order(gateway, "/v1/batches", attempt, body)

    return await answer_once(request, gateway, visitor.account_id, ROUTE, order)


@router.get("/batches", response_model=schemas.BatchPage)
async def list_batches(
    request: Request,
    visitor: Reader,
    gateway: Gateway,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Response:
    """The account's batches, newest first."""
    query, account_id = {"limit": limit, "cursor": cursor}, visitor.account_id
    answer = await ask(gateway.processing, "GET", "/v1/batches", account_id=account_id, query=query)
    return page_read_back(request, answer)


@router.get("/batches/{batch_id}", response_model=schemas.Batch)
async def read_batch(
    request: Request, batch_id: UUID, visitor: Reader, gateway: Gateway
) -> Response:
    """One batch, with how many of its jobs are in which state."""
    path, account_id = f"/v1/batches/{batch_id}", visitor.account_id
    return read_back(request, await ask(gateway.processing, "GET", path, account_id=account_id))


@router.post("/batches/{batch_id}/cancel", status_code=202, response_model=schemas.Batch)
async def cancel_batch(batch_id: UUID, visitor: Writer, gateway: Gateway) -> Response:
    """Stop what has not ended. Cancelled jobs cost nothing."""
    path, account_id = f"/v1/batches/{batch_id}/cancel", visitor.account_id
    return passed_back(await ask(gateway.processing, "POST", path, account_id=account_id))
