"""The hand-off door: a desktop opens hand-offs, shows their QR code, and ends them."""

import io
from dataclasses import asdict
from uuid import UUID

import segno
from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.gateway import handoffs, schemas
from services.gateway.handoffs import PHOTOS_MAX
from services.gateway.idempotency import Attempt
from services.gateway.once import answer_once
from services.gateway.openapi import BY_PHONE, IDEMPOTENCY_KEY
from services.gateway.parts import Gateway
from services.gateway.upstream import CREATED
from services.gateway.visitors import Phone, Reader, Writer
from services.kit.client import Answer

router = APIRouter(
    prefix="/v1", tags=["handoffs"], generate_unique_id_function=lambda route: route.name
)

ROUTE = "POST /v1/handoffs"
QR_CORRECTION = "m"
"""A camera still reads it with 15 % of it in glare."""


@router.post(
    "/handoffs",
    status_code=CREATED,
    response_model=schemas.HandoffBegun,
    openapi_extra={"parameters": [IDEMPOTENCY_KEY]},
)
async def begin_handoff(request: Request, visitor: Writer, gateway: Gateway) -> Response:
    """Let a phone add photos to this account for 15 minutes, and nothing else.

    Show it the QR code, or send it the address; both are told here only. What the phone does
    arrives in `GET /v1/events` with the `handoff_id`.
    """
    secret = gateway.settings.session_secret.get_secret_value()

    async def order(attempt: Attempt, _: bytes) -> Answer:
        async with gateway.engine.begin() as connection:
            begun = await handoffs.begin(connection, account_id=attempt.account_id, secret=secret)
        headers = {"content-type": "application/json", "location": f"/v1/handoffs/{begun.id}"}
        return Answer(CREATED, headers, _shown(begun).model_dump_json().encode())

    answer = await answer_once(request, gateway, visitor.account_id, ROUTE, order)
    # What is kept for a repetition of the request holds no token: it is worked out again.
    handoff = schemas.Handoff.model_validate_json(bytes(answer.body))
    token = handoffs.token_of(handoff.id, secret)
    # A browser sends a fragment to nobody, neither to us nor as a referrer: no log can hold it.
    address = f"{gateway.settings.public_url}/handoff#{token}"
    begun = schemas.HandoffBegun(handoff=handoff, address=address, qr_svg=_qr_svg(address))
    del answer.headers["content-length"]
    return Response(begun.model_dump_json(), status_code=CREATED, headers=dict(answer.headers))


@router.get("/handoffs")
async def list_handoffs(visitor: Reader, gateway: Gateway) -> schemas.Handoffs:
    """The open hand-offs of the account, newest first."""
    async with gateway.engine.begin() as connection:
        found = await handoffs.open_ones(connection, visitor.account_id)
    return schemas.Handoffs(items=[_shown(handoff) for handoff in found])


@router.get("/handoffs/current", openapi_extra=BY_PHONE)
async def read_current_handoff(phone: Phone, gateway: Gateway) -> schemas.Handoff:
    """For the phone: how many photos it may still add, how long, and what it added.

    The first time, the account hears that the phone is there.
    """
    assert phone.handoff_id
    async with gateway.engine.begin() as connection:
        await handoffs.note_opening(connection, phone.handoff_id)
        return _shown(
            await handoffs.find(
                connection, account_id=phone.account_id, handoff_id=phone.handoff_id
            )
        )


@router.get("/handoffs/{handoff_id}")
async def read_handoff(handoff_id: UUID, visitor: Reader, gateway: Gateway) -> schemas.Handoff:
    """One hand-off with its photos; it is forgotten a day after its end."""
    account_id = visitor.account_id
    async with gateway.engine.begin() as connection:
        found = await handoffs.find(connection, account_id=account_id, handoff_id=handoff_id)
    return _shown(found)


@router.delete("/handoffs/{handoff_id}", status_code=204)
async def revoke_handoff(handoff_id: UUID, visitor: Writer, gateway: Gateway) -> None:
    """End a hand-off now. Its phone can do nothing any more; photos that arrived stay."""
    account_id = visitor.account_id
    async with gateway.engine.begin() as connection:
        await handoffs.revoke(connection, account_id=account_id, handoff_id=handoff_id)


def _shown(handoff: handoffs.Handoff) -> schemas.Handoff:
    return schemas.Handoff.model_validate({**asdict(handoff), "photos_max": PHOTOS_MAX})


def _qr_svg(address: str) -> str:
    drawing = io.BytesIO()
    code = segno.make(address, micro=False, error=QR_CORRECTION)
    code.save(drawing, kind="svg", xmldecl=False, omitsize=True, title="QR code of the hand-off")
    return drawing.getvalue().decode().strip()
