"""Webhooks on their way to the services that check their signatures: RunPod's and Stripe's."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from services.gateway.parts import Gateway
from services.gateway.upstream import ask, passed_back
from services.gateway.visitors import A_HOOK, A_STRIPE_HOOK

router = APIRouter(prefix="/hooks", include_in_schema=False)

SIGNATURE_LENGTH_MAX = 256
STRIPE_SIGNATURE_LENGTH_MAX = 4_096


@router.post("/runpod/{attempt_id}", dependencies=[A_HOOK])
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


@router.post("/stripe", dependencies=[A_STRIPE_HOOK])
async def pass_on_stripe(request: Request, gateway: Gateway) -> Response:
    """Stripe says that something happened; its signature is over these very bytes."""
    signature = request.headers.get("stripe-signature", "")
    if len(signature) > STRIPE_SIGNATURE_LENGTH_MAX:
        signature = ""
    answer = await ask(
        gateway.billing,
        "POST",
        "/hooks/stripe",
        account_id=None,
        body=await request.body(),
        headers={"stripe-signature": signature},
    )
    return passed_back(answer)
