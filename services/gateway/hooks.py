"""RunPod's webhooks on their way to processing, which checks their signature."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from services.gateway.parts import Gateway
from services.gateway.upstream import ask, passed_back
from services.gateway.visitors import A_HOOK

router = APIRouter(prefix="/hooks", include_in_schema=False, dependencies=[A_HOOK])

SIGNATURE_LENGTH_MAX = 256


@router.post("/runpod/{attempt_id}")
async def pass_on_runpod(
    attempt_id: UUID,
    request: Request,
    gateway: Gateway,
    sig: Annotated[str, Query(max_length=SIGNATURE_LENGTH_MAX)] = "",
) -> Response:
    """A GPU says that an attempt ended; whether that is true is for processing to find out."""
    path, body = f"/hooks/runpod/{attempt_id}", await request.body()
    answer = await ask(
        gateway.processing, "POST", path, account_id=None, query={"sig": sig}, body=body
    )
    return passed_back(answer)
