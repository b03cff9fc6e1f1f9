"""The API a client calls: submit a job, follow it, stop it, and see how the endpoint is."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from deploy.local.runpod.endpoint import Endpoint
from deploy.local.runpod.jobs import TERMINAL, Job, QueueFull
from deploy.local.runpod.limits import TooManyCalls
from deploy.local.runpod.requests import (
    RUN_BODY_MAX,
    RUNSYNC_BODY_MAX,
    ClientEndpoint,
    read_json,
    read_submission,
)

SYNC_WAIT_MS, SYNC_WAIT_LEAST_MS, SYNC_WAIT_MOST_MS = 90_000, 1_000, 300_000
TTL_MOST_MS = 7 * 24 * 3600 * 1000
HANG_SECONDS = 120.0
HANG_NAP_SECONDS = 0.25

RETRY_SOON = {"retry-after": "1"}
REFUSALS = {
    "answer_401": (401, "the API key is missing or wrong"),
    "answer_404": (404, "endpoint not found"),
    "answer_429": (429, "too many requests"),
    "answer_500": (500, "internal error"),
}

router = APIRouter(prefix="/v2/{endpoint_id}")


async def _within_limits(request: Request, endpoint: ClientEndpoint) -> AsyncIterator[Endpoint]:
    """Count the call under its operation, and let the asked-for faults happen."""
    operation = request.url.path.split("/")[3]
    for fault, (code, detail) in REFUSALS.items():
        if endpoint.faults.happens(fault):
            raise HTTPException(code, detail, RETRY_SOON if code == 429 else None)  # noqa: PLR2004
    try:
        with endpoint.limits.call(operation):
            yield endpoint
    except TooManyCalls:
        raise HTTPException(429, "too many requests") from None


Limited = Annotated[Endpoint, Depends(_within_limits)]


@router.post("/run", response_model=None)
async def run(request: Request, endpoint: Limited) -> dict[str, Any] | Response:
    job = _submit(endpoint, await read_json(request, bytes_max=RUN_BODY_MAX), sync=False)
    if endpoint.faults.happens("fail_accepted"):
        raise HTTPException(500, "internal error")
    if endpoint.faults.happens("hang_submit"):
        await _hang(request)
    return _answer(endpoint, {"id": job.id, "status": "IN_QUEUE"})


@router.post("/runsync")
async def runsync(
    request: Request,
    endpoint: Limited,
    wait: Annotated[int, Query(ge=SYNC_WAIT_LEAST_MS, le=SYNC_WAIT_MOST_MS)] = SYNC_WAIT_MS,
) -> dict[str, Any]:
    job = _submit(endpoint, await read_json(request, bytes_max=RUNSYNC_BODY_MAX), sync=True)
    await endpoint.wait_for(lambda: job if job.state in TERMINAL else None, wait / 1000)
    return job.view()


@router.api_route("/status/{job_id}", methods=["GET", "POST"], response_model=None)
async def status(
    endpoint: Limited,
    job_id: str,
    ttl: Annotated[int | None, Query(ge=1, le=TTL_MOST_MS)] = None,
) -> dict[str, Any] | Response:
    job = _find(endpoint, job_id)
    if ttl is not None:
        job.kept_seconds = ttl / 1000
    view = job.view()
    if endpoint.faults.happens("unknown_state"):
        view["status"] = "REBALANCING"
    return _answer(endpoint, view)


@router.api_route("/stream/{job_id}", methods=["GET", "POST"])
async def stream(endpoint: Limited, job_id: str) -> dict[str, Any]:
    job = _find(endpoint, job_id)
    chunks = list(job.chunks)
    job.chunks.clear()
    return {"status": job.state.value, "stream": chunks}


@router.post("/cancel/{job_id}")
async def cancel(endpoint: Limited, job_id: str) -> dict[str, Any]:
    job = _find(endpoint, job_id)
    endpoint.jobs.cancel(job)
    endpoint.change()
    return {"id": job.id, "status": job.state.value}


@router.post("/retry/{job_id}")
async def retry(endpoint: Limited, job_id: str) -> dict[str, Any]:
    job = _find(endpoint, job_id)
    if not endpoint.jobs.retry(job):
        raise HTTPException(400, f"a job that is {job.state} cannot be retried")
    endpoint.change()
    return {"id": job.id, "status": job.state.value}


@router.post("/purge-queue")
async def purge_queue(endpoint: Limited) -> dict[str, Any]:
    return {"removed": endpoint.jobs.purge(), "status": "completed"}


@router.get("/health")
async def health(endpoint: Limited) -> dict[str, dict[str, int]]:
    return endpoint.health()


def _answer(endpoint: Endpoint, body: dict[str, Any]) -> dict[str, Any] | Response:
    if not endpoint.faults.happens("truncate_answer"):
        return body
    whole = json.dumps(body)
    return Response(whole[: len(whole) // 2], media_type="application/json")


def _submit(endpoint: Endpoint, body: Any, *, sync: bool) -> Job:
    asked = read_submission(body)
    try:
        return endpoint.submit(
            asked.input,
            webhook=str(asked.webhook) if asked.webhook else None,
            policy=asked.policy.as_policy(),
            sync=sync,
        )
    except QueueFull:
        raise HTTPException(429, "the queue is full") from None


def _find(endpoint: Endpoint, job_id: str) -> Job:
    job = endpoint.jobs.find(job_id)
    if job is None:
        raise HTTPException(404, "job not found")
    return job


async def _hang(request: Request) -> None:
    """The job is accepted, but the answer is lost; the caller gives up first."""
    for _ in range(round(HANG_SECONDS / HANG_NAP_SECONDS)):
        if await request.is_disconnected():
            return
        await asyncio.sleep(HANG_NAP_SECONDS)
