"""The job door: what spends credits, and therefore happens once per Idempotency-Key."""

import asyncio
import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from services.gateway import schemas
from services.gateway.errors import PhotoUnusable, UnknownKind
from services.gateway.idempotency import Attempt
from services.gateway.once import answer_once, forward_order, read_body
from services.gateway.openapi import ANYBODY, IDEMPOTENCY_KEY, takes
from services.gateway.parts import Gateway, Parts
from services.gateway.upstream import (
    OK,
    PageCursor,
    PageLimit,
    ask,
    page_read_back,
    passed_back,
    read_back,
)
from services.gateway.visitors import ANYONE, JobMaker, Reader, Writer
from services.kit.client import Answer
from services.kit.problems import NotFound

router = APIRouter(
    prefix="/v1", tags=["jobs"], generate_unique_id_function=lambda route: route.name
)

ROUTE = "POST /v1/jobs"
BINARY = {"type": "string", "format": "binary"}


@router.get("/kinds", response_model=schemas.Kinds, openapi_extra=ANYBODY, dependencies=[ANYONE])
async def list_kinds(request: Request, gateway: Gateway) -> Response:
    """What can be done with photos, and what it costs."""
    return read_back(request, await ask(gateway.processing, "GET", "/v1/kinds", account_id=None))


@router.post(
    "/jobs",
    status_code=202,
    response_model=schemas.Job,
    openapi_extra=takes(schemas.JobRequest, IDEMPOTENCY_KEY),
)
async def make_job(request: Request, visitor: JobMaker, gateway: Gateway) -> Response:
    """Ask for work on photos. Its credits are held now, and spent only on delivery.

    Sent again with the same key, the first answer is repeated with `Idempotent-Replayed: true`.
    """
    photo_ids = read_body(schemas.JobRequest, await request.body()).photo_ids

    async def order(attempt: Attempt, body: bytes) -> Answer:
        answer = await forward_order(gateway, "/v1/jobs", attempt, body)
        if answer.status != NotFound.status:
            return answer
        # Processing does not know a photo: uploads knows why, or processing has yet to hear of it.
        refusal = await _refusal_of_photos(gateway, attempt.account_id, photo_ids)
        if isinstance(refusal, PhotoUnusable):
            raise refusal
        return refusal or await forward_order(gateway, "/v1/jobs?patient=true", attempt, body)

    return await answer_once(request, gateway, visitor.account_id, ROUTE, order)


@router.post("/jobs/quote", response_model=schemas.Quote, openapi_extra=takes(schemas.QuoteRequest))
async def quote_jobs(request: Request, visitor: Reader, gateway: Gateway) -> schemas.Quote:
    """What an order would cost, and the balance after it. Nothing is held yet."""
    wanted = read_body(schemas.QuoteRequest, await request.body())
    kinds, balance = await asyncio.gather(
        ask(gateway.processing, "GET", "/v1/kinds", account_id=None),
        ask(gateway.credits, "GET", "/v1/credits", account_id=visitor.account_id),
    )
    priced = {one["kind"]: one for one in json.loads(kinds.body)["items"]}
    if wanted.kind not in priced:
        raise UnknownKind(kinds=priced)
    each, available = priced[wanted.kind]["credits"], json.loads(balance.body)["available"]
    price = each * wanted.orders
    return schemas.Quote(
        kind=wanted.kind,
        orders=wanted.orders,
        price_each=each,
        price=price,
        available=available,
        available_after=max(0, available - price),
        missing=max(0, price - available),
    )


@router.get("/jobs", response_model=schemas.JobPage)
async def list_jobs(
    request: Request,
    visitor: Reader,
    gateway: Gateway,
    *,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
    batch: UUID | None = None,
) -> Response:
    """The account's jobs, or those of one batch, newest first."""
    query = {"limit": limit, "cursor": cursor, "batch": batch}
    account_id = visitor.account_id
    answer = await ask(gateway.processing, "GET", "/v1/jobs", account_id=account_id, query=query)
    return page_read_back(request, answer)


@router.get("/jobs/{job_id}", response_model=schemas.Job)
async def read_job(request: Request, job_id: UUID, visitor: Reader, gateway: Gateway) -> Response:
    """One job, with its result once it is completed."""
    path, account_id = f"/v1/jobs/{job_id}", visitor.account_id
    return read_back(request, await ask(gateway.processing, "GET", path, account_id=account_id))


@router.get(
    "/jobs/{job_id}/jpeg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {"schema": BINARY}}}},
)
async def read_jpeg(job_id: UUID, visitor: Reader, gateway: Gateway) -> Response:
    """The result as a JPEG of its full size, made now. What the job itself names is a PNG."""
    path, account_id = f"/v1/jobs/{job_id}/copies/jpeg", visitor.account_id
    return passed_back(await ask(gateway.processing, "GET", path, account_id=account_id))


@router.get(
    "/jobs/{job_id}/result/blend",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {"schema": BINARY}}}},
)
async def read_blend(
    request: Request,
    job_id: UUID,
    visitor: Reader,
    gateway: Gateway,
    *,
    strength: Annotated[
        int, Query(ge=0, le=100, description="0 is the photo, 100 the result")
    ] = 100,
    faces: Annotated[
        int | None, Query(ge=0, le=100, description="of faces; left out, they get `strength`")
    ] = None,
) -> Response:
    """A JPEG between the photo and its result, made now and free of charge."""
    path, query = f"/v1/jobs/{job_id}/blend", {"strength": strength, "faces": faces}
    account_id = visitor.account_id
    answer = await ask(gateway.processing, "GET", path, account_id=account_id, query=query)
    return read_back(request, answer)


@router.post("/jobs/{job_id}/cancel", status_code=202, response_model=schemas.Job)
async def cancel_job(job_id: UUID, visitor: Writer, gateway: Gateway) -> Response:
    """Stop a job. A cancelled job costs nothing."""
    path, account_id = f"/v1/jobs/{job_id}/cancel", visitor.account_id
    return passed_back(await ask(gateway.processing, "POST", path, account_id=account_id))


@router.post(
    "/jobs/{job_id}/refund",
    response_model=schemas.Refund,
    openapi_extra=takes(schemas.RejectResult),
)
async def refund_job(request: Request, job_id: UUID, visitor: Writer, gateway: Gateway) -> Response:
    """Reject a result: its credits come back, and we keep it to learn from.

    Once per result, within 7 days, five times a month. Sent again, it changes nothing.
    """
    rejected = read_body(schemas.RejectResult, await request.body())
    path, account_id = f"/v1/jobs/{job_id}/refund", visitor.account_id
    body = rejected.model_dump_json().encode()
    return passed_back(await ask(gateway.credits, "POST", path, account_id=account_id, body=body))


async def _refusal_of_photos(
    gateway: Parts, account_id: UUID, photo_ids: list[UUID]
) -> Answer | PhotoUnusable | None:
    """What uploads says against the photos: not there, somebody else's, or refused."""
    answers = await asyncio.gather(
        *(
            ask(gateway.uploads, "GET", f"/v1/photos/{photo_id}", account_id=account_id)
            for photo_id in set(photo_ids)
        )
    )
    for answer in answers:
        if answer.status != OK:
            return answer
        photo: dict[str, Any] = json.loads(answer.body)
        if photo["state"] == "rejected":
            return PhotoUnusable(UUID(photo["id"]), reason=photo["problem"])
    return None
