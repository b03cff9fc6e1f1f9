"""The private HTTP API of copies: what the gateway shows of a job to whoever has its address."""

from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.kit.http import AccountOfCaller
from services.processing.copying import Copier

router = APIRouter(prefix="/v1", tags=["copies"])


@router.get("/jobs/{job_id}/copies/{name}", response_class=Response)
async def read_copy(
    job_id: UUID,
    name: Literal["before", "after", "card"],
    account_id: AccountOfCaller,
    request: Request,
) -> Response:
    """A JPEG of at most 1600 pixels without metadata: before, after, or both on one card."""
    copier: Copier = request.app.state.copier
    copied = await copier.copy(job_id, name, account_id=account_id)
    return Response(copied, media_type="image/jpeg")
