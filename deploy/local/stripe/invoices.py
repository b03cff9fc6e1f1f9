"""Invoices: lines, what is due for them, and the payment that settles it.

draft ──▶ open ──▶ paid | void
"""

from collections.abc import Sequence
from typing import Any

from deploy.local.stripe import coupons, forms, payments
from deploy.local.stripe.account import Account, listing, new_id
from deploy.local.stripe.calls import Call, Operation
from deploy.local.stripe.errors import invalid
from deploy.local.stripe.reading import PAGE, list_of, retrieve
from deploy.local.stripe.store import Object

LINES_SHOWN_MAX = 10
DAY_S = 24 * 3600
RETRIES_AFTER_S = tuple(days * DAY_S for days in (1, 3, 5, 7))
"""When a payment is tried again after the first try has failed; then it is given up."""

NEW = {
    "account_country": "US",
    "account_name": "Rekindle",
    "amount_overpaid": 0,
    "amount_paid": 0,
    "amount_paid_off_stripe": 0,
    "amount_shipping": 0,
    "attempt_count": 0,
    "attempted": False,
    "auto_advance": True,
    "collection_method": "charge_automatically",
    "customer_tax_exempt": "none",
    "post_payment_credit_notes_amount": 0,
    "pre_payment_credit_notes_amount": 0,
    "starting_balance": 0,
    "status": "draft",
}
"""What every new invoice has in common."""


def line(
    price: Object,
    *,
    subscription: str,
    item: str,
    amount: int,
    quantity: int,
    starts_at: int,
    ends_at: int,
    description: str,
    is_proration: bool = False,
) -> Object:
    """A line about a subscription's item, for a period."""
    details = {
        "invoice_item": new_id("ii") if is_proration else None,
        "proration": is_proration,
        "proration_details": {"credited_items": None} if is_proration else None,
        "subscription": subscription,
        "subscription_item": item,
    }
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": description,
        "discount_amounts": [],
        "discountable": not is_proration,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "parent": {
            "type": "subscription_item_details",
            "invoice_item_details": None,
            "subscription_item_details": details,
        },
        "period": {"start": starts_at, "end": ends_at},
        "pretax_credit_amounts": [],
        "pricing": {
            "type": "price_details",
            "price_details": {"price": price["id"], "product": price["product"]},
            "unit_amount_decimal": str(price["unit_amount"]),
        },
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "subscription": subscription,
        "subtotal": amount,
        "taxes": [],
    }


def draft(
    account: Account,
    customer: Object,
    lines: Sequence[Object],
    *,
    reason: str,
    subscription: Object,
    period: tuple[int, int],
) -> Object:
    number = customer["next_invoice_sequence"]
    account.change(customer, next_invoice_sequence=number + 1)
    now = account.now(customer["id"])
    invoice = account.new(
        "invoice",
        "in",
        **NEW,
        automatic_tax=_no_tax(),
        billing_reason=reason,
        confirmation_secret=None,
        currency=subscription["currency"],
        customer=customer["id"],
        customer_email=customer["email"],
        customer_name=customer["name"],
        customer_tax_ids=[],
        default_tax_rates=[],
        issuer={"type": "self"},
        number=f"{customer['invoice_prefix']}-{number:04}",
        parent={
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {
                "metadata": subscription["metadata"],
                "subscription": subscription["id"],
            },
        },
        payment_settings={
            "default_mandate": None, "payment_method_options": None, "payment_method_types": None,
        },
        period_start=period[0],
        period_end=period[1],
        status_transitions={
            "finalized_at": None, "marked_uncollectible_at": None, "paid_at": None,
            "voided_at": None,
        },
        test_clock=customer["test_clock"],
        total_taxes=[],
        webhooks_delivered_at=now,
        _lines=[],
    )  # fmt: skip
    _put_lines(account, invoice, lines, subscription)
    account.keep(invoice)
    account.tell("invoice.created", invoice)
    return invoice


def finalize(account: Account, invoice: Object) -> Object:
    """Say what is due: the total, less what the customer has in store."""
    customer = account.get("customer", invoice["customer"])
    before = customer["balance"]
    due = max(0, invoice["total"] + before)
    after = before + invoice["total"] - due
    account.change(customer, "customer.updated", balance=after)
    account.change(
        invoice,
        status="open",
        amount_due=due,
        amount_remaining=due,
        starting_balance=before,
        ending_balance=after,
        effective_at=account.now(customer["id"]),
        status_transitions={
            **invoice["status_transitions"],
            "finalized_at": account.now(customer["id"]),
        },
        hosted_invoice_url=f"{account.url}/i/{invoice['id']}",
    )
    account.tell("invoice.finalized", invoice)
    if due:
        _open_payment(account, invoice)
    return invoice


def collect(
    account: Account,
    invoice: Object,
    method: Object | None,
    *,
    is_present: bool,
    has_agreed: bool = False,
) -> bool:
    """Try to have an open invoice paid; whether it is."""
    if invoice["amount_due"] == 0:
        _paid(account, invoice)
        return True
    account.change(invoice, attempted=True, attempt_count=invoice["attempt_count"] + 1)
    intent = account.get(
        "payment_intent", payment_of(account, invoice)["payment"]["payment_intent"]
    )
    if method:
        payments.attempt(account, intent, method, is_present=is_present, has_agreed=has_agreed)
    if intent["status"] == "succeeded":
        _paid(account, invoice)
        return True
    if intent["status"] == "requires_action":
        account.tell("invoice.payment_action_required", invoice)
    if intent["status"] != "requires_action" or not is_present:
        account.change(invoice, next_payment_attempt=_next_attempt(account, invoice))
        account.tell("invoice.payment_failed", invoice)
    return False


def void(account: Account, invoice: Object) -> Object:
    moments = {**invoice["status_transitions"], "voided_at": account.now(invoice["customer"])}
    account.change(invoice, status="void", status_transitions=moments, next_payment_attempt=None)
    account.tell("invoice.voided", invoice)
    return invoice


def give_up(account: Account, invoice: Object) -> Object:
    now = account.now(invoice["customer"])
    moments = {**invoice["status_transitions"], "marked_uncollectible_at": now}
    account.change(
        invoice, status="uncollectible", status_transitions=moments, next_payment_attempt=None
    )
    account.tell("invoice.marked_uncollectible", invoice)
    return invoice


def payment_of(account: Account, invoice: Object) -> Object:
    return account.store.find("invoice_payment", {"invoice": invoice["id"]})[0]


def subscription_of(invoice: Object) -> str:
    return str(invoice["parent"]["subscription_details"]["subscription"])


def _put_lines(
    account: Account, invoice: Object, lines: Sequence[Object], subscription: Object
) -> None:
    discounts = coupons.active(account, subscription, at=invoice["created"])
    taken = 0
    for discount in discounts:
        coupon = account.get("coupon", discount["source"]["coupon"])
        eligible = [one for one in lines if one["discountable"]]
        for one, amount in zip(
            eligible, coupons.off(coupon, [one["amount"] for one in eligible]), strict=True
        ):
            one["discount_amounts"].append({"amount": amount, "discount": discount["id"]})
            taken += amount
        account.change(discount, _is_used=True, invoice=invoice["id"])
    for one in lines:
        one["invoice"] = invoice["id"]
    subtotal = sum(one["amount"] for one in lines)
    total = subtotal - taken
    invoice |= {
        "_lines": list(lines),
        "lines": {
            **listing(list(lines[:LINES_SHOWN_MAX]), f"/v1/invoices/{invoice['id']}/lines"),
            "has_more": len(lines) > LINES_SHOWN_MAX,
        },
        "discounts": [discount["id"] for discount in discounts],
        "total_discount_amounts": [
            {"amount": taken, "discount": discount["id"]} for discount in discounts
        ],
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": total,
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [],
        "amount_due": max(0, total),
        "amount_remaining": max(0, total),
    }


def _open_payment(account: Account, invoice: Object) -> None:
    intent = payments.open_intent(
        account,
        customer=invoice["customer"],
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        description="Subscription",
        setup_future_usage="off_session",
    )
    account.keep(
        account.new(
            "invoice_payment",
            "inpay",
            amount_requested=invoice["amount_due"],
            created=account.now(invoice["customer"]),
            currency=invoice["currency"],
            invoice=invoice["id"],
            is_default=True,
            payment={"type": "payment_intent", "payment_intent": intent["id"]},
            status="open",
            status_transitions={"canceled_at": None, "paid_at": None},
        )
    )


def _paid(account: Account, invoice: Object) -> None:
    now = account.now(invoice["customer"])
    account.change(
        invoice,
        status="paid",
        attempted=True,
        amount_paid=invoice["amount_due"],
        amount_remaining=0,
        auto_advance=False,
        next_payment_attempt=None,
        status_transitions={**invoice["status_transitions"], "paid_at": now},
    )
    if invoice["amount_due"]:
        payment = payment_of(account, invoice)
        account.change(
            payment,
            status="paid",
            amount_paid=invoice["amount_due"],
            status_transitions={"canceled_at": None, "paid_at": now},
        )
        account.tell("invoice_payment.paid", payment)
    account.tell("invoice.paid", invoice)
    account.tell("invoice.payment_succeeded", invoice)


def _next_attempt(account: Account, invoice: Object) -> int | None:
    """Only renewals are tried again by themselves; whoever is present tries again himself."""
    if invoice["billing_reason"] != "subscription_cycle":
        return None
    tries = int(invoice["attempt_count"]) - 1
    if tries >= len(RETRIES_AFTER_S):
        return None
    finalized = int(invoice["status_transitions"]["finalized_at"])
    return max(account.now(invoice["customer"]) + 1, finalized + RETRIES_AFTER_S[tries])


def _no_tax() -> Object:
    return {
        "disabled_reason": None, "enabled": False, "liability": None, "provider": None,
        "status": None,
    }  # fmt: skip


def _lines(call: Call) -> Object:
    invoice = call.account.get("invoice", call.id)
    limit = forms.integer(call.params, "limit", PAGE) or PAGE
    lines: list[Any] = invoice["_lines"]
    after = call.params.get("starting_after")
    begin = next((n + 1 for n, one in enumerate(lines) if one["id"] == after), 0)
    shown_ = lines[begin : begin + limit]
    more = len(lines) > begin + limit
    return {**listing(shown_, f"/v1/invoices/{invoice['id']}/lines"), "has_more": more}


def _void(call: Call) -> Object:
    invoice = call.account.get("invoice", call.id)
    if invoice["status"] not in ("open", "uncollectible"):
        raise invalid(f"You can only void open invoices; this one is {invoice['status']}.")
    return void(call.account, invoice)


def card_of(
    account: Account, customer: Object, subscription: Object | None = None
) -> Object | None:
    """What a payment is made with when nobody is present."""
    chosen = (subscription or {}).get("default_payment_method")
    chosen = chosen or customer["invoice_settings"]["default_payment_method"]
    return account.store.get(chosen) if chosen else None


OPERATIONS = {
    "GET /v1/invoices/{invoice}": retrieve("invoice"),
    "GET /v1/invoices/{invoice}/lines": Operation(_lines, ("limit", "starting_after")),
    "POST /v1/invoices/{invoice}/void": Operation(_void),
    "GET /v1/invoices": list_of(
        "invoice",
        "/v1/invoices",
        {
            "customer": "customer",
            "status": "status",
            "subscription": "parent.subscription_details.subscription",
        },
    ),
    "GET /v1/invoice_payments/{invoice_payment}": retrieve("invoice_payment"),
    "GET /v1/invoice_payments": list_of(
        "invoice_payment",
        "/v1/invoice_payments",
        {
            "invoice": "invoice",
            "status": "status",
            "payment[type]": "payment.type",
            "payment[payment_intent]": "payment.payment_intent",
        },
    ),
}
