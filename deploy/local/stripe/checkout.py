"""Checkout sessions: what is to be bought, and how it went on the hosted page.

open ──▶ complete (paid | unpaid, while the money is on its way | no_payment_required)
  └────▶ expired
"""

from typing import Any

from deploy.local.stripe import (
    cards,
    catalogue,
    coupons,
    customers,
    forms,
    invoices,
    payments,
    subscriptions,
)  # fmt: skip
from deploy.local.stripe.account import Account, listing, new_id
from deploy.local.stripe.calls import Call, Operation
from deploy.local.stripe.errors import invalid, missing_param
from deploy.local.stripe.periods import DAY_S
from deploy.local.stripe.reading import list_of, retrieve
from deploy.local.stripe.store import Object

MODES = ("payment", "subscription")
LINES_MAX = 20
SETTLES_AFTER_S = 5
ADDRESS_LENGTH_MAX = 5_000


def create(call: Call) -> Object:
    account, params = call.account, call.params
    mode = forms.require(params, "mode")
    if mode not in MODES:
        raise invalid(f"Invalid mode: must be one of {', '.join(MODES)}", param="mode")
    customer = None
    if params.get("customer"):
        customer = customers.find(account, params["customer"], param="customer")
    lines = _lines(account, params, mode)
    if forms.boolean(params, "allow_promotion_codes") and params.get("discounts"):
        raise invalid("You may only specify one of these parameters: allow_promotion_codes,"
                      " discounts.")  # fmt: skip
    source = coupons.chosen(account, forms.sequence(params, "discounts"))
    now = account.now(params.get("customer"))
    session = account.new(
        "checkout.session",
        "cs_test",
        adaptive_pricing={"enabled": False},
        allow_promotion_codes=forms.boolean(params, "allow_promotion_codes") or None,
        automatic_tax=_tax(params),
        billing_address_collection=None,
        cancel_url=_address(params, "cancel_url"),
        client_reference_id=params.get("client_reference_id"),
        created=now,
        currency=lines[0]["currency"],
        custom_fields=[],
        custom_text={
            "after_submit": None, "shipping_address": None, "submit": None,
            "terms_of_service_acceptance": None,
        },
        customer=customer and customer["id"],
        customer_creation=None if customer or mode == "subscription" else "if_required",
        customer_email=params.get("customer_email"),
        expires_at=forms.integer(params, "expires_at", now + DAY_S),
        invoice_creation=None,
        line_items=listing(lines, ""),
        metadata=forms.mapping(params, "metadata"),
        mode=mode,
        payment_method_collection="always" if mode == "subscription" else "if_required",
        payment_method_types=["card"],
        payment_status="unpaid",
        phone_number_collection={"enabled": False},
        shipping_options=[],
        status="open",
        success_url=_address(params, "success_url"),
        ui_mode="hosted_page",
        _begun=None,
        _will_succeed=None,
        _source=source and source["id"],
        _subscription_data=forms.mapping(params, "subscription_data"),
        _intent_data=forms.mapping(params, "payment_intent_data"),
    )  # fmt: skip
    session["url"] = f"{account.url}/c/pay/{session['id']}"
    session["line_items"]["url"] = f"/v1/checkout/sessions/{session['id']}/line_items"
    session["_due"] = session["expires_at"]
    put_totals(account, session)
    return account.keep(session)


def put_totals(account: Account, session: Object) -> None:
    """What is to pay now, less what the chosen discount takes off."""
    lines = session["line_items"]["data"]
    source = account.store.get(session["_source"]) if session["_source"] else None
    full = [one["price"]["unit_amount"] * one["quantity"] for one in lines]
    if session["_subscription_data"].get("trial_period_days"):
        full = [0 for _ in full]
    taken = [0 for _ in full]
    if source:
        taken = coupons.off(coupons.coupon_of(account, source), full)
    for one, amount, off in zip(lines, full, taken, strict=True):
        one |= {"amount_subtotal": amount, "amount_discount": off, "amount_total": amount - off}
    session |= {
        "amount_subtotal": sum(full),
        "amount_total": sum(full) - sum(taken),
        "total_details": {
            "amount_discount": sum(taken), "amount_shipping": 0, "amount_tax": 0,
        },
        "discounts": [_named(source)] if source else [],
    }  # fmt: skip


def pay(account: Account, session: Object, card: Object, *, has_agreed: bool = False) -> str | None:
    """Pay with a card. None when it is done, else the intent that asks, or refuses.

    A refusal leaves the page open: another card may be tried.
    """
    if session["mode"] == "subscription" and session["amount_total"] == 0:
        cards.require_keepable(card)
    customer = _customer(account, session)
    if session["mode"] == "payment":
        intent = _pay_once(account, session, customer, card, has_agreed=has_agreed)
    else:
        intent = _subscribe(account, session, customer, card, has_agreed=has_agreed)
    if intent and intent["status"] != "succeeded":
        account.keep(session)
        return str(intent["id"])
    is_free = session["amount_total"] == 0
    if session["mode"] == "subscription":
        customers.keep_card(account, customer["id"], card)
    _complete(account, session, "no_payment_required" if is_free and not intent else "paid")
    return None


def pay_later(account: Account, session: Object, *, will_succeed: bool) -> None:
    """Finish the page with money that is on its way, as with a bank debit."""
    customer = _customer(account, session)
    intent = _intent(account, session, customer)
    account.change(intent, status="processing", payment_method_types=["us_bank_account"])
    account.tell("payment_intent.processing", intent)
    _complete(account, session, "unpaid")
    due = account.now(session["customer"]) + SETTLES_AFTER_S
    account.change(session, _will_succeed=will_succeed, _due=due)


def settle_later(account: Account, session: Object, *, works: bool) -> None:
    """The money has come, or will not."""
    intent = account.get("payment_intent", session["payment_intent"])
    if intent["status"] != "processing":
        raise invalid("No money is on its way for this session.")
    if works:
        payments.succeed(account, intent, None)
        account.change(session, payment_status="paid", _due=None)
        account.tell("checkout.session.async_payment_succeeded", session)
    else:
        payments.fail_later(account, intent)
        account.change(session, _due=None)
        account.tell("checkout.session.async_payment_failed", session)


def catch_up(account: Account, session: Object) -> None:
    """Nobody paid in time; or the money that was on its way has got to where it goes."""
    if session["status"] == "open":
        expire(account, session)
    else:
        settle_later(account, session, works=session["_will_succeed"])


def expire(account: Account, session: Object) -> Object:
    account.change(session, status="expired", url=None, _due=None)
    account.tell("checkout.session.expired", session)
    return session


def _pay_once(
    account: Account, session: Object, customer: Object | None, card: Object, *, has_agreed: bool
) -> Object | None:
    if session["amount_total"] == 0:
        return None
    intent = _intent(account, session, customer)
    return payments.attempt(account, intent, card, is_present=True, has_agreed=has_agreed)


def _intent(account: Account, session: Object, customer: Object | None) -> Object:
    """The payment of this session; the same one for every card that is tried."""
    if session["payment_intent"]:
        return account.get("payment_intent", session["payment_intent"])
    intent = payments.open_intent(
        account,
        customer=customer["id"] if customer else None,
        amount=session["amount_total"],
        currency=session["currency"],
        metadata=session["_intent_data"].get("metadata", {}),
        description=session["_intent_data"].get("description"),
    )
    session["payment_intent"] = intent["id"]
    return intent


def _subscribe(
    account: Account, session: Object, customer: Object, card: Object, *, has_agreed: bool
) -> Object | None:
    """Begin the subscription at the first try; other cards pay the same invoice."""
    subscription = account.store.get(session["_begun"]) if session["_begun"] else None
    # One that waited too long for its first payment has expired; the page may still be open.
    if subscription is None or subscription["status"] in subscriptions.ENDED:
        subscription = _begin(account, session, customer)
    subscriptions.settle(account, subscription, method=card, is_present=True, has_agreed=has_agreed)
    invoice = account.get("invoice", subscription["latest_invoice"])
    if invoice["status"] == "paid":
        session |= {"subscription": subscription["id"], "invoice": invoice["id"]}
    if invoice["amount_due"] == 0:
        return None
    paid_by = invoices.payment_of(account, invoice)["payment"]["payment_intent"]
    return account.get("payment_intent", paid_by)


def _begin(account: Account, session: Object, customer: Object) -> Object:
    line, data = session["line_items"]["data"][0], session["_subscription_data"]
    days = forms.integer(data, "trial_period_days", least=1)
    subscription = subscriptions.begin(
        account,
        customer,
        line["price"],
        quantity=line["quantity"],
        trial_until=account.now(customer["id"]) + days * DAY_S if days else None,
        discount=account.store.get(session["_source"]) if session["_source"] else None,
        metadata=data.get("metadata", {}),
    )
    invoice = subscriptions.bill(account, subscription, reason="subscription_create")
    invoices.finalize(account, invoice)
    session["_begun"] = subscription["id"]
    return subscription


def _complete(account: Account, session: Object, payment_status: str) -> None:
    source = account.store.get(session["_source"]) if session["_source"] else None
    if source and session["mode"] == "payment":
        for one in {
            one["id"]: one for one in (source, coupons.coupon_of(account, source))
        }.values():
            account.change(one, times_redeemed=one["times_redeemed"] + 1)
    customer = account.store.get(session["customer"]) if session["customer"] else None
    details: Object = {
        "address": None, "business_name": None, "email": (customer or session).get("email"),
        "individual_name": None, "name": None, "phone": None, "tax_exempt": "none", "tax_ids": [],
    }  # fmt: skip
    session |= {
        "status": "complete",
        "payment_status": payment_status,
        "url": None,
        "customer_details": details,
        "_due": None,
    }
    account.keep(session)
    account.tell("checkout.session.completed", session)


def _customer(account: Account, session: Object) -> Any:
    """Whose purchase it is; a subscription of nobody we know makes a new customer."""
    if session["customer"]:
        return customers.find(account, session["customer"], param="customer")
    if session["mode"] == "payment":
        return None
    made = customers.create(Call(account, {"email": session["customer_email"]}, {}))
    session["customer"] = made["id"]
    return made


def _lines(account: Account, params: dict[str, Any], mode: str) -> list[Object]:
    asked = forms.sequence(params, "line_items")
    if not asked:
        raise missing_param("line_items")
    if len(asked) > LINES_MAX or (mode == "subscription" and len(asked) > 1):
        raise invalid("This emulator sells one subscription, or up to 20 things.",
                      param="line_items")  # fmt: skip
    return [_line(account, one, mode, f"line_items[{place}]") for place, one in enumerate(asked)]


def _line(account: Account, asked: Any, mode: str, place: str) -> Object:
    if not isinstance(asked, dict) or not asked.get("price"):
        raise missing_param(f"{place}[price]")
    price = catalogue.price(account, asked["price"], param=f"{place}[price]")
    if price["recurring"] and mode == "payment":
        raise invalid("You specified `payment` mode but passed a recurring price. Either switch to"
                      " `subscription` mode or use only one-time prices.")  # fmt: skip
    if not price["recurring"] and mode == "subscription":
        raise invalid("You must provide at least one recurring price in `subscription` mode when"
                      " using prices.")  # fmt: skip
    quantity = forms.integer(asked, "quantity", least=1)
    if quantity is None:
        raise missing_param(f"{place}[quantity]")
    return {
        "id": new_id("li"),
        "object": "item",
        "amount_tax": 0,
        "currency": price["currency"],
        "description": catalogue.product_name(account, price),
        "price": price,
        "quantity": quantity,
        "metadata": {},
        "adjustable_quantity": None,
    }


def _tax(params: dict[str, Any]) -> Object:
    """Whether tax is asked for. Here nothing is ever taxed."""
    is_asked = forms.boolean(forms.mapping(params, "automatic_tax"), "enabled")
    return {
        "enabled": is_asked,
        "liability": {"type": "self"} if is_asked else None,
        "provider": "stripe" if is_asked else None,
        "status": "complete" if is_asked else None,
    }


def _address(params: dict[str, Any], name: str) -> str | None:
    """Where the browser is sent afterwards."""
    address: str | None = params.get(name) or None
    if name == "success_url" and address is None:
        raise missing_param(name)
    if address and not address.startswith(("http://", "https://")):
        raise invalid("Not a valid URL", param=name, code="url_invalid")
    if address and len(address) > ADDRESS_LENGTH_MAX:
        raise invalid("This URL is too long.", param=name)
    return address


def _named(source: Object) -> Object:
    is_code = source["object"] == "promotion_code"
    return {
        "coupon": source["promotion"]["coupon"] if is_code else source["id"],
        "promotion_code": source["id"] if is_code else None,
    }


def _expire(call: Call) -> Object:
    session = call.account.get("checkout.session", call.id)
    if session["status"] != "open":
        raise invalid(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout'
            f" Session has a status of {session['status']}."
        )
    return expire(call.account, session)


def _line_items(call: Call) -> Object:
    session = call.account.get("checkout.session", call.id)
    lines: Object = session["line_items"]
    return lines


OPERATIONS = {
    "POST /v1/checkout/sessions": Operation(
        create,
        (
            "mode", "customer", "customer_email", "client_reference_id", "line_items",
            "allow_promotion_codes",
            "automatic_tax",
            "customer_update", "discounts", "success_url", "cancel_url", "metadata",
            "subscription_data", "payment_intent_data", "expires_at",
        ),
    ),
    "GET /v1/checkout/sessions/{session}": retrieve("checkout.session"),
    "POST /v1/checkout/sessions/{session}/expire": Operation(_expire),
    "GET /v1/checkout/sessions/{session}/line_items": Operation(_line_items, ("limit",)),
    "GET /v1/checkout/sessions": list_of(
        "checkout.session",
        "/v1/checkout/sessions",
        {
            "customer": "customer",
            "payment_intent": "payment_intent",
            "subscription": "subscription",
            "status": "status",
        },
    ),
}  # fmt: skip
