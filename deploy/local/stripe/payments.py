"""Payment intents, and the charges that are tried for them.

requires_payment_method ──▶ succeeded
   ▲        │   ▲              ▲
   └ decline┘   └── requires_action (3-D Secure)
processing ──▶ succeeded | requires_payment_method    (money that comes later)
"""

from typing import Any

from deploy.local.stripe import cards, disputes, forms
from deploy.local.stripe.account import Account, new_id
from deploy.local.stripe.calls import Call, Operation
from deploy.local.stripe.errors import invalid
from deploy.local.stripe.reading import list_of, retrieve
from deploy.local.stripe.store import Object

AMOUNT_MIN = 50
PAYABLE = ("requires_payment_method", "requires_confirmation", "requires_action")


def open_intent(
    account: Account, *, customer: str | None, amount: int, currency: str, **fields: Any
) -> Object:
    """An intent that waits for a card."""
    intent = account.new(
        "payment_intent",
        "pi",
        amount=amount,
        amount_capturable=0,
        amount_details={"tip": {}},
        amount_received=0,
        capture_method="automatic_async",
        confirmation_method="automatic",
        currency=currency,
        customer=customer,
        payment_method_types=["card"],
        status="requires_payment_method",
        excluded_payment_method_types=None,
        **fields,
    )
    intent["client_secret"] = f"{intent['id']}_secret_{new_id('')[1:]}"
    account.keep(intent)
    account.tell("payment_intent.created", intent)
    return intent


def attempt(
    account: Account,
    intent: Object,
    method: Object,
    *,
    is_present: bool,
    has_agreed: bool = False,
) -> Object:
    """Try to take the money. Whoever is present may be asked; then call again, agreed."""
    known = cards.behaviour(method)
    asks = known.asks and (is_present or method["_number"] == cards.ASKS_EVERY_TIME)
    if asks and not has_agreed:
        return _ask(account, intent, method)
    if known.decline:
        return _decline(account, intent, method, known.decline)
    return succeed(account, intent, method)


def succeed(account: Account, intent: Object, method: Object | None) -> Object:
    charge = _charge(account, intent, method, status="succeeded", paid=True, captured=True)
    account.change(
        intent,
        status="succeeded",
        amount_received=intent["amount"],
        latest_charge=charge["id"],
        payment_method=method and method["id"],
        next_action=None,
        last_payment_error=None,
        _due=None,
    )
    account.tell("charge.succeeded", charge)
    account.tell("payment_intent.succeeded", intent)
    if method and cards.behaviour(method).disputes:
        disputes.open_dispute(account, charge)
    return intent


def decline_question(account: Account, intent: Object, method: Object) -> Object:
    """Its owner did not agree."""
    return _decline(account, intent, method, "authentication_required")


def fail_later(account: Account, intent: Object) -> Object:
    """Money that was on its way did not come."""
    account.change(intent, status="requires_payment_method", _due=None)
    account.tell("payment_intent.payment_failed", intent)
    return intent


def _ask(account: Account, intent: Object, method: Object) -> Object:
    page = {"url": f"{account.url}/3ds/{intent['id']}", "return_url": None}
    account.change(
        intent,
        status="requires_action",
        payment_method=method["id"],
        next_action={"type": "redirect_to_url", "redirect_to_url": page},
    )
    account.tell("payment_intent.requires_action", intent)
    return intent


def _decline(account: Account, intent: Object, method: Object, decline: str) -> Object:
    code = cards.behaviour(method).code
    if decline == "authentication_required":
        code = "payment_intent_authentication_failure"
    charge = _charge(
        account, intent, method, status="failed", paid=False, captured=False,
        failure_code=code, failure_message=cards.message(decline),
    )  # fmt: skip
    error = {
        "type": "card_error",
        "code": code,
        "decline_code": decline,
        "message": cards.message(decline),
        "charge": charge["id"],
    }
    account.change(
        intent,
        status="requires_payment_method",
        latest_charge=charge["id"],
        last_payment_error=error,
        payment_method=None,
        next_action=None,
    )
    account.tell("charge.failed", charge)
    account.tell("payment_intent.payment_failed", intent)
    return intent


def _charge(account: Account, intent: Object, method: Object | None, **fields: Any) -> Object:
    is_paid = fields["paid"]
    details = None
    if method:
        card = {**method["card"], "amount_authorized": intent["amount"], "authorization_code": None}
        for name in ("display_brand", "generated_from"):
            card.pop(name, None)
        card |= {
            "installments": None, "mandate": None, "network": card["brand"], "network_token": None,
            "network_transaction_id": None, "three_d_secure": None,
        }  # fmt: skip
        card.pop("networks", None)
        card.pop("three_d_secure_usage", None)
        details = {"type": "card", "card": card}
    return account.keep(
        account.new(
            "charge",
            "ch",
            amount=intent["amount"],
            amount_captured=intent["amount"] if is_paid else 0,
            amount_refunded=0,
            billing_details={
                "address": None, "email": None, "name": None, "phone": None, "tax_id": None,
            },
            currency=intent["currency"],
            customer=intent["customer"],
            disputed=False,
            payment_intent=intent["id"],
            payment_method=method and method["id"],
            payment_method_details=details,
            refunded=False,
            fraud_details={},
            _refund_fails=bool(method and cards.behaviour(method).refund_fails),
            **fields,
        )
    )  # fmt: skip


def _create(call: Call) -> Object:
    amount = forms.integer(call.params, "amount", 0) or 0
    if amount < AMOUNT_MIN:
        raise invalid(
            f"Amount must be at least {AMOUNT_MIN} cents", param="amount", code="amount_too_small"
        )
    intent = open_intent(
        call.account,
        customer=call.params.get("customer"),
        amount=amount,
        currency=forms.require(call.params, "currency"),
        metadata=forms.mapping(call.params, "metadata"),
    )
    if forms.boolean(call.params, "confirm"):
        return _confirmed(call, intent)
    return intent


def _confirm(call: Call) -> Object:
    intent = call.account.get("payment_intent", call.id)
    if intent["status"] not in PAYABLE:
        raise invalid(
            f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}.",
            code="payment_intent_unexpected_state",
        )
    return _confirmed(call, intent)


def _confirmed(call: Call, intent: Object) -> Object:
    token = forms.require(call.params, "payment_method")
    method = (
        cards.of_number(call.account, cards.BY_TOKEN[token])
        if token in cards.BY_TOKEN
        else call.account.get("payment_method", token, param="payment_method", status=400)
    )
    assert method
    attempt(call.account, intent, method, is_present=True)
    if intent["last_payment_error"]:
        # What was tried stays known, as at Stripe; hence not a refusal raised in the transaction.
        call.fail(cards.declined(cards.behaviour(method), payment_intent=intent))
    return intent


def _cancel(call: Call) -> Object:
    intent = call.account.get("payment_intent", call.id)
    if intent["status"] not in PAYABLE:
        raise invalid(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}.",
            code="payment_intent_unexpected_state",
        )
    call.account.change(intent, status="canceled", canceled_at=call.account.now())
    call.account.tell("payment_intent.canceled", intent)
    return intent


OPERATIONS = {
    "POST /v1/payment_intents": Operation(
        _create,
        (
            "amount",
            "automatic_payment_methods",
            "confirm",
            "currency",
            "customer",
            "metadata",
            "payment_method",
        ),
    ),
    "POST /v1/payment_intents/{intent}/confirm": Operation(_confirm, ("payment_method",)),
    "POST /v1/payment_intents/{intent}/cancel": Operation(_cancel),
    "GET /v1/payment_intents/{intent}": retrieve("payment_intent"),
    "GET /v1/payment_intents": list_of(
        "payment_intent", "/v1/payment_intents", {"customer": "customer"}
    ),
    "GET /v1/charges/{charge}": retrieve("charge"),
    "GET /v1/charges": list_of(
        "charge", "/v1/charges", {"customer": "customer", "payment_intent": "payment_intent"}
    ),
}
