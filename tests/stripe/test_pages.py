"""The hosted pages, as a person with test cards sees them."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.stripe.browser import Browser
from tests.stripe.conftest import Emulator
from tests.stripe.shop import Shop

DECLINED, POOR = "4000000000000002", "4000000000009995"
ASKS, ASKS_ALWAYS = "4000002500003155", "4000002760003184"
FEATURES: Any = {
    "customer_update": {"enabled": True, "allowed_updates": ["address", "tax_id"]},
    "invoice_history": {"enabled": True},
    "payment_method_update": {"enabled": True},
    "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
}


@pytest.fixture
def browser(emulator: Emulator) -> Iterator[Browser]:
    browser = Browser(emulator.url)
    yield browser
    browser.close()


def paid(shop: Shop, session: str) -> Any:
    return shop.api.checkout.sessions.retrieve(session)


def test_a_card_that_works_buys_and_leads_back(own_shop: Shop, browser: Browser) -> None:
    session = own_shop.session(own_shop.price(499, interval=None).id, mode="payment")
    page = browser.open(session.url).text
    assert "<dt>Contract</dt><dd>$4.99</dd>" in page
    assert "Pay $4.99" in page

    left = browser.pay(session.url)

    assert left.headers["location"] == f"http://127.0.0.1:9/paid?session={session.id}"
    found = paid(own_shop, session.id)
    assert (found.status, found.payment_status) == ("complete", "paid")
    intent = own_shop.api.payment_intents.retrieve(found.payment_intent)
    assert (intent.status, intent.amount_received) == ("succeeded", 499)


def test_a_plan_is_bought_with_its_first_invoice(own_shop: Shop, browser: Browser) -> None:
    customer = own_shop.customer(None)
    session = own_shop.session(own_shop.price(999).id, mode="subscription", customer=customer.id)

    browser.pay(session.url)

    found = paid(own_shop, session.id)
    assert (found.status, found.payment_status, found.customer) == (
        "complete", "paid", customer.id,
    )  # fmt: skip
    subscription = own_shop.api.subscriptions.retrieve(found.subscription)
    assert (subscription.status, subscription.latest_invoice) == ("active", found.invoice)
    # The card that was paid with is what renewals are paid with.
    kept: Any = own_shop.api.customers.retrieve(customer.id)
    assert kept.invoice_settings.default_payment_method


@pytest.mark.parametrize("mode", ["payment", "subscription"])
@pytest.mark.parametrize(
    ("card", "word"), [(DECLINED, "declined"), (POOR, "insufficient funds"), ("1234", "test cards")]
)
def test_a_declined_card_leaves_the_page_open_for_another(
    own_shop: Shop, browser: Browser, mode: str, card: str, word: str
) -> None:
    interval = "month" if mode == "subscription" else None
    session = own_shop.session(own_shop.price(interval=interval).id, mode=mode)

    refused = browser.pay(session.url, card)

    assert refused.status_code == 402
    assert word in refused.text
    assert paid(own_shop, session.id).status == "open"
    assert browser.pay(session.url).headers["location"].startswith("http://127.0.0.1:9/paid")
    assert paid(own_shop, session.id).status == "complete"


@pytest.mark.parametrize("mode", ["payment", "subscription"])
def test_a_bank_that_asks_is_answered(own_shop: Shop, browser: Browser, mode: str) -> None:
    interval = "month" if mode == "subscription" else None
    session = own_shop.session(own_shop.price(interval=interval).id, mode=mode)

    question = browser.pay(session.url, ASKS)
    assert "3-D Secure" in question.text
    assert paid(own_shop, session.id).status == "open"

    refused = browser.answer(question, "refuse")
    assert refused.status_code == 402
    assert paid(own_shop, session.id).status == "open"

    agreed = browser.answer(browser.pay(session.url, ASKS), "agree")
    assert agreed.is_redirect
    assert paid(own_shop, session.id).payment_status == "paid"


def test_a_page_that_was_paid_is_not_paid_again(own_shop: Shop, browser: Browser) -> None:
    session = own_shop.session(own_shop.price(interval=None).id, mode="payment")

    browser.pay(session.url)
    again = browser.pay(session.url)

    assert again.headers["location"] == f"http://127.0.0.1:9/paid?session={session.id}"
    assert len(own_shop.api.charges.list().data) == 1


def test_a_page_outlives_the_subscription_that_nobody_paid(
    own_shop: Shop, browser: Browser, emulator: Emulator
) -> None:
    session = own_shop.session(own_shop.price(999).id, mode="subscription")
    browser.pay(session.url, DECLINED)
    seconds = int(23.5 * 3600)
    httpx.post(f"{emulator.url}/__control/clock", json={"seconds": seconds}).raise_for_status()

    browser.pay(session.url)

    found = own_shop.api.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
    bought: Any = found.subscription
    assert (found.payment_status, bought.status) == ("paid", "active")
    invoices = own_shop.api.invoices.list({"customer": str(found.customer)}).data
    assert [one.status for one in invoices] == ["paid", "void"]


def test_an_expired_page_takes_no_money(own_shop: Shop, browser: Browser) -> None:
    session = own_shop.session(own_shop.price(interval=None).id, mode="payment")
    own_shop.api.checkout.sessions.expire(session.id)

    assert "expired" in browser.pay(session.url).text
    assert own_shop.api.charges.list().data == []


def test_who_does_not_want_to_pay_finds_the_way_back(own_shop: Shop, browser: Browser) -> None:
    session = own_shop.session(own_shop.price(interval=None).id, mode="payment")

    assert 'id="cancel" href="http://127.0.0.1:9/left"' in browser.open(session.url).text


def test_a_promotion_code_takes_its_part_off(own_shop: Shop, browser: Browser) -> None:
    coupon = own_shop.api.coupons.create({"percent_off": 25, "duration": "once"})
    promotion: Any = {"type": "coupon", "coupon": coupon.id}
    own_shop.api.promotion_codes.create({"promotion": promotion, "code": "FAMILY"})
    session = own_shop.session(
        own_shop.price(1_000).id, mode="subscription", allow_promotion_codes=True
    )

    wrong = browser.send(session.url, do="code", code="NOBODY")
    right = browser.send(session.url, do="code", code="family")

    assert "invalid" in wrong.text
    assert "$7.50" in right.text
    browser.pay(session.url)
    found = own_shop.api.checkout.sessions.retrieve(session.id, {"expand": ["invoice"]})
    invoice: Any = found.invoice
    assert (found.amount_total, invoice.amount_paid) == (750, 750)


def test_money_that_is_on_its_way_comes_or_does_not(
    own_shop: Shop, browser: Browser, emulator: Emulator
) -> None:
    price = own_shop.price(interval=None)
    comes = own_shop.session(price.id, mode="payment")
    fails = own_shop.session(price.id, mode="payment")

    browser.send(comes.url, do="debit")
    browser.send(fails.url, do="failing_debit")
    assert [paid(own_shop, one.id).payment_status for one in (comes, fails)] == ["unpaid"] * 2
    httpx.post(f"{emulator.url}/__control/clock", json={"seconds": 60})

    assert [paid(own_shop, one.id).payment_status for one in (comes, fails)] == ["paid", "unpaid"]
    told = [event.type for event in own_shop.api.events.list({"limit": 100}).data]
    assert told.count("checkout.session.async_payment_succeeded") == 1
    assert told.count("checkout.session.async_payment_failed") == 1


def test_the_control_door_pays_as_a_person_would(own_shop: Shop, emulator: Emulator) -> None:
    session = own_shop.session(own_shop.price().id, mode="subscription")
    wish = {"session": session.id, "card": ASKS_ALWAYS}

    answer = httpx.post(f"{emulator.url}/__control/pay", json=wish)
    again = httpx.post(f"{emulator.url}/__control/pay", json=wish)

    assert answer.json()["payment_status"] == "paid"
    assert again.status_code == 409


def test_pages_run_no_script_and_are_never_framed(own_shop: Shop, browser: Browser) -> None:
    session = own_shop.session(own_shop.price(interval=None).id, mode="payment")

    headers = browser.open(session.url).headers

    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_names_on_a_page_are_text(own_shop: Shop, browser: Browser) -> None:
    product = own_shop.api.products.create({"name": "<script>alert(1)</script>"})
    params: Any = {"product": product.id, "currency": "usd", "unit_amount": 100}
    price = own_shop.api.prices.create(params)
    session = own_shop.session(price.id, mode="payment")

    assert "<script>" not in browser.open(session.url).text


class Portal:
    """A customer with a subscription, at the portal."""

    def __init__(self, shop: Shop, browser: Browser) -> None:
        self.shop, self.browser = shop, browser
        self.low, self.high = shop.price(1_000), shop.price(3_000)
        update: Any = {
            "enabled": True,
            "default_allowed_updates": ["price"],
            "products": [{"product": shop.product, "prices": [self.low.id, self.high.id]}],
            "proration_behavior": "always_invoice",
            "schedule_at_period_end": {"conditions": [{"type": "decreasing_item_amount"}]},
        }
        features: Any = {**FEATURES, "subscription_update": update}
        shop.api.billing_portal.configurations.create({"features": features})
        self.customer = shop.customer().id

    def visit(self, price: str) -> None:
        self.subscription = self.shop.subscribe(self.customer, price).id
        session = self.shop.api.billing_portal.sessions.create(
            {"customer": self.customer, "return_url": "http://127.0.0.1:9/back"}
        )
        self.url = session.url

    def do(self, **fields: str) -> httpx.Response:
        return self.browser.send(self.url, subscription=self.subscription, **fields)

    @property
    def found(self) -> Any:
        return self.shop.api.subscriptions.retrieve(self.subscription)


@pytest.fixture
def portal(own_shop: Shop, browser: Browser) -> Portal:
    return Portal(own_shop, browser)


def test_at_the_portal_a_plan_is_cancelled_and_resumed(portal: Portal) -> None:
    portal.visit(portal.low.id)

    assert "Do not cancel" in portal.do(do="cancel").text
    assert portal.found.cancel_at_period_end
    portal.do(do="resume")
    assert not portal.found.cancel_at_period_end


def test_at_the_portal_a_higher_plan_is_paid_for_at_once(portal: Portal) -> None:
    portal.visit(portal.low.id)

    portal.do(do="change", price=portal.high.id)

    assert portal.found["items"].data[0].price.id == portal.high.id
    invoice = portal.shop.api.invoices.retrieve(portal.found.latest_invoice)
    assert (invoice.status, invoice.billing_reason) == ("paid", "subscription_update")
    assert invoice.amount_paid > 1_900


def test_at_the_portal_a_lower_plan_begins_at_renewal(portal: Portal, emulator: Emulator) -> None:
    portal.visit(portal.high.id)

    portal.do(do="change", price=portal.low.id)
    assert portal.found["items"].data[0].price.id == portal.high.id
    httpx.post(f"{emulator.url}/__control/clock", json={"seconds": 32 * 24 * 3600})

    assert portal.found["items"].data[0].price.id == portal.low.id
    invoice = portal.shop.api.invoices.retrieve(portal.found.latest_invoice)
    assert (invoice.status, invoice.amount_paid) == ("paid", 1_000)


def test_at_the_portal_a_higher_plan_with_a_bad_card_changes_nothing(portal: Portal) -> None:
    portal.visit(portal.low.id)
    portal.do(do="card", number="4000000000000341")

    refused = portal.do(do="change", price=portal.high.id)

    assert refused.status_code == 402
    assert portal.found["items"].data[0].price.id == portal.low.id
    assert portal.found.status == "active"


def test_at_the_portal_nobody_meets_the_subscription_of_others(portal: Portal) -> None:
    portal.visit(portal.low.id)
    other = portal.shop.subscribe(portal.shop.customer().id, portal.low.id)

    refused = portal.browser.send(portal.url, do="cancel", subscription=other.id)

    assert refused.status_code == 404
    assert not portal.shop.api.subscriptions.retrieve(other.id).cancel_at_period_end


def test_an_open_invoice_is_paid_on_its_page(own_shop: Shop, browser: Browser) -> None:
    customer = own_shop.customer("pm_card_chargeCustomerFail")
    made = own_shop.subscribe(customer.id, own_shop.price().id)
    invoice = own_shop.api.invoices.retrieve(made.latest_invoice)
    assert invoice.hosted_invoice_url

    assert browser.pay(invoice.hosted_invoice_url, POOR).status_code == 402
    browser.answer(browser.pay(invoice.hosted_invoice_url, ASKS_ALWAYS), "agree")

    assert own_shop.api.invoices.retrieve(made.latest_invoice).status == "paid"
    assert own_shop.api.subscriptions.retrieve(made.id).status == "active"
