"""Set, see and clear faults: `/__faults`, for this machine only; and see what was run."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request

from deploy.local.runpod.endpoint import Endpoint
from deploy.local.runpod.faults import Faults

LOOPBACK = frozenset({"127.0.0.1", "::1"})

router = APIRouter(prefix="/__faults", include_in_schema=False)


def _endpoint(request: Request) -> Endpoint:
    if request.client is None or request.client.host not in LOOPBACK:
        raise HTTPException(403, "faults are for this machine only")
    endpoint: Endpoint = request.app.state.endpoint
    return endpoint


LocalEndpoint = Annotated[Endpoint, Depends(_endpoint)]


@router.get("")
async def read_faults(endpoint: LocalEndpoint) -> Faults:
    return endpoint.faults


@router.post("")
async def set_faults(wanted: Faults, endpoint: LocalEndpoint) -> Faults:
    if wanted.expire_job is not None:
        endpoint.jobs.expire(wanted.expire_job)
        endpoint.change()
    endpoint.faults.set(wanted)
    return endpoint.faults


@router.get("/runs")
async def read_runs(endpoint: LocalEndpoint) -> dict[str, dict[str, Any]]:
    return endpoint.runs.view()


@router.delete("")
async def clear_faults(endpoint: LocalEndpoint) -> Faults:
    endpoint.faults = Faults()
    return endpoint.faults
