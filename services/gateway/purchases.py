"""Purchases: passed on to billing, which sends people to Stripe's pages and hears from Stripe."""

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.gateway import purchase_schemas as schemas
from services.gateway.errors import IdempotencyKeyRequired
from services.gateway.once import KEY, read_body
from services.gateway.openapi import IDEMPOTENCY_KEY, takes
from services.gateway.parts import Gateway
from services.gateway.upstream import ask, passed_back, read_back
from services.gateway.visitors import Reader, Writer

router = APIRouter(
    prefix="/v1", tags=["plans"], generate_unique_id_function=lambda route: route.name
)


@router.get("/subscription", response_model=schemas.Subscription)
async def read_subscription(request: Request, visitor: Reader, gateway: Gateway) -> Response:
    """The plan of this account."""
    account_id = visitor.account_id
    return read_back(
        request, await ask(gateway.billing, "GET", "/v1/subscription", account_id=account_id)
    )


@router.get("/subscription/cancellation", response_model=schemas.Cancellation)
async def preview_cancellation(visitor: Reader, gateway: Gateway) -> Response:
    """What would be lost, and when, if the subscription were cancelled now."""
    path, account_id = "/v1/subscription/cancellation", visitor.account_id
    return passed_back(await ask(gateway.billing, "GET", path, account_id=account_id))


@router.post(
    "/checkout",
    status_code=201,
    response_model=schemas.Checkout,
    openapi_extra=takes(schemas.CheckoutRequest, IDEMPOTENCY_KEY),
)
async def begin_checkout(request: Request, visitor: Writer, gateway: Gateway) -> Response:
    """A page of Stripe's to buy a plan or credits on; the same page for the same key."""
    key, body = request.headers.get("idempotency-key", ""), await request.body()
    if not KEY.fullmatch(key):
        raise IdempotencyKeyRequired
    read_body(schemas.CheckoutRequest, body)
    answer = await ask(
        gateway.billing,
        "POST",
        "/v1/checkout",
        account_id=visitor.account_id,
        body=body,
        headers={"idempotency-key": key},
    )
    return passed_back(answer)


@router.get("/checkout/{checkout_id}", response_model=schemas.Checkout)
async def read_checkout(checkout_id: UUID, visitor: Reader, gateway: Gateway) -> Response:
    """How a purchase stands; for who comes back from Stripe's page."""
    path, account_id = f"/v1/checkout/{checkout_id}", visitor.account_id
    return passed_back(await ask(gateway.billing, "GET", path, account_id=account_id))


@router.post(
    "/portal",
    response_model=schemas.Portal,
    openapi_extra=takes(schemas.PortalRequest, is_required=False),
)
async def open_portal(request: Request, visitor: Writer, gateway: Gateway) -> Response:
    """Stripe's page for the card, invoices, change of plan, cancellation and resuming."""
    body = await request.body() or b"{}"
    read_body(schemas.PortalRequest, body)
    account_id = visitor.account_id
    return passed_back(
        await ask(gateway.billing, "POST", "/v1/portal", account_id=account_id, body=body)
    )
