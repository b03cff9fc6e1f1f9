"""The job door: what spends credits, and therefore happens once per Idempotency-Key."""

import asyncio
import json
import re
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError

from services.gateway import idempotency, schemas
from services.gateway.errors import IdempotencyKeyRequired, PhotoUnusable
from services.gateway.idempotency import Attempt, StoredAnswer
from services.gateway.openapi import ANYBODY, IDEMPOTENCY_KEY, takes
from services.gateway.parts import Gateway, Parts
from services.gateway.upstream import (
    OK,
    SERVER_ERRORS,
    PageCursor,
    PageLimit,
    ask,
    page_read_back,
    passed_back,
    read_back,
)
from services.gateway.visitors import ANYONE, JobMaker, Reader, Writer
from services.kit.client import Answer

router = APIRouter(
    prefix="/v1", tags=["jobs"], generate_unique_id_function=lambda route: route.name
)

KEY = re.compile(r"[\x20-\x7e]{1,255}")
ROUTE = "POST /v1/jobs"
KEPT_HEADERS = ("content-type", "location")


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
    key = request.headers.get("idempotency-key", "")
    if not KEY.fullmatch(key):
        raise IdempotencyKeyRequired
    body = await request.body()
    photo_ids = _read(body).photo_ids
    attempt = Attempt(visitor.account_id, ROUTE, key)
    async with gateway.engine.begin() as connection:
        replayed = await idempotency.claim(connection, attempt, body=body)
    if replayed:
        headers = {**replayed.headers, "idempotent-replayed": "true"}
        return Response(replayed.body, status_code=replayed.status, headers=headers)
    return await _first_answer(gateway, attempt, body, photo_ids)


@router.get("/jobs", response_model=schemas.JobPage)
async def list_jobs(
    request: Request,
    visitor: Reader,
    gateway: Gateway,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Response:
    """The account's jobs, newest first."""
    query, account_id = {"limit": limit, "cursor": cursor}, visitor.account_id
    answer = await ask(gateway.processing, "GET", "/v1/jobs", account_id=account_id, query=query)
    return page_read_back(request, answer)


@router.get("/jobs/{job_id}", response_model=schemas.Job)
async def read_job(request: Request, job_id: UUID, visitor: Reader, gateway: Gateway) -> Response:
    """One job, with its result once it is completed."""
    path, account_id = f"/v1/jobs/{job_id}", visitor.account_id
    return read_back(request, await ask(gateway.processing, "GET", path, account_id=account_id))


@router.post("/jobs/{job_id}/cancel", status_code=202, response_model=schemas.Job)
async def cancel_job(job_id: UUID, visitor: Writer, gateway: Gateway) -> Response:
    """Stop a job. A cancelled job costs nothing."""
    path, account_id = f"/v1/jobs/{job_id}/cancel", visitor.account_id
    return passed_back(await ask(gateway.processing, "POST", path, account_id=account_id))


async def _first_answer(
    gateway: Parts, attempt: Attempt, body: bytes, photo_ids: list[UUID]
) -> Response:
    """Ask processing, and remember what it said unless that was no answer."""
    try:
        answer = await _ask_for_job(gateway, attempt, body, photo_ids)
    except Exception:
        async with gateway.engine.begin() as connection:
            await idempotency.give_up(connection, attempt)
        raise
    kept = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
    async with gateway.engine.begin() as connection:
        if answer.status >= SERVER_ERRORS:
            await idempotency.give_up(connection, attempt)
        else:
            stored = StoredAnswer(answer.status, kept, answer.body)
            await idempotency.keep(connection, attempt, stored)
    return passed_back(answer)


async def _ask_for_job(
    gateway: Parts, attempt: Attempt, body: bytes, photo_ids: list[UUID]
) -> Answer:
    if refusal := await _refusal_of_photos(gateway, attempt.account_id, photo_ids):
        return refusal
    return await ask(
        gateway.processing,
        "POST",
        "/v1/jobs",
        account_id=attempt.account_id,
        body=body,
        headers={"idempotency-key": attempt.key},
    )


async def _refusal_of_photos(
    gateway: Parts, account_id: UUID, photo_ids: list[UUID]
) -> Answer | None:
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
            raise PhotoUnusable(UUID(photo["id"]), reason=photo["problem"])
    return None


def _read(body: bytes) -> schemas.JobRequest:
    try:
        return schemas.JobRequest.model_validate_json(body)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from None
