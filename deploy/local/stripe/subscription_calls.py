"""The calls about subscriptions: begin, change, pause, end."""

from typing import Any

from deploy.local.stripe import (
    cards,
    catalogue,
    coupons,
    customers,
    forms,
    invoices,
    prorations,
    renewals,
    subscriptions,
)  # fmt: skip
from deploy.local.stripe.account import Account
from deploy.local.stripe.calls import Call, Operation
from deploy.local.stripe.errors import Refusal, invalid
from deploy.local.stripe.periods import DAY_S
from deploy.local.stripe.reading import list_of, retrieve
from deploy.local.stripe.store import Object

PAUSES = ("void", "keep_as_draft", "mark_uncollectible")
PAYMENT_BEHAVIOURS = ("allow_incomplete", "default_incomplete", "error_if_incomplete")


def create(call: Call) -> Object:
    account, params = call.account, call.params
    customer = customers.find(account, forms.require(params, "customer"), param="customer")
    item = one_item(params)
    price = recurring_price(account, item.get("price"), param="items[0][price]")
    behaviour = params.get("payment_behavior", "allow_incomplete")
    if behaviour not in PAYMENT_BEHAVIOURS:
        raise invalid("Invalid payment_behavior", param="payment_behavior")
    method = _method(account, params, customer)
    trial_until = _trial_end(account, params, customer)
    card = method or invoices.card_of(account, customer)
    if card is None and not trial_until and behaviour != "default_incomplete":
        raise invalid(
            "This customer has no attached payment source or default payment method.",
            code="resource_missing",
        )
    made = subscriptions.begin(
        account,
        customer,
        price,
        quantity=forms.integer(item, "quantity", 1, least=1) or 1,
        trial_until=trial_until,
        discount=coupons.chosen(account, forms.sequence(params, "discounts")),
        method=method,
        metadata=forms.mapping(params, "metadata"),
        trial_settings=params.get("trial_settings"),
    )
    invoice = subscriptions.bill(account, made, reason="subscription_create")
    invoices.finalize(account, invoice)
    if behaviour == "default_incomplete" and invoice["amount_due"]:
        return made
    is_paid = subscriptions.settle(account, made, method=card, is_present=False)
    if not is_paid and behaviour == "error_if_incomplete":
        raise cards.declined(cards.behaviour(card)) if card else invalid("No card.")
    return made


def update(call: Call) -> Object:
    account, params = call.account, call.params
    subscription = _running(call)
    fields = _plain_changes(account, params, subscription)
    if "cancel_at_period_end" in params or "cancel_at" in params:
        fields |= ending(account, params, subscription)
    if fields:
        subscriptions.update(account, subscription, **fields)
    if params.get("trial_end") == "now" and subscription["status"] == "trialing":
        now = account.now(subscription["customer"])
        subscription |= {"billing_cycle_anchor": now, "trial_end": now}
        renewals.renew(account, subscription, starts_at=now)
    if "items" in params:
        item = one_item(params)
        prorations.switch(
            account,
            subscription,
            recurring_price(account, item.get("price"), param="items[0][price]")
            if "price" in item
            else subscriptions.item_of(subscription)["price"],
            behaviour=params.get("proration_behavior", "create_prorations"),
            quantity=forms.integer(item, "quantity", least=1),
        )
    return account.get("subscription", subscription["id"])


def ending(account: Account, params: dict[str, Any], subscription: Object) -> Object:
    """Fields of a subscription that will end, or will not after all."""
    at_end = forms.boolean(params, "cancel_at_period_end")
    moment = forms.integer(params, "cancel_at")
    item = subscriptions.item_of(subscription)
    will_end = at_end or moment is not None
    return {
        "cancel_at_period_end": at_end,
        "cancel_at": item["current_period_end"] if at_end else moment,
        "canceled_at": account.now(subscription["customer"]) if will_end else None,
        "cancellation_details": {
            **subscription["cancellation_details"],
            "reason": "cancellation_requested" if will_end else None,
        },
    }


def cancel(call: Call) -> Object:
    subscription = _running(call)
    return subscriptions.end(call.account, subscription, reason="cancellation_requested")


def resume(call: Call) -> Object:
    subscription = call.account.get("subscription", call.id)
    if subscription["status"] != "paused":
        raise invalid(f"You cannot resume a subscription that is {subscription['status']}.")
    now = call.account.now(subscription["customer"])
    subscription["billing_cycle_anchor"] = now
    renewals.renew(call.account, subscription, starts_at=now)
    call.account.tell("customer.subscription.resumed", subscription)
    return call.account.get("subscription", subscription["id"])


def delete_customer(call: Call) -> Object:
    """A customer that is gone is still known, as deleted; its subscriptions end at once."""
    account = call.account
    customer = customers.find(account, call.id)
    for subscription in account.store.find("subscription", {"customer": customer["id"]}):
        if subscription["status"] not in subscriptions.ENDED:
            subscriptions.end(account, subscription)
    account.tell("customer.deleted", customer)
    account.keep({**customer, "_deleted": True})
    return {"id": customer["id"], "object": "customer", "deleted": True}


def pay_invoice(call: Call) -> Object:
    account, params = call.account, call.params
    invoice = account.get("invoice", call.id)
    if invoice["status"] != "open":
        raise invalid(f"Invoice is already {invoice['status']}.")
    customer = customers.find(account, invoice["customer"])
    subscription = account.get("subscription", invoices.subscription_of(invoice))
    given = params.get("payment_method")
    card = (
        cards.attach(account, given, customer["id"])
        if given
        else invoices.card_of(account, customer, subscription)
    )
    if card is None:
        raise invalid("There is no default_payment_method set on this Customer or Invoice.")
    is_paid = pay(account, invoice, subscription, card, is_present=False)
    if not is_paid:
        call.fail(_unpaid(card))
    return account.get("invoice", invoice["id"])


def pay(
    account: Account,
    invoice: Object,
    subscription: Object,
    card: Object,
    *,
    is_present: bool,
    has_agreed: bool = False,
) -> bool:
    """Pay an open invoice, whichever it is, and let the subscription follow."""
    is_paid = invoices.collect(account, invoice, card, is_present=is_present, has_agreed=has_agreed)
    if is_paid and subscription["status"] not in subscriptions.ENDED:
        subscriptions.have_paid(account, subscription)
    return is_paid


def one_item(params: dict[str, Any]) -> Object:
    items = forms.sequence(params, "items")
    if len(items) != 1 or not isinstance(items[0], dict):
        raise invalid("This emulator plays subscriptions with one item.", param="items")
    item: Object = items[0]
    return item


def recurring_price(account: Account, price_id: str | None, *, param: str) -> Object:
    if not price_id:
        raise invalid("Missing required param: price.", param=param, code="parameter_missing")
    price = catalogue.price(account, price_id, param=param)
    if price["recurring"] is None:
        raise invalid(
            "The price specified is set to `type=one_time` but this field only accepts prices with"
            " `type=recurring`.",
            param=param,
        )
    return price


def _plain_changes(account: Account, params: dict[str, Any], subscription: Object) -> Object:
    fields: Object = {}
    if "metadata" in params:
        fields["metadata"] = {**subscription["metadata"], **forms.mapping(params, "metadata")}
    if "default_payment_method" in params:
        customer = customers.find(account, subscription["customer"])
        method = _method(account, params, customer)
        fields["default_payment_method"] = method and method["id"]
    if "pause_collection" in params:
        fields["pause_collection"] = _pause(params)
    if "discounts" in params:
        source = coupons.chosen(account, forms.sequence(params, "discounts"))
        fields["discounts"] = []
        if source:
            where = {"subscription": subscription["id"]}
            made = coupons.redeem(account, source, subscription["customer"], **where)
            fields["discounts"] = [made["id"]]
    return fields


def _pause(params: dict[str, Any]) -> Object | None:
    given = forms.mapping(params, "pause_collection")
    if not given:
        return None
    if given.get("behavior") not in PAUSES:
        raise invalid("Invalid pause_collection[behavior]", param="pause_collection[behavior]")
    return {"behavior": given["behavior"], "resumes_at": forms.integer(given, "resumes_at")}


def _method(account: Account, params: dict[str, Any], customer: Object) -> Object | None:
    given = params.get("default_payment_method")
    return cards.attach(account, given, customer["id"]) if given else None


def _trial_end(account: Account, params: dict[str, Any], customer: Object) -> int | None:
    now = account.now(customer["id"])
    if days := forms.integer(params, "trial_period_days", least=1):
        return now + days * DAY_S
    moment = forms.integer(params, "trial_end")
    if moment is not None and moment <= now:
        raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.",
                      param="trial_end")  # fmt: skip
    return moment


def _running(call: Call) -> Object:
    subscription = call.account.get("subscription", call.id)
    if subscription["status"] in subscriptions.ENDED:
        raise Refusal(
            f"No such subscription: '{subscription['id']}'", status=404, code="resource_missing",
            param="id",
        )  # fmt: skip
    return subscription


def _unpaid(card: Object) -> Refusal:
    known = cards.behaviour(card)
    if known.decline:
        return cards.declined(known)
    return Refusal(
        "This payment requires additional user action before it can be completed successfully.",
        status=402, kind="card_error", has_begun=True,
        code="invoice_payment_intent_requires_action",
    )  # fmt: skip


RUNNING = ["active", "trialing", "past_due", "unpaid", "incomplete", "paused"]
OPERATIONS = {
    "POST /v1/subscriptions": Operation(
        create,
        (
            "customer", "items", "default_payment_method", "discounts", "metadata",
            "payment_behavior", "trial_end", "trial_period_days", "trial_settings",
        ),
    ),
    "GET /v1/subscriptions/{subscription_exposed_id}": retrieve("subscription"),
    "POST /v1/subscriptions/{subscription_exposed_id}": Operation(
        update,
        (
            "items", "default_payment_method", "discounts", "metadata", "proration_behavior",
            "cancel_at_period_end", "cancel_at", "pause_collection", "trial_end",
        ),
    ),
    "DELETE /v1/subscriptions/{subscription_exposed_id}": Operation(cancel),
    "POST /v1/subscriptions/{subscription}/resume": Operation(resume),
    "GET /v1/subscriptions": list_of(
        "subscription",
        "/v1/subscriptions",
        {"customer": "customer", "status": "status", "test_clock": "test_clock"},
        unless=("status", "all", {"status": RUNNING}),
    ),
    "POST /v1/invoices/{invoice}/pay": Operation(pay_invoice, ("payment_method",)),
    "DELETE /v1/customers/{customer}": Operation(delete_customer),
}  # fmt: skip
