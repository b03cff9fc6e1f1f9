"""What Stripe documents, asked of the emulator, and of Stripe itself if there is a key.

STRIPE_API_KEY names a test account; without it only the emulator is asked. What is made there is
left behind, under names of its own. Pages are not among it: those of Stripe are for people.
"""

import time
from typing import Any

import pytest
import stripe

from tests.stripe.shop import DAY_S, Shop, name


def test_a_customer_is_kept_changed_and_known_as_deleted(shop: Shop) -> None:
    made = shop.api.customers.create({"metadata": {"account_id": "a"}})

    shop.api.customers.update(made.id, {"email": "new@example.com", "metadata": {"more": "b"}})
    found: Any = shop.api.customers.retrieve(made.id)
    assert found.email == "new@example.com"
    assert found.metadata.to_dict() == {"account_id": "a", "more": "b"}

    shop.api.customers.delete(made.id)
    gone: Any = shop.api.customers.retrieve(made.id)
    assert gone.deleted is True


@pytest.mark.parametrize("what", ["customers", "prices", "subscriptions", "invoices", "refunds"])
def test_what_is_not_there_is_missing(shop: Shop, what: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        getattr(shop.api, what).retrieve("nothing_1")

    assert caught.value.code == "resource_missing"
    assert caught.value.http_status == 404


def test_without_the_key_there_is_nothing(shop: Shop) -> None:
    with pytest.raises(stripe.AuthenticationError):
        shop.api.customers.list({}, {"api_key": "sk_test_of_somebody_else"})


def test_an_unknown_parameter_is_refused(shop: Shop) -> None:
    params: Any = {"colour": "red"}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.api.customers.create(params)

    assert (caught.value.code, caught.value.param) == ("parameter_unknown", "colour")


def test_a_price_is_found_by_its_lookup_key_until_another_takes_it_over(shop: Shop) -> None:
    key = name()
    first = shop.price(499, lookup_key=key)
    assert [one.id for one in shop.api.prices.list({"lookup_keys": [key]}).data] == [first.id]

    with pytest.raises(stripe.InvalidRequestError):
        shop.price(599, lookup_key=key)
    second = shop.price(599, lookup_key=key, transfer_lookup_key=True)

    found = shop.api.prices.list({"lookup_keys": [key, name()]}).data
    assert [(one.id, one.unit_amount) for one in found] == [(second.id, 599)]
    assert shop.api.prices.retrieve(first.id).lookup_key is None


def test_a_product_keeps_the_id_it_was_given(shop: Shop) -> None:
    wanted = f"contract_{name()}"

    made = shop.api.products.create({"id": wanted, "name": "Credits"})
    shop.api.products.update(wanted, {"name": "More credits"})

    assert made.id == wanted
    assert shop.api.products.retrieve(wanted).name == "More credits"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.api.products.create({"id": wanted, "name": "Again"})
    assert caught.value.code == "resource_already_exists"


def test_the_same_key_is_answered_the_same_and_with_other_parameters_not_at_all(
    shop: Shop,
) -> None:
    options: Any = {"idempotency_key": name()}
    first = shop.api.customers.create({"description": "one"}, options)
    again = shop.api.customers.create({"description": "one"}, options)
    assert again.id == first.id
    assert again.last_response
    assert again.last_response.headers["Idempotent-Replayed"] == "true"

    with pytest.raises(stripe.IdempotencyError) as caught:
        shop.api.customers.create({"description": "two"}, options)
    assert caught.value.http_status == 400


def test_a_list_comes_in_pages_newest_first(shop: Shop) -> None:
    customer = shop.customer(None)
    price = shop.price(interval="month")
    made = [shop.subscribe(customer.id, price.id, trial_period_days=5).id for _ in range(3)]

    page = shop.api.subscriptions.list({"customer": customer.id, "limit": 2})
    rest = shop.api.subscriptions.list(
        {"customer": customer.id, "limit": 2, "starting_after": page.data[-1].id}
    )
    everything = [one.id for one in page.auto_paging_iter()]

    assert page.has_more
    assert not rest.has_more
    assert [one.id for one in [*page.data, *rest.data]] == everything == made[::-1]


def test_events_are_listed_since_a_moment_and_found_by_their_id(shop: Shop) -> None:
    customer = shop.customer(None)
    created: Any = {"gte": int(time.time()) - 3600}

    events = shop.api.events.list({"created": created, "type": "customer.created", "limit": 20})
    found = next(one for one in events.data if one.data.object["id"] == customer.id)

    again = shop.api.events.retrieve(found.id)
    assert (again.type, again.livemode) == ("customer.created", False)
    future: Any = {"gte": int(time.time()) + DAY_S}
    assert shop.api.events.list({"created": future}).data == []


def test_a_payment_succeeds_with_its_charge(shop: Shop) -> None:
    intent = shop.paid_intent(1_234)

    found = shop.api.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})

    assert (found.status, found.amount_received) == ("succeeded", 1_234)
    charge: Any = found.latest_charge
    assert (charge.object, charge.paid, charge.disputed) == ("charge", True, False)


@pytest.mark.parametrize(
    ("card", "code", "decline"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ],
)
def test_a_declined_card_is_a_card_error(shop: Shop, card: str, code: str, decline: str) -> None:
    with pytest.raises(stripe.CardError) as caught:
        shop.paid_intent(card=card)

    assert (caught.value.http_status, caught.value.code) == (402, code)
    error: Any = caught.value.error
    assert error.decline_code == decline


def test_refunds_in_parts_end_at_what_was_paid(shop: Shop) -> None:
    intent = shop.paid_intent(1_000).id

    part = shop.api.refunds.create({"payment_intent": intent, "amount": 400})
    with pytest.raises(stripe.InvalidRequestError):
        shop.api.refunds.create({"payment_intent": intent, "amount": 601})
    rest = shop.api.refunds.create({"payment_intent": intent})

    assert (part.amount, part.status, rest.amount) == (400, "succeeded", 600)
    listed = shop.api.refunds.list({"payment_intent": intent}).data
    assert {one.id for one in listed} == {part.id, rest.id}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.api.refunds.create({"payment_intent": intent, "amount": 1})
    assert caught.value.code == "charge_already_refunded"


def test_a_subscription_is_paid_by_an_invoice_that_names_it(shop: Shop) -> None:
    customer, price = shop.customer(), shop.price(999)

    made = shop.subscribe(customer.id, price.id)

    assert made.status == "active"
    item = made["items"].data[0]
    assert 28 * DAY_S <= item.current_period_end - item.current_period_start <= 31 * DAY_S
    invoice: Any = shop.api.invoices.retrieve(made.latest_invoice)
    assert (invoice.status, invoice.amount_paid, invoice.billing_reason) == (
        "paid", 999, "subscription_create",
    )  # fmt: skip
    assert invoice.parent.subscription_details.subscription == made.id
    line = invoice.lines.data[0]
    assert line.pricing.price_details.price == price.id
    details = line.parent.subscription_item_details
    assert (details.subscription, details.subscription_item) == (made.id, item.id)
    assert (line.period.start, line.period.end) == (
        item.current_period_start, item.current_period_end,
    )  # fmt: skip


def test_an_invoice_and_its_payment_find_each_other(shop: Shop) -> None:
    made = shop.subscribe(shop.customer().id, shop.price().id)

    of_invoice = shop.api.invoice_payments.list({"invoice": made.latest_invoice}).data
    intent = of_invoice[0].payment.payment_intent
    payment: Any = {"type": "payment_intent", "payment_intent": intent}
    of_payment = shop.api.invoice_payments.list({"payment": payment}).data

    assert [one.status for one in of_invoice] == ["paid"]
    assert [one.invoice for one in of_payment] == [made.latest_invoice]


def test_a_trial_costs_nothing_until_it_ends(shop: Shop) -> None:
    made = shop.subscribe(shop.customer().id, shop.price().id, trial_period_days=7)

    assert made.status == "trialing"
    assert made["items"].data[0].current_period_end == made.trial_end
    invoice = shop.api.invoices.retrieve(made.latest_invoice)
    assert (invoice.status, invoice.amount_paid) == ("paid", 0)


def test_a_first_payment_that_is_declined_leaves_it_incomplete(shop: Shop) -> None:
    customer = shop.customer("pm_card_chargeCustomerFail")

    made = shop.subscribe(customer.id, shop.price().id)

    assert made.status == "incomplete"
    assert shop.api.invoices.retrieve(made.latest_invoice).status == "open"


def test_cancelling_at_the_end_of_the_period_can_be_undone_and_now_cannot(shop: Shop) -> None:
    made = shop.subscribe(shop.customer().id, shop.price().id)

    ending: Any = shop.api.subscriptions.update(made.id, {"cancel_at_period_end": True})
    assert ending.status == "active"
    assert ending.cancel_at == ending["items"].data[0].current_period_end
    going_on = shop.api.subscriptions.update(made.id, {"cancel_at_period_end": False})
    assert (going_on.cancel_at, going_on.cancel_at_period_end) == (None, False)

    ended = shop.api.subscriptions.cancel(made.id)
    assert ended.status == "canceled"
    assert ended.ended_at
    assert shop.api.subscriptions.list({"customer": made.customer}).data == []
    everything: Any = {"customer": made.customer, "status": "all"}
    assert [one.id for one in shop.api.subscriptions.list(everything).data] == [made.id]


def test_a_higher_price_is_billed_for_the_rest_of_the_period_at_once(shop: Shop) -> None:
    clock = shop.clock()
    customer = shop.customer(clock=clock.id)
    low, high = shop.price(1_000), shop.price(3_000)
    made = shop.subscribe(customer.id, low.id)
    item = made["items"].data[0]
    middle = (item.current_period_start + item.current_period_end) // 2
    shop.advance(clock.id, middle)

    changes: Any = {
        "items": [{"id": item.id, "price": high.id}],
        "proration_behavior": "always_invoice",
    }
    changed: Any = shop.api.subscriptions.update(made.id, changes)

    invoice: Any = shop.api.invoices.retrieve(changed.latest_invoice)
    assert invoice.billing_reason == "subscription_update"
    assert sorted(line.amount for line in invoice.lines.data) == [-500, 1_500]
    assert (invoice.status, invoice.amount_paid) == ("paid", 1_000)
    details = [line.parent.subscription_item_details for line in invoice.lines.data]
    assert all(one.proration for one in details)


def test_months_end_on_the_day_of_the_first_or_on_the_last_there_is(shop: Shop) -> None:
    clock = shop.clock()
    made = shop.subscribe(shop.customer(clock=clock.id).id, shop.price().id)
    ends: list[str] = []

    for _ in range(3):
        ends_at = shop.api.subscriptions.retrieve(made.id)["items"].data[0].current_period_end
        ends.append(time.strftime("%m-%d", time.gmtime(ends_at)))
        shop.advance(clock.id, ends_at + 2 * 3600)

    assert ends == ["02-28", "03-31", "04-30"]
    paid: Any = {"subscription": made.id, "status": "paid"}
    assert len(shop.api.invoices.list(paid).data) == 4


def test_a_renewal_that_is_declined_is_past_due(shop: Shop) -> None:
    clock = shop.clock()
    customer = shop.customer(clock=clock.id)
    made = shop.subscribe(customer.id, shop.price().id)
    method = shop.api.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": customer.id}
    )
    settings: Any = {"default_payment_method": method.id}
    shop.api.customers.update(customer.id, {"invoice_settings": settings})

    shop.advance(clock.id, made["items"].data[0].current_period_end + 2 * 3600)

    late = shop.api.subscriptions.retrieve(made.id)
    assert late.status == "past_due"
    invoice = shop.api.invoices.retrieve(str(late.latest_invoice))
    assert (invoice.status, invoice.amount_paid) == ("open", 0)


def test_a_session_is_open_with_its_lines_and_can_be_expired(shop: Shop) -> None:
    price = shop.price(499, interval=None)

    made = shop.session(price.id, mode="payment", client_reference_id="account")
    found: Any = shop.api.checkout.sessions.retrieve(made.id, {"expand": ["line_items"]})

    assert (found.status, found.payment_status, found.amount_total) == ("open", "unpaid", 499)
    assert found.client_reference_id == "account"
    assert found.url
    assert [(one.price.id, one.quantity) for one in found.line_items.data] == [(price.id, 1)]
    expired = shop.api.checkout.sessions.expire(made.id)
    assert (expired.status, expired.url) == ("expired", None)
    with pytest.raises(stripe.InvalidRequestError):
        shop.api.checkout.sessions.expire(made.id)


def test_lines_of_a_session_are_there_if_they_are_asked_for(shop: Shop) -> None:
    made = shop.session(shop.price(interval=None).id, mode="payment")

    assert "line_items" not in shop.api.checkout.sessions.retrieve(made.id).to_dict()


@pytest.mark.parametrize(("mode", "interval"), [("payment", "month"), ("subscription", None)])
def test_a_session_of_the_wrong_mode_is_refused(
    shop: Shop, mode: str, interval: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        shop.session(shop.price(interval=interval).id, mode=mode)


def test_a_coupon_for_everything_leaves_nothing_to_pay(shop: Shop) -> None:
    coupon = shop.api.coupons.create({"percent_off": 100, "duration": "once"})
    code = shop.api.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}})

    made = shop.subscribe(
        shop.customer().id, shop.price(999).id, discounts=[{"promotion_code": code.id}]
    )

    invoice: Any = shop.api.invoices.retrieve(made.latest_invoice)
    assert (invoice.status, invoice.total, invoice.amount_paid) == ("paid", 0, 0)
    assert [one.amount for one in invoice.lines.data[0].discount_amounts] == [999]
