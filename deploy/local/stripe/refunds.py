"""Refunds: money that goes back, all of it or a part; some fail a while later."""

from deploy.local.stripe import forms
from deploy.local.stripe.account import Account
from deploy.local.stripe.calls import Call, Operation
from deploy.local.stripe.errors import invalid, missing_param
from deploy.local.stripe.reading import list_of, retrieve
from deploy.local.stripe.store import Object

FAILS_AFTER_S = 5


def give_back(
    account: Account, charge: Object, *, amount: int | None = None, reason: str | None = None
) -> Object:
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["disputed"]:
        raise invalid(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
        )
    if left <= 0:
        raise invalid(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    wanted = left if amount is None else amount
    if not 1 <= wanted <= left:
        raise invalid(
            f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({left})",
            param="amount",
        )
    now = account.now(charge["customer"])
    refund = account.new(
        "refund",
        "re",
        amount=wanted,
        charge=charge["id"],
        created=now,
        currency=charge["currency"],
        payment_intent=charge["payment_intent"],
        reason=reason,
        status="succeeded",
        destination_details={"type": "card", "card": {"type": "refund"}},
        _due=now + FAILS_AFTER_S if charge["_refund_fails"] else None,
    )
    account.keep(refund)
    refunded = charge["amount_refunded"] + wanted
    account.change(charge, amount_refunded=refunded, refunded=refunded == charge["amount_captured"])
    account.tell("refund.created", refund)
    account.tell("charge.refunded", charge)
    return refund


def fail(account: Account, refund: Object) -> Object:
    """The bank did not take it: the money is with the merchant again."""
    if refund["status"] == "failed":
        raise invalid("This refund has failed already.")
    charge = account.get("charge", refund["charge"])
    account.change(
        refund,
        status="failed",
        failure_reason="expired_or_canceled_card",
        _due=None,
    )
    account.change(
        charge, amount_refunded=charge["amount_refunded"] - refund["amount"], refunded=False
    )
    for event in ("refund.updated", "charge.refund.updated", "refund.failed"):
        account.tell(event, refund)
    return refund


def _create(call: Call) -> Object:
    account, params = call.account, call.params
    if charge_id := params.get("charge"):
        charge = account.get("charge", charge_id, param="charge", status=400)
    elif intent_id := params.get("payment_intent"):
        intent = account.get("payment_intent", intent_id, param="payment_intent", status=400)
        if intent["status"] != "succeeded":
            raise invalid("This PaymentIntent does not have a successful charge to refund.",
                          param="payment_intent")  # fmt: skip
        charge = account.get("charge", intent["latest_charge"])
    else:
        raise missing_param("charge")
    amount = forms.integer(params, "amount")
    return give_back(account, charge, amount=amount, reason=params.get("reason"))


OPERATIONS = {
    "POST /v1/refunds": Operation(_create, ("charge", "payment_intent", "amount", "reason")),
    "GET /v1/refunds/{refund}": retrieve("refund"),
    "GET /v1/refunds": list_of(
        "refund", "/v1/refunds", {"charge": "charge", "payment_intent": "payment_intent"}
    ),
}
