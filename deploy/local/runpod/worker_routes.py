"""The protocol of the SDK's worker: take a job, hand in a result, hear of stops, ping."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response

from deploy.local.runpod.jobs import Job
from deploy.local.runpod.requests import WORKER_BODY_MAX, WorkerEndpoint, read_json

# Short waits: a worker that is told to stop first waits for its open calls.
TAKE_WAIT_SECONDS = 2.0
STOP_WAIT_SECONDS = 2.0
BATCH_MAX = 32
NOTHING = 204

router = APIRouter(prefix="/v2/{endpoint_id}")


@router.get("/job-take/{worker_id}", response_model=None)
async def take(
    endpoint: WorkerEndpoint, worker_id: str, job_in_progress: int = 1
) -> Response | dict[str, Any]:
    endpoint.see_worker(worker_id)
    if not job_in_progress:
        endpoint.jobs.lose_jobs_of(worker_id)
    job = await endpoint.wait_for(lambda: endpoint.jobs.take(worker_id), TAKE_WAIT_SECONDS)
    return _offered(job) if job else Response(status_code=NOTHING)


@router.get("/job-take-batch/{worker_id}", response_model=None)
async def take_batch(
    endpoint: WorkerEndpoint,
    worker_id: str,
    batch_size: Annotated[int, Query(ge=1, le=BATCH_MAX)] = 1,
    job_in_progress: int = 1,
) -> Response | list[dict[str, Any]]:
    first = await take(endpoint, worker_id, job_in_progress)
    if isinstance(first, Response):
        return first
    more = (endpoint.jobs.take(worker_id) for _ in range(batch_size - 1))
    return [first, *(_offered(job) for job in more if job)]


@router.post("/job-done/{worker_id}/{job_id}")
async def done(
    request: Request, endpoint: WorkerEndpoint, worker_id: str, job_id: str
) -> dict[str, Any]:
    """A result, or, with the status IN_PROGRESS, only news of it."""
    result = _mapping(await read_json(request, bytes_max=WORKER_BODY_MAX))
    endpoint.see_worker(worker_id)
    if result.get("status") == "IN_PROGRESS":
        endpoint.jobs.progress(worker_id, job_id, result.get("output"))
        return {}
    error = result.get("error")
    endpoint.finish(
        worker_id,
        job_id,
        output=result.get("output"),
        error=None if error is None else str(error),
    )
    return {}


@router.post("/job-stream/{worker_id}/{job_id}")
async def stream(
    request: Request, endpoint: WorkerEndpoint, worker_id: str, job_id: str
) -> dict[str, Any]:
    chunk = _mapping(await read_json(request, bytes_max=WORKER_BODY_MAX))
    endpoint.jobs.stream(worker_id, job_id, chunk)
    return {}


@router.get("/job-stop/{worker_id}", response_model=None)
async def stop(endpoint: WorkerEndpoint, worker_id: str) -> Response | dict[str, Any]:
    stops = await endpoint.wait_for(
        lambda: endpoint.jobs.stops_for(worker_id) or None, STOP_WAIT_SECONDS
    )
    return {"jobsToStop": stops} if stops else Response(status_code=NOTHING)


@router.get("/ping/{worker_id}")
async def ping(endpoint: WorkerEndpoint, worker_id: str, job_id: str = "") -> dict[str, Any]:
    endpoint.see_worker(worker_id)
    endpoint.jobs.heard(worker_id, set(job_id.split(",")))
    return {}


def _offered(job: Job) -> dict[str, Any]:
    return {"id": job.id, "input": job.input}


def _mapping(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise HTTPException(400, "a result is a JSON object")
    return body
