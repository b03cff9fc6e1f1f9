"""Disputes: the cardholder's bank takes the money back, until somebody decides.

needs_response ──▶ won | lost
"""

from typing import Literal

from deploy.local.stripe.account import Account
from deploy.local.stripe.calls import Call, Operation
from deploy.local.stripe.errors import invalid
from deploy.local.stripe.reading import list_of, retrieve
from deploy.local.stripe.store import Object

RESPONSE_TIME_S = 7 * 24 * 3600
OPEN = ("needs_response", "under_review")
EVIDENCE = (
    "access_activity_log", "billing_address", "cancellation_policy",
    "cancellation_policy_disclosure", "cancellation_rebuttal", "customer_communication",
    "customer_email_address", "customer_name", "customer_purchase_ip", "customer_signature",
    "duplicate_charge_documentation", "duplicate_charge_explanation", "duplicate_charge_id",
    "product_description", "receipt", "refund_policy", "refund_policy_disclosure",
    "refund_refusal_explanation", "service_date", "service_documentation", "shipping_address",
    "shipping_carrier", "shipping_date", "shipping_documentation", "shipping_tracking_number",
    "uncategorized_file", "uncategorized_text",
)  # fmt: skip


def open_dispute(account: Account, charge: Object, *, reason: str = "fraudulent") -> Object:
    """The money is gone at once."""
    if charge["disputed"]:
        raise invalid("This charge has been disputed already.", code="charge_already_disputed")
    now = account.now(charge["customer"])
    dispute = account.new(
        "dispute",
        "du",
        amount=charge["amount"] - charge["amount_refunded"],
        balance_transactions=[],
        charge=charge["id"],
        created=now,
        currency=charge["currency"],
        enhanced_eligibility_types=[],
        evidence={**dict.fromkeys(EVIDENCE), "enhanced_evidence": {}},
        evidence_details={
            "due_by": now + RESPONSE_TIME_S,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        is_charge_refundable=False,
        payment_intent=charge["payment_intent"],
        reason=reason,
        status="needs_response",
    )
    account.keep(dispute)
    account.change(charge, disputed=True)
    account.tell("charge.dispute.created", dispute)
    account.tell("charge.dispute.funds_withdrawn", dispute)
    return dispute


def decide(account: Account, dispute: Object, outcome: Literal["won", "lost"]) -> Object:
    if dispute["status"] not in OPEN:
        raise invalid(f"This dispute is already {dispute['status']}.")
    account.change(dispute, "charge.dispute.updated", status=outcome)
    if outcome == "won":
        account.tell("charge.dispute.funds_reinstated", dispute)
    account.tell("charge.dispute.closed", dispute)
    return dispute


def _close(call: Call) -> Object:
    """To close a dispute is to accept that it is lost."""
    return decide(call.account, call.account.get("dispute", call.id), "lost")


def _update(call: Call) -> Object:
    """Stripe's test evidence decides a dispute."""
    dispute = call.account.get("dispute", call.id)
    words = (call.params.get("evidence") or {}).get("uncategorized_text", "")
    outcome: dict[str, Literal["won", "lost"]] = {
        "winning_evidence": "won", "losing_evidence": "lost",
    }  # fmt: skip
    if words in outcome:
        return decide(call.account, dispute, outcome[words])
    return call.account.change(dispute, "charge.dispute.updated", status="under_review")


OPERATIONS = {
    "GET /v1/disputes/{dispute}": retrieve("dispute"),
    "POST /v1/disputes/{dispute}": Operation(_update, ("evidence",)),
    "POST /v1/disputes/{dispute}/close": Operation(_close),
    "GET /v1/disputes": list_of(
        "dispute", "/v1/disputes", {"charge": "charge", "payment_intent": "payment_intent"}
    ),
}
