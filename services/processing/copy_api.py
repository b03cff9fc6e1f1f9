"""The private HTTP API of copies: what the gateway shows of a job to strangers, and saves."""

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.kit.http import AccountOfCaller
from services.processing.copies import Name
from services.processing.copying import Copier

router = APIRouter(prefix="/v1", tags=["copies"])


@router.get("/jobs/{job_id}/copies/{name}", response_class=Response)
async def read_copy(
    job_id: UUID,
    name: Name,
    account_id: AccountOfCaller,
    request: Request,
) -> Response:
    """A JPEG without metadata: before, after, both on one card, or the result in full size."""
    copier: Copier = request.app.state.copier
    copied = await copier.copy(job_id, name, account_id=account_id)
    return Response(copied, media_type="image/jpeg")
