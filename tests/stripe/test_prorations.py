"""What a change of price in the middle of a period costs, when a coupon took a part of it."""

from typing import Any

import pytest

from tests.stripe.shop import DAY_S, Shop

HALF_A_PERIOD_S = 14 * DAY_S
"""Of the 28 days after the last day of January."""


def switched(shop: Shop, coupon: dict[str, Any] | None) -> tuple[list[int], str, Any, str]:
    """Amounts of the lines for changing from 10 to 20 dollars, the subscription, its clock."""
    clock = shop.clock()
    customer = shop.customer(clock=clock.id)
    low, high = shop.price(1000), shop.price(2000)
    more: dict[str, Any] = {}
    if coupon:
        more["discounts"] = [{"coupon": shop.api.coupons.create(coupon).id}]  # type: ignore[arg-type]
    made = shop.subscribe(customer.id, low.id, **more)
    shop.advance(clock.id, clock.frozen_time + HALF_A_PERIOD_S)
    return lines_of_switch(shop, made.id, high.id), made.id, clock, low.id


def lines_of_switch(shop: Shop, subscription: str, price: str) -> list[int]:
    item = shop.api.subscriptions.retrieve(subscription).to_dict()["items"]["data"][0]["id"]
    changed = shop.api.subscriptions.update(
        subscription,
        {"items": [{"id": item, "price": price}], "proration_behavior": "always_invoice"},
    )
    invoice = shop.api.invoices.retrieve(str(changed.latest_invoice))
    return [line.amount for line in invoice.lines.data]


@pytest.mark.parametrize(
    ("coupon", "lines"),
    [
        (None, [-500, 1000]),
        ({"percent_off": 50, "duration": "forever"}, [-250, 500]),
        ({"percent_off": 100, "duration": "once"}, [0, 1000]),
    ],
)
def test_a_coupon_counts_for_the_rest_of_the_period_too(
    shop: Shop, coupon: dict[str, Any] | None, lines: list[int]
) -> None:
    assert switched(shop, coupon)[0] == lines


def test_back_and_forth_gives_back_what_was_billed(shop: Shop) -> None:
    _, subscription, clock, low = switched(shop, {"percent_off": 50, "duration": "forever"})
    shop.advance(clock.id, clock.frozen_time + HALF_A_PERIOD_S + 7 * DAY_S)

    # A quarter of the period is left: of 20 dollars at half price, and of 10 at half price.
    assert lines_of_switch(shop, subscription, low) == [-250, 125]
