"""The customer portal as a page: cancel, resume, change plan, change card, see invoices."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from deploy.local.stripe import (
    cards,
    catalogue,
    customers,
    prorations,
    subscription_calls,
    subscriptions,
)
from deploy.local.stripe.account import Account
from deploy.local.stripe.checkout_page import UNKNOWN_CARD
from deploy.local.stripe.errors import Refusal, invalid
from deploy.local.stripe.pages import account_of, message, money, page, part, read_form, see
from deploy.local.stripe.store import Object

INVOICES_SHOWN = 24
MONTHS = {"month": 1, "year": 12}

router = APIRouter(prefix="/p/session", include_in_schema=False)


@router.get("/{visit_id}")
async def show(request: Request, visit_id: str) -> Response:
    account = account_of(request)
    visit = account.get("billing_portal.session", visit_id)
    if account.now() > visit["_until"]:
        return message("This page has expired", "Open it again from Rekindle.", status=410)
    return _page(account, visit)


@router.post("/{visit_id}")
async def submit(request: Request, visit_id: str) -> Response:
    form, account = await read_form(request), account_of(request)
    visit = account.get("billing_portal.session", visit_id)
    if account.now() > visit["_until"]:
        return message("This page has expired", "Open it again from Rekindle.", status=410)
    try:
        with account.store.transaction():
            _act(account, visit, form)
    except Refusal as refusal:
        return _page(account, visit, alert=str(refusal), status=refusal.status)
    return see(f"/p/session/{visit_id}")


def _act(account: Account, visit: Object, form: dict[str, str]) -> None:
    features = account.get("billing_portal.configuration", visit["configuration"])["features"]
    action = form.get("do", "")
    if action == "card" and features["payment_method_update"]["enabled"]:
        card = cards.of_number(account, form.get("number", ""))
        if card is None:
            raise Refusal(UNKNOWN_CARD, status=402)
        customers.keep_card(account, visit["customer"], card)
        return
    subscription = _of_customer(account, visit, form.get("subscription", ""))
    if action in ("cancel", "resume") and features["subscription_cancel"]["enabled"]:
        _cancel_or_resume(account, subscription, features, is_cancel=action == "cancel")
    elif action == "change" and features["subscription_update"]["enabled"]:
        _change(account, subscription, features["subscription_update"], form.get("price", ""))
    else:
        raise invalid("This is not offered here.")


def _cancel_or_resume(
    account: Account, subscription: Object, features: Object, *, is_cancel: bool
) -> None:
    if is_cancel and features["subscription_cancel"]["mode"] == "immediately":
        subscriptions.end(account, subscription, reason="cancellation_requested")
        return
    wanted = {"cancel_at_period_end": "true" if is_cancel else "false"}
    fields = subscription_calls.ending(account, wanted, subscription)
    subscriptions.update(account, subscription, **fields)


def _change(account: Account, subscription: Object, feature: Object, price_id: str) -> None:
    """Another plan now; or at the end of the period, where the configuration says so."""
    if price_id not in _offered(feature):
        raise invalid("This plan is not offered here.")
    price = catalogue.price(account, price_id, param="price")
    conditions = {one["type"] for one in feature["schedule_at_period_end"]["conditions"]}
    if conditions & _is_less(subscriptions.item_of(subscription)["price"], price):
        subscriptions.update(account, subscription, _next_price=price_id)
        account.tell("customer.subscription.updated", subscription)
        return
    if not prorations.switch(
        account,
        subscription,
        price,
        behaviour=feature["proration_behavior"],
        is_present=True,
    ):
        raise Refusal("Your card was declined: nothing was changed.", status=402)


def _is_less(old: Object, new: Object) -> set[str]:
    """In which of Stripe's ways a price is a step down."""
    found = set()
    months = [MONTHS[one["recurring"]["interval"]] for one in (old, new)]
    if months[1] < months[0]:
        found.add("shortening_interval")
    if new["unit_amount"] * months[0] < old["unit_amount"] * months[1]:
        found.add("decreasing_item_amount")
    return found


def _page(account: Account, visit: Object, *, alert: str = "", status: int = 200) -> Response:
    found = account.store.find("subscription", {"customer": visit["customer"]})
    configuration = account.get("billing_portal.configuration", visit["configuration"])
    feature = configuration["features"]["subscription_update"]
    running = [one for one in found if one["status"] not in subscriptions.ENDED]
    invoices = account.store.find("invoice", {"customer": visit["customer"]}, limit=INVOICES_SHOWN)
    return page(
        "portal",
        configuration["business_profile"]["headline"] or "Your subscription",
        status=status,
        alert=alert,
        goes_to=visit["return_url"],
        parts={
            "subscriptions": "".join(_shown(account, visit, one, feature) for one in running)
            or "<p>You have no subscription.</p>",
            "card": part("card", action=f"/p/session/{visit['id']}"),
            "invoices": "".join(
                part(
                    "invoice_row",
                    link=f"/i/{one['id']}",
                    label=f"{one['number']} ({one['status']})",
                    value=money(one["total"], one["currency"]),
                )
                for one in invoices
            ),
        },
        back=visit["return_url"] or "#",
    )


def _shown(account: Account, visit: Object, subscription: Object, feature: Object) -> str:
    action, price = f"/p/session/{visit['id']}", subscriptions.item_of(subscription)["price"]
    is_ending = subscription["cancel_at_period_end"]
    values = {"action": action, "subscription": subscription["id"]}
    name = catalogue.product_name(account, price)
    row = part(
        "row",
        label=f"{name}, every {price['recurring']['interval']} ({subscription['status']})",
        value=money(price["unit_amount"], price["currency"]),
    )
    pieces = [
        f"<dl>{row}</dl>",
        part(
            "do",
            do="resume" if is_ending else "cancel",
            word="Do not cancel" if is_ending else "Cancel at the end of the period",
            price="",
            **values,
        ),
    ]
    for price_id in _offered(feature):
        other = account.get("price", price_id)
        if price_id != price["id"] and other["active"]:
            word = (
                f"Change to {catalogue.product_name(account, other)},"
                f" {money(other['unit_amount'], other['currency'])}"
                f" every {other['recurring']['interval']}"
            )
            pieces.append(part("do", do="change", word=word, price=price_id, **values))
    return "".join(pieces)


def _offered(feature: Object) -> list[str]:
    return [price for one in feature["products"] for price in one["prices"]]


def _of_customer(account: Account, visit: Object, subscription_id: str) -> Object:
    subscription = account.get("subscription", subscription_id)
    if subscription["customer"] != visit["customer"]:
        raise Refusal("No such subscription.", status=404)
    return subscription
