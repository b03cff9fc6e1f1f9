"""Set, see and clear faults: `/__faults`, for this machine only; and see what was run."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from deploy.local.faults import refuse_strangers
from deploy.local.runpod.endpoint import Endpoint
from deploy.local.runpod.faults import Faults

router = APIRouter(
    prefix="/__faults", include_in_schema=False, dependencies=[Depends(refuse_strangers)]
)


def _endpoint(request: Request) -> Endpoint:
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
    endpoint.faults.clear()
    return endpoint.faults
