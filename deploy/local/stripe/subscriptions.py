"""Subscriptions: how they begin, change and end. `renewals` moves them through time.

incomplete ──▶ active ◀──▶ past_due ──▶ canceled
    │            ▲  ▲ ◀──▶ paused
    ▼        trialing
incomplete_expired
"""

from typing import Any

from deploy.local.stripe import coupons, customers, invoices
from deploy.local.stripe.account import Account, listing
from deploy.local.stripe.periods import DAY_S, next_end
from deploy.local.stripe.store import Object

FIRST_PAYMENT_WITHIN_S = 23 * 3600
TRIAL_WARNING_S = 3 * DAY_S
ENDED = ("canceled", "incomplete_expired")


NEW = {
    "cancel_at_period_end": False,
    "collection_method": "charge_automatically",
    "_is_warned": False,
    "_next_price": None,
    "_retry_at": None,
}
"""What every new subscription has in common."""


def begin(
    account: Account,
    customer: Object,
    price: Object,
    *,
    quantity: int = 1,
    trial_until: int | None = None,
    discount: Object | None = None,
    method: Object | None = None,
    metadata: Object | None = None,
    **fields: Any,
) -> Object:
    """A subscription that nobody has paid for yet."""
    now = account.now(customer["id"])
    ends_at = trial_until or next_end(now, price["recurring"], after=now)
    made = account.new(
        "subscription",
        "sub",
        **NEW,
        automatic_tax={"disabled_reason": None, "enabled": False, "liability": None},
        billing_cycle_anchor=trial_until or now,
        billing_mode={"flexible": None, "type": "classic"},
        billing_schedules=[],
        cancellation_details={"comment": None, "feedback": None, "reason": None},
        created=now,
        currency=price["currency"],
        customer=customer["id"],
        default_payment_method=method and method["id"],
        default_tax_rates=[],
        discounts=[],
        invoice_settings={"account_tax_ids": None, "issuer": {"type": "self"}},
        metadata=metadata or {},
        payment_settings={
            "payment_method_options": None, "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        start_date=now,
        status="trialing" if trial_until else "incomplete",
        test_clock=customer["test_clock"],
        trial_start=now if trial_until else None,
        trial_end=trial_until,
        _pending=[],
        **fields,
    )  # fmt: skip
    if discount:
        applied = coupons.redeem(account, discount, customer["id"], subscription=made["id"])
        made["discounts"] = [applied["id"]]
    item = _item(account, made, price, quantity=quantity, ends_at=ends_at)
    made["items"] = listing([item], f"/v1/subscription_items?subscription={made['id']}")
    _keep_due(made)
    account.keep(made)
    account.tell("customer.subscription.created", made)
    return made


def bill(account: Account, subscription: Object, *, reason: str) -> Object:
    """The invoice for the period that has just begun, with what waited for it."""
    item = item_of(subscription)
    price, quantity = item["price"], item["quantity"]
    in_trial = subscription["status"] == "trialing"
    name = price["nickname"] or price["lookup_key"] or price["product"]
    current = invoices.line(
        price,
        subscription=subscription["id"],
        item=item["id"],
        amount=0 if in_trial else price["unit_amount"] * quantity,
        quantity=quantity,
        starts_at=item["current_period_start"],
        ends_at=item["current_period_end"],
        description=f"Trial period for {name}" if in_trial else f"{quantity} of {name}",
    )
    lines = [*subscription["_pending"], current]
    return _bill(account, subscription, lines, reason=reason)


def bill_pending(account: Account, subscription: Object, *, reason: str) -> Object:
    """An invoice for what a change made due, and nothing else."""
    return _bill(account, subscription, subscription["_pending"], reason=reason)


def settle(
    account: Account,
    subscription: Object,
    *,
    method: Object | None,
    is_present: bool,
    has_agreed: bool = False,
) -> bool:
    """Have the latest invoice paid, and take the state that follows from that."""
    invoice = account.get("invoice", subscription["latest_invoice"])
    is_paid = invoices.collect(
        account, invoice, method, is_present=is_present, has_agreed=has_agreed
    )
    if is_paid:
        have_paid(account, subscription)
    elif subscription["status"] == "active":
        update(account, subscription, status="past_due")
    return is_paid


def have_paid(account: Account, subscription: Object) -> None:
    if subscription["status"] in ("incomplete", "past_due", "unpaid"):
        update(account, subscription, status="active")


def end(account: Account, subscription: Object, *, reason: str | None = None) -> Object:
    """It is over now."""
    now = account.now(subscription["customer"])
    details = {**subscription["cancellation_details"], "reason": reason}
    subscription |= {
        "status": "canceled",
        "canceled_at": subscription["canceled_at"] or now,
        "ended_at": now,
        "cancellation_details": details,
        "_due": None,
    }
    account.keep(subscription)
    account.tell("customer.subscription.deleted", subscription)
    return subscription


def update(account: Account, subscription: Object, **fields: Any) -> Object:
    """Change it, and say so."""
    changed = {**subscription, **fields}
    _keep_due(changed)
    due = {"_due": changed["_due"]}
    return account.change(subscription, "customer.subscription.updated", **fields, **due)


def put_period(subscription: Object, *, starts_at: int, ends_at: int) -> Object:
    """The items of a subscription whose period is this one."""
    item = {
        **item_of(subscription),
        "current_period_start": starts_at,
        "current_period_end": ends_at,
    }
    return {**subscription["items"], "data": [item]}


def item_of(subscription: Object) -> Object:
    item: Object = subscription["items"]["data"][0]
    return item


def _bill(account: Account, subscription: Object, lines: list[Object], *, reason: str) -> Object:
    item = item_of(subscription)
    invoice = invoices.draft(
        account,
        customers.find(account, subscription["customer"]),
        lines,
        reason=reason,
        subscription=subscription,
        period=(item["current_period_start"], item["current_period_end"]),
    )
    subscription |= {"latest_invoice": invoice["id"], "_pending": []}
    account.keep(subscription)
    return invoice


def _item(
    account: Account, subscription: Object, price: Object, *, quantity: int, ends_at: int
) -> Object:
    item = account.new(
        "subscription_item",
        "si",
        created=subscription["created"],
        current_period_start=subscription["created"],
        current_period_end=ends_at,
        discounts=[],
        price=price,
        quantity=quantity,
        subscription=subscription["id"],
        tax_rates=[],
    )
    item.pop("billing_thresholds", None)
    return item


def _keep_due(subscription: Object) -> None:
    """When something will happen to it next."""
    item = item_of(subscription)
    moments = [item["current_period_end"], subscription["cancel_at"], subscription["_retry_at"]]
    if subscription["status"] == "trialing" and not subscription["_is_warned"]:
        warning = subscription["trial_end"] - TRIAL_WARNING_S
        moments.append(max(warning, subscription["created"] + 1))
    if subscription["status"] == "incomplete":
        moments = [subscription["created"] + FIRST_PAYMENT_WITHIN_S]
    pause = subscription["pause_collection"]
    if pause and pause["resumes_at"]:
        moments.append(pause["resumes_at"])
    is_over = subscription["status"] in (*ENDED, "paused")
    known = [moment for moment in moments if moment is not None]
    subscription["_due"] = None if is_over else min(known)
