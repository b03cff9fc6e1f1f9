"""Write down what Stripe says of a customer, if it fits our books.

What does not fit (a price that is not ours, another currency, somebody else's customer) is refused
as a whole: nothing moves, and an operator is told.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert

from services.billing import customers, facts, payments_missed, prices
from services.billing.customers import Leased
from services.billing.errors import Refused
from services.billing.models import (
    checkouts,
    disputes,
    paid_lines,
    payments,
    refunds,
    stripe_subscriptions,
)
from services.billing.plans import CURRENCY, Item
from services.kit.db import Connection

PAID = ("paid", "no_payment_required")

log = structlog.get_logger()

Items = Mapping[str, Item]


async def record(connection: Connection, leased: Leased, found: facts.Found) -> None:
    """Bring what we know of a customer up to what Stripe says now."""
    items = await prices.items(connection)
    for subscription in found.subscriptions:
        await _subscription(connection, leased, subscription, items)
    for invoice in found.invoices:
        await _invoice(connection, leased, invoice, items)
    for session in found.sessions:
        await _session(connection, leased, session, items)
    if found.is_deleted:
        await customers.mark_deleted(connection, leased.customer_id)


async def _subscription(
    connection: Connection, leased: Leased, seen: facts.Subscription, items: Items
) -> None:
    _require_owner(leased, seen.customer)
    item = items.get(seen.item.price.id)
    if item is None or item.plan is None:
        log.error("subscription.unknown_price", subscription_id=seen.id)
        return
    _require_currency(seen.item.price.currency)
    state = {
        "status": seen.status,
        "price_id": seen.item.price.id,
        "plan": item.plan,
        "credits_monthly": item.credits * seen.item.quantity,
        "is_annual": item.is_annual,
        "amount_cents": (seen.item.price.unit_amount or 0) * seen.item.quantity,
        "will_end_at": seen.will_end_at,
        "period_ends_at": seen.item.current_period_end,
        "ended_at": seen.ended_at,
    }
    new = insert(stripe_subscriptions).values(
        subscription_id=seen.id,
        customer_id=leased.customer_id,
        account_id=leased.account_id,
        started_at=seen.start_date,
        **state,
    )
    await _upsert(connection, new, stripe_subscriptions.c.subscription_id, state)


async def _invoice(
    connection: Connection, leased: Leased, paid: facts.PaidInvoice, items: Items
) -> None:
    invoice, money = paid.invoice, paid.money
    _require_owner(leased, invoice.customer)
    lines = [line for line in invoice.lines if _buys(line)]
    if (reason := payments_missed.why(paid)) and lines:
        item = items.get(lines[-1].price_id or "")
        if item and item.plan:
            await payments_missed.tell(
                connection, leased.account_id, invoice.id, plan=item.plan, reason=reason
            )
    if invoice.status != "paid" or not lines:
        return
    _require_currency(invoice.currency)
    payment_id = await _payment(
        connection,
        leased,
        money,
        source="plan",
        source_id=invoice.id,
        # Paid past Stripe, or with what the customer had there already.
        amount_cents=invoice.amount_paid,
        credits=0,
        paid_at=invoice.paid_at,
    )
    for line in lines:
        item = items.get(line.price_id or "")
        if item is None or item.plan is None:
            raise Refused(f"invoice {invoice.id}: its price {line.price_id} is not ours")
        new = insert(paid_lines).values(
            line_id=line.id,
            payment_id=payment_id,
            account_id=leased.account_id,
            subscription_id=line.subscription,
            plan=item.plan,
            credits_monthly=item.credits * (line.quantity or 1),
            is_annual=item.is_annual,
            is_proration=line.is_proration,
            amount_cents=line.amount - sum(one.amount for one in line.discount_amounts or ()),
            starts_at=line.starts_at,
            ends_at=line.ends_at,
        )
        await connection.execute(new.on_conflict_do_nothing())


def _buys(line: facts.InvoiceLine) -> bool:
    """Whether a line buys time on a plan: neither a trial, nor what is left of a lower one."""
    return line.subscription is not None and line.amount > 0 and line.starts_at < line.ends_at


async def _session(
    connection: Connection, leased: Leased, paid: facts.PaidSession, items: Items
) -> None:
    session = paid.session
    _require_owner(leased, session.customer)
    is_paid = session.status == "complete" and session.payment_status in PAID
    is_on_its_way = paid.money is not None and paid.money.intent.status == "processing"
    if not is_on_its_way:
        await _settle_checkout(connection, session, is_paid=is_paid)
    if session.mode != "payment" or not is_paid:
        return
    _require_currency(session.currency)
    await _payment(
        connection,
        leased,
        paid.money,
        source="top_up",
        source_id=session.id,
        amount_cents=0,
        credits=sum(_credits_of(line, items) for line in session.lines),
        paid_at=session.created,
    )


def _credits_of(line: facts.SessionLine, items: Items) -> int:
    item = items.get(line.price.id)
    if item is None or item.plan is not None:
        raise Refused(f"a checkout's price {line.price.id} is not one of our top-ups")
    return item.credits * line.quantity


async def _settle_checkout(
    connection: Connection, session: facts.Session, *, is_paid: bool
) -> None:
    """Tell whoever waits for a checkout how it ended."""
    state = "paid" if is_paid else "expired" if session.status == "expired" else "failed"
    if session.status == "open" or (state == "failed" and session.payment_status != "unpaid"):
        return
    c = checkouts.c
    await connection.execute(
        sa.update(checkouts)
        .where(c.session_id == session.id, c.state != "paid")
        .values(state=state)
    )


async def _payment(
    connection: Connection,
    leased: Leased,
    money: facts.Money | None,
    *,
    source: str,
    source_id: str,
    amount_cents: int,
    credits: int,  # noqa: A002  # the product's word
    paid_at: Any,
) -> str:
    """Write a payment down with what went back of it; its id."""
    if money and money.intent.status != "succeeded":
        raise Refused(f"{source_id} counts as paid, and its payment as {money.intent.status}")
    charge = money.intent.latest_charge if money else None
    payment_id = money.intent.id if money else source_id
    new = insert(payments).values(
        payment_id=payment_id,
        account_id=leased.account_id,
        charge_id=charge.id if charge else None,
        source=source,
        source_id=source_id,
        amount_cents=money.intent.amount_received if money else amount_cents,
        credits=credits,
        paid_at=charge.created if charge else paid_at,
    )
    await connection.execute(new.on_conflict_do_nothing())
    if money:
        _require_owner(leased, money.intent.customer)
        _require_currency(money.intent.currency)
        await _refunds(connection, payment_id, money.refunds)
        await _disputes(connection, payment_id, money.disputes)
    return payment_id


async def _refunds(connection: Connection, payment_id: str, seen: Iterable[facts.Refund]) -> None:
    for refund in seen:
        state = {"amount_cents": refund.amount, "is_effective": refund.is_effective}
        new = insert(refunds).values(
            refund_id=refund.id, payment_id=payment_id, created_at=refund.created, **state
        )
        await _upsert(connection, new, refunds.c.refund_id, state)


async def _disputes(connection: Connection, payment_id: str, seen: Iterable[facts.Dispute]) -> None:
    for dispute in seen:
        if dispute.state is None:
            continue
        state = {"amount_cents": dispute.amount, "state": dispute.state}
        new = insert(disputes).values(
            dispute_id=dispute.id, payment_id=payment_id, created_at=dispute.created, **state
        )
        await _upsert(connection, new, disputes.c.dispute_id, state)


async def _upsert(connection: Connection, new: Any, key: Any, state: dict[str, Any]) -> None:
    """Write a row, or bring it up to date; what is the same already stays untouched."""
    differs = sa.or_(*(new.table.c[name].is_distinct_from(value) for name, value in state.items()))
    await connection.execute(
        new.on_conflict_do_update(index_elements=[key], set_=state, where=differs)
    )


def _require_owner(leased: Leased, customer_id: str | None) -> None:
    if customer_id != leased.customer_id:
        raise Refused(f"this belongs to the customer {customer_id}, not {leased.customer_id}")


def _require_currency(currency: str | None) -> None:
    if currency != CURRENCY:
        raise Refused(f"it is paid for in {currency}, and we sell in {CURRENCY}")
