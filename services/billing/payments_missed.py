"""Missed payments: the owner is told once why a renewal was not paid, and what to do.

What is said follows from the invoice as it is now: one that was paid meanwhile is no news. The
first invoice is none either, for its owner has the page in front of them.
"""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from contracts.billing.v1 import PaymentMissed, WhyMissed
from services.billing import facts, plans
from services.billing.models import payments_missed
from services.kit.db import Connection
from services.kit.outbox import say

DETAILS: dict[WhyMissed, str] = {
    "declined": "Your card was declined, so {plan} was not renewed. Your credits stay. Please"
    " choose another card in the customer portal.",
    "confirmation": "Your bank asks you to confirm the payment for {plan}. Your credits stay."
    " Please confirm it: its invoice is in the customer portal.",
}


def why(paid: facts.PaidInvoice) -> WhyMissed | None:
    """Why an invoice waits for its owner; None if it does not."""
    invoice = paid.invoice
    if invoice.status != "open" or not invoice.attempt_count:
        return None
    if invoice.billing_reason == "subscription_create":
        return None
    return "confirmation" if paid.unpaid_by == "requires_action" else "declined"


async def tell(
    connection: Connection, account_id: UUID, invoice_id: str, *, plan: str, reason: WhyMissed
) -> None:
    """Say that a payment was missed, and why, unless that was said of this invoice."""
    new = insert(payments_missed).values(
        invoice_id=invoice_id, reason=reason, account_id=account_id
    )
    is_news = new.on_conflict_do_nothing().returning(payments_missed.c.invoice_id)
    if await connection.scalar(is_news) is None:
        return
    detail = _detail(reason, plan)
    event = PaymentMissed(account_id=account_id, plan=plan, reason=reason, detail=detail)
    await say(connection, event, about=account_id)


async def last_told(connection: Connection, account_id: UUID, *, plan: str) -> str | None:
    """What the owner was told when a payment was last missed; None if none was."""
    latest = (
        sa.select(payments_missed.c.reason)
        .where(payments_missed.c.account_id == account_id)
        .order_by(payments_missed.c.said_at.desc())
        .limit(1)
    )
    reason: WhyMissed | None = await connection.scalar(latest)
    return reason and _detail(reason, plan)


def _detail(reason: WhyMissed, plan: str) -> str:
    return DETAILS[reason].format(plan=plans.find(plan).title)
