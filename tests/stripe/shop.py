"""What the tests sell, and to whom: through Stripe's library only, so that it works anywhere."""

import time
from typing import Any
from uuid import uuid4

from stripe import StripeClient

DAY_S = 24 * 3600
WAIT_SECONDS_MAX = 120.0
POLL_SECONDS = 0.05


class Shop:
    """A product with prices of its own, so that runs do not meet each other's."""

    def __init__(self, client: StripeClient) -> None:
        self.client, self.api = client, client.v1
        self._product: str | None = None

    @property
    def product(self) -> str:
        if self._product is None:
            self._product = self.api.products.create({"name": "Contract"}).id
        return self._product

    def price(self, amount: int = 999, *, interval: str | None = "month", **more: Any) -> Any:
        params: Any = {"product": self.product, "currency": "usd", "unit_amount": amount, **more}
        if interval:
            params["recurring"] = {"interval": interval}
        return self.api.prices.create(params)

    def customer(self, card: str | None = "pm_card_visa", *, clock: str | None = None) -> Any:
        params: Any = {"email": "contract@example.com"}
        if clock:
            params["test_clock"] = clock
        made = self.api.customers.create(params)
        if card:
            method = self.api.payment_methods.attach(card, {"customer": made.id})
            settings: Any = {"default_payment_method": method.id}
            self.api.customers.update(made.id, {"invoice_settings": settings})
        return made

    def subscribe(self, customer: str, price: str, **more: Any) -> Any:
        params: Any = {"customer": customer, "items": [{"price": price}], **more}
        return self.api.subscriptions.create(params)

    def clock(self) -> Any:
        """A test clock that stands at the last day of January: the hardest month there is."""
        return self.api.test_helpers.test_clocks.create({"frozen_time": 1_801_396_800})

    def advance(self, clock: str, until: int) -> None:
        clocks = self.api.test_helpers.test_clocks
        clocks.advance(clock, {"frozen_time": until})
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while clocks.retrieve(clock).status != "ready":
            assert time.monotonic() < deadline, "the clock did not get there"
            time.sleep(POLL_SECONDS)

    def session(self, price: str, *, mode: str, **more: Any) -> Any:
        params: Any = {
            "mode": mode,
            "line_items": [{"price": price, "quantity": 1}],
            "success_url": "http://127.0.0.1:9/paid?session={CHECKOUT_SESSION_ID}",
            "cancel_url": "http://127.0.0.1:9/left",
            **more,
        }
        return self.api.checkout.sessions.create(params)

    def paid_intent(self, amount: int = 1_000, card: str = "pm_card_visa") -> Any:
        """A payment that has succeeded."""
        params: Any = {
            "amount": amount, "currency": "usd", "confirm": True, "payment_method": card,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }  # fmt: skip
        return self.api.payment_intents.create(params)


def name() -> str:
    return uuid4().hex
