"""Purchases: a page to pay on, and whether the money has come."""

from collections.abc import Callable
from typing import Literal
from uuid import UUID, uuid4

from sdk.rekindle.models import Cancellation, Checkout, Subscription
from sdk.rekindle.transport import Transport
from sdk.rekindle.waiting import wait_until

PAYING_TIMEOUT_S = 1_800.0

Purpose = Literal["manage", "cancel", "change_plan", "payment_method"]


class Purchases:
    """What the user buys on the payment provider's page."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def top_up(self, credits_: int, *, key: str | None = None) -> Checkout:
        """Begin to buy credits, once; with the same `key` it is the same purchase."""
        return await self._begin({"top_up": credits_}, key)

    async def plan(self, plan: str, *, interval: str = "month", key: str | None = None) -> Checkout:
        """Begin to subscribe, by the `month` or the `year`."""
        return await self._begin({"plan": plan, "interval": interval}, key)

    async def subscription(self) -> Subscription:
        """The plan of this account, when it renews or ends, and whether a payment is due."""
        answer = await self._transport.request("GET", "/v1/subscription")
        return Subscription.model_validate_json(answer.content)

    async def cancellation(self) -> Cancellation:
        """What would be lost, and when, by cancelling now. Nothing is cancelled."""
        answer = await self._transport.request("GET", "/v1/subscription/cancellation")
        return Cancellation.model_validate_json(answer.content)

    async def portal(self, purpose: Purpose = "manage") -> str:
        """The address, for one visit, of the page for card, invoices, change and cancellation."""
        answer = await self._transport.request("POST", "/v1/portal", body={"purpose": purpose})
        address: str = answer.json()["url"]
        return address

    async def get(self, checkout_id: UUID) -> Checkout:
        answer = await self._transport.request("GET", f"/v1/checkout/{checkout_id}")
        return Checkout.model_validate_json(answer.content)

    async def wait(
        self,
        checkout: Checkout,
        *,
        timeout_s: float = PAYING_TIMEOUT_S,
        on_change: Callable[[Checkout], object] | None = None,
    ) -> Checkout:
        """Wait until it is paid, has failed or has expired."""
        return await wait_until(
            self._transport,
            lambda: self.get(checkout.id),
            ended=lambda seen: seen.state != "open",
            timeout_s=timeout_s,
            on_change=on_change,
        )

    async def _begin(self, wanted: dict[str, str | int], key: str | None) -> Checkout:
        headers = {"idempotency-key": key or str(uuid4())}
        answer = await self._transport.request("POST", "/v1/checkout", body=wanted, headers=headers)
        return Checkout.model_validate_json(answer.content)
