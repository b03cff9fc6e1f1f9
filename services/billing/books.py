"""An account's books: what Stripe told us of it, and what credits was told because of that."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from services.billing.entitlements import Dispute, Line, Payment, Refund
from services.billing.models import (
    credit_moves,
    disputes,
    paid_lines,
    payments,
    refunds,
    stripe_subscriptions,
)
from services.billing.standing import Cover, Subscription
from services.kit.db import Connection


@dataclass(frozen=True, slots=True)
class Move:
    """Something that credits was told once."""

    cause: str
    kind: str
    subject_id: str
    month_index: int | None
    amount: int


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that decides what an account may have."""

    covers: tuple[Cover, ...]
    payments: dict[str, Payment]
    moves: list[Move]

    def told(self, kind: str, subject_id: str) -> int:
        """How many credits we have said this of so far."""
        return sum(
            move.amount
            for move in self.moves
            if move.kind == kind and move.subject_id == subject_id
        )

    def find(self, kind: str, subject_id: str) -> Move | None:
        """The first time that we said this."""
        found = (m for m in self.moves if m.kind == kind and m.subject_id == subject_id)
        return next(found, None)


async def read(connection: Connection, account_id: UUID) -> Books:
    """The books of an account as they are in this transaction."""
    paid = {payment.payment_id: payment for payment in await _payments(connection, account_id)}
    lines: dict[str, list[Line]] = defaultdict(list)
    for line in await _lines(connection, account_id):
        lines[line.subscription_id].append(line)
    covers = tuple(
        Cover(subscription, lines[subscription.subscription_id], paid)
        for subscription in await _subscriptions(connection, account_id)
    )
    m = credit_moves.c
    said = await connection.execute(
        sa.select(m.cause, m.kind, m.subject_id, m.month_index, m.amount)
        .where(m.account_id == account_id)
        .order_by(m.said_at, m.cause)
    )
    return Books(covers, paid, [Move(*row) for row in said])


async def _subscriptions(connection: Connection, account_id: UUID) -> Sequence[Subscription]:
    s = stripe_subscriptions.c
    rows = await connection.execute(
        sa.select(stripe_subscriptions)
        .where(s.account_id == account_id)
        .order_by(s.started_at, s.subscription_id)
    )
    return [
        Subscription(
            subscription_id=row.subscription_id,
            status=row.status,
            plan=row.plan,
            credits_monthly=row.credits_monthly,
            is_annual=row.is_annual,
            started_at=row.started_at,
            period_ends_at=row.period_ends_at,
            will_end_at=row.will_end_at,
            ended_at=row.ended_at,
        )
        for row in rows
    ]


async def _lines(connection: Connection, account_id: UUID) -> Sequence[Line]:
    rows = await connection.execute(
        sa.select(paid_lines).where(paid_lines.c.account_id == account_id)
    )
    return [
        Line(
            line_id=row.line_id,
            payment_id=row.payment_id,
            subscription_id=row.subscription_id,
            plan=row.plan,
            credits_monthly=row.credits_monthly,
            is_annual=row.is_annual,
            is_proration=row.is_proration,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
        )
        for row in rows
    ]


async def _payments(connection: Connection, account_id: UUID) -> Sequence[Payment]:
    of_account = payments.c.account_id == account_id
    rows = (await connection.execute(sa.select(payments).where(of_account))).all()
    ids = [row.payment_id for row in rows]
    back: dict[str, list[Refund]] = defaultdict(list)
    for row in await connection.execute(
        sa.select(refunds).where(refunds.c.payment_id.in_(ids)).order_by(refunds.c.refund_id)
    ):
        one = Refund(row.refund_id, row.amount_cents, row.is_effective, row.created_at)
        back[row.payment_id].append(one)
    contested: dict[str, list[Dispute]] = defaultdict(list)
    for row in await connection.execute(
        sa.select(disputes).where(disputes.c.payment_id.in_(ids)).order_by(disputes.c.dispute_id)
    ):
        case = Dispute(row.dispute_id, row.amount_cents, row.state, row.created_at)
        contested[row.payment_id].append(case)
    return [
        Payment(
            payment_id=row.payment_id,
            charge_id=row.charge_id,
            amount_cents=row.amount_cents,
            credits=row.credits,
            paid_at=row.paid_at,
            refunds=tuple(back[row.payment_id]),
            disputes=tuple(contested[row.payment_id]),
        )
        for row in rows
    ]
