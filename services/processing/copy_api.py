"""The private HTTP API of copies: what the gateway shows of a job to strangers, and saves."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from services.kit.http import AccountOfCaller
from services.processing.copy_names import Name
from services.processing.copying import Copier

Percent = Annotated[int, Query(ge=0, le=100)]

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


@router.get("/jobs/{job_id}/blend", response_class=Response)
async def read_blend(
    job_id: UUID,
    account_id: AccountOfCaller,
    request: Request,
    strength: Percent = 100,
    faces: Annotated[int | None, Query(ge=0, le=100)] = None,
) -> Response:
    """A JPEG between the photo and its result."""
    copier: Copier = request.app.state.copier
    mixed = await copier.blend(job_id, account_id=account_id, strength=strength, faces=faces)
    return Response(mixed, media_type="image/jpeg")
