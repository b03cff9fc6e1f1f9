"""The share door: an owner lets anybody with the address look at a result, and stops that."""

import json
from dataclasses import asdict
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.gateway import share_schemas, shares
from services.gateway.errors import NothingToShare
from services.gateway.once import read_body
from services.gateway.openapi import takes
from services.gateway.parts import Gateway, Parts
from services.gateway.upstream import OK, ask, passed_back
from services.gateway.visitors import Reader, Writer

router = APIRouter(
    prefix="/v1", tags=["shares"], generate_unique_id_function=lambda route: route.name
)


@router.put(
    "/jobs/{job_id}/share",
    response_model=share_schemas.Share,
    openapi_extra=takes(share_schemas.ShareRequest),
)
async def share_job(request: Request, job_id: UUID, visitor: Writer, gateway: Gateway) -> Response:
    """Let anybody who has the address see before and after, without an account, for some days.

    A job has one address at a time: sent again, only its end changes.
    """
    wanted = read_body(share_schemas.ShareRequest, await request.body())
    account_id = visitor.account_id
    job = await ask(gateway.processing, "GET", f"/v1/jobs/{job_id}", account_id=account_id)
    if job.status != OK:
        return passed_back(job)
    result = json.loads(job.body)["result"]
    if result is None or not result["media_type"].startswith("image/"):
        raise NothingToShare
    async with gateway.engine.begin() as connection:
        shared = await shares.share(
            connection,
            account_id=account_id,
            job_id=job_id,
            days=wanted.days,
            secret=gateway.settings.session_secret.get_secret_value(),
        )
    return Response(_shown(gateway, shared).model_dump_json(), media_type="application/json")


@router.get("/jobs/{job_id}/share")
async def read_share(job_id: UUID, visitor: Reader, gateway: Gateway) -> share_schemas.Share:
    """The address under which a job is shared right now; 404 if it is not."""
    async with gateway.engine.begin() as connection:
        found = await shares.find(connection, account_id=visitor.account_id, job_id=job_id)
    return _shown(gateway, found)


@router.delete("/jobs/{job_id}/share", status_code=204)
async def revoke_share(job_id: UUID, visitor: Writer, gateway: Gateway) -> None:
    """Stop sharing a job now. Its address shows nothing any more, also if it is shared anew."""
    async with gateway.engine.begin() as connection:
        await shares.revoke(connection, account_id=visitor.account_id, job_id=job_id)


def _shown(gateway: Parts, share: shares.Share) -> share_schemas.Share:
    token = shares.token_of(share.id, gateway.settings.session_secret.get_secret_value())
    address = f"{gateway.settings.public_url}/s/{token}"
    return share_schemas.Share.model_validate({**asdict(share), "address": address})
