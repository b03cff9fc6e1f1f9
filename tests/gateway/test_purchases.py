"""Purchases through the gateway, and Stripe's webhooks on their way to billing."""

from typing import Any
from uuid import uuid4

import pytest

from services.kit.http import BODY_BYTES_MAX
from tests.billing.signing import body_of, event, signature
from tests.gateway.doors import Door

BUY = {"plan": "cherish", "interval": "month"}


async def test_a_new_account_is_on_the_free_plan_and_has_nothing_to_cancel(door: Door) -> None:
    async with door.visit() as visitor:
        plan = (await visitor.get("/v1/subscription")).json()
        cancel = await visitor.get("/v1/subscription/cancellation")
        portal = await visitor.post("/v1/portal")

    assert (plan["plan"], plan["source"], plan["ends_at"]) == ("free", "free", None)
    assert (cancel.status_code, cancel.json()["code"]) == (409, "not-subscribed")
    assert (portal.status_code, portal.json()["code"]) == (409, "nothing-to-manage")


async def test_a_purchase_needs_somebody_and_a_key(door: Door) -> None:
    async with door.browse() as nobody, door.visit() as visitor:
        assert (await nobody.post("/v1/checkout", json=BUY)).status_code == 401
        refused = await visitor.post("/v1/checkout", json=BUY)

    assert (refused.status_code, refused.json()["code"]) == (400, "idempotency-key-required")


@pytest.mark.parametrize(
    "what", [{}, {"plan": "cherish"}, {"top_up": 11}, {"plan": "platinum", "interval": "month"}]
)
async def test_what_is_not_for_sale_is_refused(door: Door, what: dict[str, Any]) -> None:
    async with door.visit(**{"idempotency-key": str(uuid4())}) as visitor:
        answer = await visitor.post("/v1/checkout", json=what)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_purchase_that_is_not_there_is_not_found(door: Door) -> None:
    async with door.visit() as visitor:
        assert (await visitor.get(f"/v1/checkout/{uuid4()}")).status_code == 404


async def test_a_webhook_that_stripe_signed_gets_through_byte_by_byte(
    door: Door, stack: dict[str, Any]
) -> None:
    secret = stack["environments"]["billing"]["STRIPE_WEBHOOK_SECRETS"].split(",")[0]
    body = body_of(event(name=f"evt_{uuid4().hex}", kind="tax.settings.updated")) + b"\n "

    async with door.browse() as stripe:
        headers = {"stripe-signature": signature(body, secret=secret)}
        answer = await stripe.post("/hooks/stripe", content=body, headers=headers)

    assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize("header", ["", "t=1,v1=0", "t=1,v1=" + "0" * 20_000])
async def test_a_webhook_of_somebody_else_does_not(door: Door, header: str) -> None:
    async with door.browse() as stripe:
        answer = await stripe.post(
            "/hooks/stripe", content=body_of(event()), headers={"stripe-signature": header}
        )

    assert (answer.status_code, answer.json()["code"]) == (400, "signature-refused")


async def test_a_huge_webhook_is_refused(door: Door) -> None:
    async with door.browse() as stripe:
        answer = await stripe.post("/hooks/stripe", content=b"x" * (BODY_BYTES_MAX + 1))

    assert answer.status_code == 413


async def test_on_the_running_stack_a_purchase_leads_to_the_emulators_page(
    door: Door, stack: dict[str, Any]
) -> None:
    async with door.visit(**{"idempotency-key": str(uuid4())}) as visitor:
        answer = await visitor.post("/v1/checkout", json={"top_up": 30})

    assert answer.status_code == 201
    assert answer.json()["url"].startswith(stack["environments"]["billing"]["STRIPE_API_URL"])
