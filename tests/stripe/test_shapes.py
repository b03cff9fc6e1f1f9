"""Every object that a busy customer leaves behind, compared with what Stripe publishes.

The document is of the version before the one we pin (`shapes.json` names it): no package carries
the pinned one yet. Compared are fields, types and enumerations, two levels deep.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from deploy.local.stripe import shapes
from deploy.local.stripe.operations import OPERATIONS
from tests.stripe.browser import Browser
from tests.stripe.conftest import KEY, Emulator
from tests.stripe.shop import DAY_S, Shop
from tests.stripe.test_pages import FEATURES


def live(shop: Shop, emulator: Emulator) -> None:
    """A life with everything in it."""
    browser, price = Browser(emulator.url), shop.price(1_000)
    coupon = shop.api.coupons.create({"percent_off": 10, "duration": "forever"})
    promotion: Any = {"type": "coupon", "coupon": coupon.id}
    shop.api.promotion_codes.create({"promotion": promotion, "code": "TEN"})
    session = shop.session(price.id, mode="subscription", allow_promotion_codes=True)
    browser.send(session.url, do="code", code="TEN")
    browser.pay(session.url)
    found: Any = shop.api.checkout.sessions.retrieve(session.id)
    bought = shop.session(shop.price(interval=None).id, mode="payment", customer=found.customer)
    browser.pay(bought.url, "4000000000000002")
    browser.answer(browser.pay(bought.url, "4000002500003155"), "agree")
    item = shop.api.subscriptions.retrieve(found.subscription)["items"].data[0]
    changes: Any = {"items": [{"id": item.id, "price": shop.price(3_000).id}]}
    shop.api.subscriptions.update(found.subscription, changes)
    shop.api.billing_portal.configurations.create({"features": FEATURES})
    shop.api.billing_portal.sessions.create({"customer": found.customer})
    httpx.post(f"{emulator.url}/__control/clock", json={"seconds": 40 * DAY_S})
    refunded = shop.paid_intent(700).id
    shop.api.refunds.create({"payment_intent": refunded, "amount": 100})
    shop.paid_intent(800, "pm_card_createDispute")
    shop.clock()
    endpoint: Any = {"url": "http://127.0.0.1:9/hook", "enabled_events": ["charge.refunded"]}
    shop.api.webhook_endpoints.create(endpoint)
    browser.close()


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every object that has a published shape, and those inside it."""
    if isinstance(value, list):
        for one in value:
            yield from objects_in(one)
    if isinstance(value, dict):
        kind = value.get("object")
        if isinstance(kind, str) and kind in shapes.published()["objects"]:
            yield value
        for inner in value.values():
            yield from objects_in(inner)


@pytest.fixture
def everything(own_shop: Shop, emulator: Emulator) -> list[dict[str, Any]]:
    live(own_shop, emulator)
    lists = [name.partition(" ")[2] for name in OPERATIONS if name.startswith("GET ")]
    headers = {"Authorization": f"Bearer {KEY}"}
    answers = [
        httpx.get(f"{emulator.url}{path}?limit=100", headers=headers, trust_env=False).json()
        for path in lists
        if "{" not in path
    ]
    return [one for answer in answers for one in answer["data"]]


def test_objects_have_the_published_shapes(everything: list[dict[str, Any]]) -> None:
    found = list(objects_in(everything))
    kinds = {one["object"] for one in found}
    told = {difference for one in found for difference in shapes.differences(one)}

    # What nobody lists is seen in events: discounts and portal sessions.
    unseen = set(shapes.published()["objects"]) - kinds - {"item"}
    assert not unseen
    assert told == set()


def test_every_parameter_that_is_taken_is_published() -> None:
    unknown = {
        (name, param)
        for name, operation in OPERATIONS.items()
        for param in operation.takes
        if param not in shapes.parameters(name)
    }

    assert unknown == set()


def test_a_wrong_shape_is_noticed() -> None:
    wrong = {"object": "customer", "id": 1, "colour": "red", "created": 1, "livemode": False}

    assert set(shapes.differences(wrong)) == {
        "customer.id is integer, not string",
        "customer.colour is unknown",
    }
