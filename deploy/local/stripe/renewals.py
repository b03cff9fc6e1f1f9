"""What time does to a subscription: warnings, renewals, retries, and the end."""

from deploy.local.stripe import invoices, subscriptions
from deploy.local.stripe.account import Account
from deploy.local.stripe.periods import next_end
from deploy.local.stripe.store import Object


def catch_up(account: Account, subscription: Object) -> None:
    """Do the first thing that is due now; `_due` then says when the next one is."""
    now = account.now(subscription["customer"])
    pause = subscription["pause_collection"]
    if subscription["status"] == "incomplete":
        _expire(account, subscription)
    elif _is_due(subscription["cancel_at"], now):
        subscriptions.end(account, subscription, reason="cancellation_requested")
    elif pause and _is_due(pause["resumes_at"], now):
        subscriptions.update(account, subscription, pause_collection=None)
    elif subscriptions.item_of(subscription)["current_period_end"] <= now:
        _period_is_over(account, subscription)
    elif _is_due(subscription["_retry_at"], now):
        _retry(account, subscription)
    else:
        account.tell("customer.subscription.trial_will_end", subscription)
        subscriptions.update(account, subscription, _is_warned=True)


def _period_is_over(account: Account, subscription: Object) -> None:
    if _has_no_card(account, subscription) and _end_behaviour(subscription) == "pause":
        subscriptions.update(account, subscription, status="paused")
        account.tell("customer.subscription.paused", subscription)
    elif _has_no_card(account, subscription) and _end_behaviour(subscription) == "cancel":
        subscriptions.end(account, subscription, reason="payment_failed")
    else:
        renew(account, subscription)


def renew(account: Account, subscription: Object, *, starts_at: int | None = None) -> None:
    """Begin the next period and have it paid."""
    begin = starts_at or subscriptions.item_of(subscription)["current_period_end"]
    if chosen := subscription["_next_price"]:
        _take_next_price(account, subscription, chosen, begin)
    price = subscriptions.item_of(subscription)["price"]
    ends_at = next_end(subscription["billing_cycle_anchor"], price["recurring"], after=begin)
    status = subscription["status"]
    subscriptions.update(
        account,
        subscription,
        items=subscriptions.put_period(subscription, starts_at=begin, ends_at=ends_at),
        status="active" if status in ("trialing", "paused") else status,
        _is_warned=True,
    )
    invoice = subscriptions.bill(account, subscription, reason="subscription_cycle")
    pause = subscription["pause_collection"]
    if pause and pause["behavior"] == "keep_as_draft":
        return
    invoices.finalize(account, invoice)
    if pause:
        (invoices.void if pause["behavior"] == "void" else invoices.give_up)(account, invoice)
        return
    _charge(account, subscription, invoice)


def _charge(account: Account, subscription: Object, invoice: Object) -> None:
    customer = account.get("customer", subscription["customer"])
    card = invoices.card_of(account, customer, subscription)
    subscriptions.settle(account, subscription, method=card, is_present=False)
    latest = account.get("invoice", invoice["id"])
    subscriptions.update(account, subscription, _retry_at=latest["next_payment_attempt"])


def _retry(account: Account, subscription: Object) -> None:
    """Try the card again; after the last try the subscription ends."""
    invoice = account.get("invoice", subscription["latest_invoice"])
    if invoice["status"] == "open":
        _charge(account, subscription, invoice)
        invoice = account.get("invoice", invoice["id"])
        if invoice["status"] == "open" and invoice["next_payment_attempt"] is None:
            subscriptions.end(account, subscription, reason="payment_failed")
    else:
        subscriptions.update(account, subscription, _retry_at=None)


def _expire(account: Account, subscription: Object) -> None:
    """Nobody paid the first invoice."""
    now = account.now(subscription["customer"])
    subscriptions.update(account, subscription, status="incomplete_expired", ended_at=now)
    invoice = account.get("invoice", subscription["latest_invoice"])
    if invoice["status"] == "open":
        invoices.void(account, invoice)


def _take_next_price(account: Account, subscription: Object, price_id: str, begin: int) -> None:
    """A change that was to wait until the period ended."""
    price = account.get("price", price_id)
    item = subscriptions.item_of(subscription)
    is_other = price["recurring"]["interval"] != item["price"]["recurring"]["interval"]
    items = {**subscription["items"], "data": [{**item, "price": price}]}
    anchor = begin if is_other else subscription["billing_cycle_anchor"]
    subscription |= {"items": items, "billing_cycle_anchor": anchor, "_next_price": None}


def _has_no_card(account: Account, subscription: Object) -> bool:
    customer = account.get("customer", subscription["customer"])
    in_trial = subscription["status"] == "trialing"
    return in_trial and invoices.card_of(account, customer, subscription) is None


def _end_behaviour(subscription: Object) -> str:
    settings = subscription["trial_settings"] or {}
    return str(settings.get("end_behavior", {}).get("missing_payment_method", "create_invoice"))


def _is_due(moment: int | None, now: int) -> bool:
    return moment is not None and moment <= now
