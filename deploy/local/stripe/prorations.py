"""Another price in the middle of a period: what is left of the old one, and of the new one."""

from fractions import Fraction
from itertools import chain
from typing import Literal

from deploy.local.stripe import coupons, invoices, subscriptions
from deploy.local.stripe.account import Account
from deploy.local.stripe.errors import invalid
from deploy.local.stripe.periods import next_end
from deploy.local.stripe.store import Object

Behaviour = Literal["create_prorations", "always_invoice", "none"]
BEHAVIOURS = ("create_prorations", "always_invoice", "none")


def switch(
    account: Account,
    subscription: Object,
    price: Object,
    *,
    behaviour: str,
    quantity: int | None = None,
    is_present: bool = False,
) -> bool:
    """Have another price from now on; False if something was to pay, and was not paid.

    Another interval begins a new period now, which is billed at once.
    """
    if behaviour not in BEHAVIOURS:
        raise invalid("Invalid proration_behavior", param="proration_behavior")
    old = subscriptions.item_of(subscription)
    now = account.now(subscription["customer"])
    new = {**old, "price": price, "quantity": quantity or old["quantity"]}
    restarts = _interval(old) != _interval(new)
    if restarts:
        new |= {
            "current_period_start": now,
            "current_period_end": next_end(now, price["recurring"], after=now),
        }
    pending = list(subscription["_pending"])
    if behaviour != "none" and subscription["status"] != "trialing":
        cost = _billed(account, subscription, old)
        pending.append(_line(subscription, old, now, cost, is_credit=True))
        if not restarts:
            cost = _discounted(account, subscription, new, now)
            pending.append(_line(subscription, new, now, cost, is_credit=False))
    subscriptions.update(
        account,
        subscription,
        items={**subscription["items"], "data": [new]},
        billing_cycle_anchor=now if restarts else subscription["billing_cycle_anchor"],
        _pending=pending,
        _next_price=None,
    )
    if restarts and subscription["status"] != "trialing":
        invoice = subscriptions.bill(account, subscription, reason="subscription_update")
    elif behaviour == "always_invoice" and pending:
        invoice = subscriptions.bill_pending(account, subscription, reason="subscription_update")
    else:
        return True
    invoices.finalize(account, invoice)
    customer = account.get("customer", subscription["customer"])
    return subscriptions.settle(
        account,
        subscription,
        method=invoices.card_of(account, customer, subscription),
        is_present=is_present,
        has_agreed=is_present,
    )


def _interval(item: Object) -> tuple[str, int]:
    recurring = item["price"]["recurring"]
    return recurring["interval"], recurring["interval_count"]


def _billed(account: Account, subscription: Object, item: Object) -> Fraction:
    """What a whole period of an item costs at the rate it was last billed for, discounts off.

    Nobody is given back what a coupon paid.
    """
    of_subscription = {"parent.subscription_details.subscription": subscription["id"]}
    waiting = reversed(subscription["_pending"])
    invoiced = (
        line
        for invoice in account.store.find("invoice", of_subscription)
        for line in reversed(invoice["_lines"])
    )
    for line in chain(waiting, invoiced):
        period, price = line["period"], line["pricing"]["price_details"]["price"]
        if (price, period["end"]) != (item["price"]["id"], item["current_period_end"]):
            continue
        if line["amount"] > 0:
            paid = line["amount"] - sum(one["amount"] for one in line["discount_amounts"])
            return Fraction(paid * _length(item), period["end"] - period["start"])
    return Fraction(item["price"]["unit_amount"] * item["quantity"])


def _discounted(account: Account, subscription: Object, item: Object, now: int) -> Fraction:
    """What a whole period of an item costs from now on, discounts off."""
    cost = item["price"]["unit_amount"] * item["quantity"]
    for discount in coupons.active(account, subscription, at=now):
        coupon = account.get("coupon", discount["source"]["coupon"])
        cost -= coupons.off(coupon, [cost])[0]
    return Fraction(cost)


def _length(item: Object) -> int:
    return int(item["current_period_end"] - item["current_period_start"])


def _line(
    subscription: Object, item: Object, now: int, cost: Fraction, *, is_credit: bool
) -> Object:
    price, quantity = item["price"], item["quantity"]
    ends_at = item["current_period_end"]
    amount = round(cost * Fraction(max(0, ends_at - now), _length(item)))
    word = "Unused" if is_credit else "Remaining"
    return invoices.line(
        price,
        subscription=subscription["id"],
        item=item["id"],
        amount=-amount if is_credit else amount,
        quantity=quantity,
        starts_at=now,
        ends_at=ends_at,
        description=f"{word} time on {price['lookup_key'] or price['product']}",
        is_proration=True,
    )
