"""What time does to subscriptions: retries, pauses, warnings, ends; under clocks of both kinds."""

import time
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.stripe.conftest import Emulator
from tests.stripe.shop import DAY_S, Shop


def told(shop: Shop, about: str) -> Counter[str]:
    """How often each thing was said of an object."""
    events = shop.api.events.list({"limit": 100}).auto_paging_iter()
    return Counter(one.type for one in events if one.data.object["id"] == about)


def forward(emulator: Emulator, days: float) -> None:
    seconds = int(days * DAY_S)
    httpx.post(f"{emulator.url}/__control/clock", json={"seconds": seconds}).raise_for_status()


def renew(emulator: Emulator, made: Any) -> None:
    """Go to an hour after the end of the period, whatever month it is."""
    left_s = made["items"].data[0].current_period_end - time.time()
    forward(emulator, left_s / DAY_S + 1 / 24)


def give_card(shop: Shop, customer: str, card: str) -> None:
    method = shop.api.payment_methods.attach(card, {"customer": customer})
    settings: Any = {"default_payment_method": method.id}
    shop.api.customers.update(customer, {"invoice_settings": settings})


def test_a_card_that_stays_bad_ends_the_subscription(own_shop: Shop, emulator: Emulator) -> None:
    customer = own_shop.customer()
    made = own_shop.subscribe(customer.id, own_shop.price().id)
    give_card(own_shop, customer.id, "pm_card_chargeCustomerFail")

    renew(emulator, made)
    late = own_shop.api.subscriptions.retrieve(made.id)
    forward(emulator, 20)

    assert late.status == "past_due"
    assert own_shop.api.subscriptions.retrieve(made.id).status == "canceled"
    invoice = str(late.latest_invoice)
    assert told(own_shop, invoice)["invoice.payment_failed"] == 5
    assert own_shop.api.invoices.retrieve(invoice).attempt_count == 5


def test_a_card_that_is_changed_in_time_saves_it(own_shop: Shop, emulator: Emulator) -> None:
    customer = own_shop.customer()
    made = own_shop.subscribe(customer.id, own_shop.price().id)
    give_card(own_shop, customer.id, "pm_card_chargeCustomerFail")
    renew(emulator, made)
    give_card(own_shop, customer.id, "pm_card_visa")

    forward(emulator, 2)

    saved = own_shop.api.subscriptions.retrieve(made.id)
    assert saved.status == "active"
    assert own_shop.api.invoices.retrieve(str(saved.latest_invoice)).status == "paid"


def test_a_bank_that_asks_every_time_asks_at_renewal(own_shop: Shop, emulator: Emulator) -> None:
    customer = own_shop.customer()
    made = own_shop.subscribe(customer.id, own_shop.price().id)
    give_card(own_shop, customer.id, "pm_card_authenticationRequired")

    renew(emulator, made)

    late = own_shop.api.subscriptions.retrieve(made.id)
    assert late.status == "past_due"
    said = told(own_shop, str(late.latest_invoice))
    assert said["invoice.payment_action_required"] == 1


def test_nobody_pays_the_first_invoice(own_shop: Shop, emulator: Emulator) -> None:
    customer = own_shop.customer("pm_card_chargeCustomerFail")
    made = own_shop.subscribe(customer.id, own_shop.price().id)

    forward(emulator, 1)

    found = own_shop.api.subscriptions.retrieve(made.id)
    assert found.status == "incomplete_expired"
    assert own_shop.api.invoices.retrieve(str(found.latest_invoice)).status == "void"


def test_a_trial_warns_once_and_then_costs(own_shop: Shop, emulator: Emulator) -> None:
    made = own_shop.subscribe(own_shop.customer().id, own_shop.price(999).id, trial_period_days=7)

    forward(emulator, 8)

    found = own_shop.api.subscriptions.retrieve(made.id)
    assert found.status == "active"
    assert own_shop.api.invoices.retrieve(str(found.latest_invoice)).amount_paid == 999
    assert told(own_shop, made.id)["customer.subscription.trial_will_end"] == 1


def test_a_trial_without_a_card_pauses_and_goes_on_when_resumed(
    own_shop: Shop, emulator: Emulator
) -> None:
    customer = own_shop.customer(None)
    settings = {"end_behavior": {"missing_payment_method": "pause"}}
    made = own_shop.subscribe(
        customer.id, own_shop.price().id, trial_period_days=7, trial_settings=settings
    )
    forward(emulator, 40)
    assert own_shop.api.subscriptions.retrieve(made.id).status == "paused"
    give_card(own_shop, customer.id, "pm_card_visa")

    own_shop.api.subscriptions.resume(made.id)

    assert own_shop.api.subscriptions.retrieve(made.id).status == "active"
    said = told(own_shop, made.id)
    assert said["customer.subscription.paused"] == said["customer.subscription.resumed"] == 1


@pytest.mark.parametrize(
    ("behaviour", "state"),
    [("void", "void"), ("keep_as_draft", "draft"), ("mark_uncollectible", "uncollectible")],
)
def test_paused_collection_takes_no_money(
    own_shop: Shop, emulator: Emulator, behaviour: str, state: str
) -> None:
    made = own_shop.subscribe(own_shop.customer().id, own_shop.price().id)
    pause: Any = {"pause_collection": {"behavior": behaviour}}
    own_shop.api.subscriptions.update(made.id, pause)

    renew(emulator, made)

    found = own_shop.api.subscriptions.retrieve(made.id)
    assert found.status == "active"
    assert own_shop.api.invoices.retrieve(str(found.latest_invoice)).status == state
    assert len(own_shop.api.charges.list().data) == 1


def test_a_cancelled_plan_runs_to_its_end_and_is_not_renewed(
    own_shop: Shop, emulator: Emulator
) -> None:
    made = own_shop.subscribe(own_shop.customer().id, own_shop.price().id)
    own_shop.api.subscriptions.update(made.id, {"cancel_at_period_end": True})
    ends_at = made["items"].data[0].current_period_end

    forward(emulator, 40)

    ended = own_shop.api.subscriptions.retrieve(made.id)
    assert (ended.status, ended.ended_at) == ("canceled", ends_at)
    assert len(own_shop.api.invoices.list({"subscription": made.id}).data) == 1


def test_a_lower_price_leaves_credit_for_the_next_invoice(
    own_shop: Shop, emulator: Emulator
) -> None:
    clock = own_shop.clock()
    customer = own_shop.customer(clock=clock.id)
    made = own_shop.subscribe(customer.id, own_shop.price(3_000).id)
    item = made["items"].data[0]
    start, end = item.current_period_start, item.current_period_end
    own_shop.advance(clock.id, (start + end) // 2)
    changes: Any = {
        "items": [{"id": item.id, "price": own_shop.price(1_000).id}],
        "proration_behavior": "always_invoice",
    }
    own_shop.api.subscriptions.update(made.id, changes)
    kept: Any = own_shop.api.customers.retrieve(customer.id)
    assert kept.balance == -1_000

    own_shop.advance(clock.id, end + 3_600)

    renewed = own_shop.api.subscriptions.retrieve(made.id)
    invoice: Any = own_shop.api.invoices.retrieve(str(renewed.latest_invoice))
    assert (invoice.total, invoice.amount_due, invoice.status) == (1_000, 0, "paid")


def test_a_year_of_months_is_twelve_renewals(own_shop: Shop) -> None:
    clock = own_shop.clock()
    made = own_shop.subscribe(own_shop.customer(clock=clock.id).id, own_shop.price(999).id)

    own_shop.advance(clock.id, clock.frozen_time + 366 * DAY_S)

    invoices = own_shop.api.invoices.list({"subscription": made.id, "limit": 100}).data
    assert [(one.status, one.amount_paid) for one in invoices] == [("paid", 999)] * 13


def test_who_has_a_test_clock_does_not_live_in_everybodys_time(
    own_shop: Shop, emulator: Emulator
) -> None:
    clock = own_shop.clock()
    made = own_shop.subscribe(own_shop.customer(clock=clock.id).id, own_shop.price().id)

    forward(emulator, 400)

    assert len(own_shop.api.invoices.list({"subscription": made.id}).data) == 1


def test_a_refund_that_fails_is_money_that_stayed(own_shop: Shop, emulator: Emulator) -> None:
    intent = own_shop.paid_intent(1_000, "pm_card_refundFail")
    refund = own_shop.api.refunds.create({"payment_intent": intent.id, "amount": 300})
    assert refund.status == "succeeded"

    forward(emulator, 1)

    assert own_shop.api.refunds.retrieve(refund.id).status == "failed"
    charge = own_shop.api.charges.retrieve(str(intent.latest_charge))
    assert charge.amount_refunded == 0
    assert told(own_shop, refund.id)["refund.failed"] == 1


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_a_dispute_is_decided(own_shop: Shop, emulator: Emulator, outcome: str) -> None:
    intent = own_shop.paid_intent(1_000)
    door = f"{emulator.url}/__control"
    dispute = httpx.post(f"{door}/dispute", json={"payment_intent": intent.id}).json()
    assert dispute["status"] == "needs_response"

    httpx.post(f"{door}/decide", json={"dispute": dispute["id"], "outcome": outcome})

    found = own_shop.api.disputes.list({"payment_intent": intent.id}).data
    assert [(one.status, one.amount) for one in found] == [(outcome, 1_000)]
    said = told(own_shop, dispute["id"])
    assert said["charge.dispute.created"] == said["charge.dispute.closed"] == 1
    assert said["charge.dispute.funds_reinstated"] == (outcome == "won")


def test_a_deleted_customer_has_no_subscription_left(own_shop: Shop) -> None:
    customer = own_shop.customer()
    made = own_shop.subscribe(customer.id, own_shop.price().id)

    own_shop.api.customers.delete(customer.id)

    assert own_shop.api.subscriptions.retrieve(made.id).status == "canceled"
    assert told(own_shop, customer.id)["customer.deleted"] == 1


def test_an_unpaid_page_expires_after_a_day(own_shop: Shop, emulator: Emulator) -> None:
    session = own_shop.session(own_shop.price(interval=None).id, mode="payment")

    forward(emulator, 1.1)

    assert own_shop.api.checkout.sessions.retrieve(session.id).status == "expired"
    assert told(own_shop, session.id)["checkout.session.expired"] == 1
