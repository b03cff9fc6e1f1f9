"""Settle an account: compare what its payments entitle it to with what was said, and say the rest.

What is due follows from the books alone, so that it does not matter which event came first, twice
or never: whoever settles last says what is missing. A cause is written down with what is said
because of it, in the same transaction, and is unique: nothing is ever said twice.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from contracts.billing.v1 import (
    CreditsBlocked,
    CreditsPurchased,
    CreditsRestored,
    CreditsRevoked,
    CreditsUnblocked,
    SubscriptionEnded,
)
from contracts.message import Event
from services.billing import books, entitlements, plans, standing, subscriptions
from services.billing.books import Books, Move
from services.billing.entitlements import Dispute, Month, Payment
from services.billing.models import credit_moves
from services.billing.models import subscriptions as accounts
from services.billing.standing import Cover
from services.kit import outbox
from services.kit.db import Connection

A_MOMENT = timedelta(microseconds=1)


@dataclass(slots=True)
class _Said:
    """What is said of one account in this transaction, in order."""

    account_id: UUID
    books: Books
    events: list[Event] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)

    def cause(self, wanted: str) -> str:
        """The cause itself, or the next one of its name when that was said before."""
        taken = {move.cause for move in self.books.moves}
        number, cause = 1, wanted
        while cause in taken:
            number += 1
            cause = f"{wanted}:{number}"
        return cause

    def say(self, event: Event, move: Move) -> None:
        self.events.append(event)
        self.moves.append(move)
        self.books.moves.append(move)

    @property
    def report(self) -> list[str]:
        return [f"{move.kind} {move.amount} ({move.cause})" for move in self.moves]


async def settle(connection: Connection, account_id: UUID, *, at: datetime) -> list[str]:
    """Say what is missing because of an event; what changed, in words for a report.

    A moment that has come meanwhile is left to `settle_by_clock`: until then the account's clock
    stands still just before it.
    """
    due_at = await subscriptions.lock(connection, account_id)
    is_late = due_at is not None and due_at <= at
    until = due_at - A_MOMENT if due_at and is_late else at
    said = _Said(account_id, await books.read(connection, account_id))
    _say_credits(said, until)
    await _write(connection, said)
    if is_late:
        return said.report
    if _endings(said.books, at):
        await _look_again(connection, account_id, at)
        return said.report
    return [*said.report, *await _follow(connection, said, at)]


async def settle_by_clock(connection: Connection, account_id: UUID, *, at: datetime) -> list[str]:
    """Say what is missing because a moment has come: a month, the end of a grace or a plan.

    To be called when Stripe's latest word was read. Only here a pool is lost: a renewal that is on
    its way must not come too late.
    """
    await subscriptions.lock(connection, account_id)
    said = _Said(account_id, await books.read(connection, account_id))
    _say_credits(said, at)
    for cover in _endings(said.books, at):
        assert cover.ends_at is not None, account_id
        name = cover.subscription.subscription_id
        event = SubscriptionEnded(
            account_id=account_id, cause=f"forfeit:{name}", ended_at=cover.ends_at
        )
        said.say(event, Move(event.cause, "forfeit", name, None, 0))
    await _write(connection, said)
    return [*said.report, *await _follow(connection, said, at)]


def _say_credits(said: _Said, at: datetime) -> None:
    """Everything that payments give, and take back."""
    months = _months(said.books, at)
    earned = _earned(said.books, months)
    _grant_top_ups(said)
    _grant_months(said, months)
    for payment in said.books.payments.values():
        _take_back(said, payment, earned[payment.payment_id])


async def _follow(connection: Connection, said: _Said, at: datetime) -> list[str]:
    """Put the account on the plan that is paid for; what changed."""
    found = standing.standing(said.books.covers, at)
    moved = await subscriptions.follow(
        connection, said.account_id, plan=found.plan, tier=found.tier, at=at
    )
    await _look_again(connection, said.account_id, standing.next_look_at(said.books.covers, at))
    return [f"plan {found.plan}, {found.tier}"] if moved else []


def _endings(of: Books, at: datetime) -> list[Cover]:
    """Subscriptions whose end has cost the pool, and nobody was told."""
    return [
        cover
        for cover in of.covers
        if standing.loses_pool(cover, of.covers, at)
        and not of.find("forfeit", cover.subscription.subscription_id)
    ]


def _months(of: Books, at: datetime) -> list[Month]:
    """Months that have begun. One that was given has: another process's clock was ahead of ours."""
    given = {(move.subject_id, move.month_index) for move in of.moves if move.kind == "grant"}
    return [
        month
        for cover in of.covers
        for month in entitlements.months(
            cover.lines,
            of.payments,
            started_at=cover.subscription.started_at,
            at=entitlements.FOR_EVER,
        )
        if month.starts_at <= at or (month.subscription_id, month.index) in given
    ]


def _earned(of: Books, months: list[Month]) -> dict[str, int]:
    """How many credits each payment has bought so far."""
    earned: dict[str, int] = defaultdict(int)
    for payment in of.payments.values():
        earned[payment.payment_id] += payment.credits
    for month in months:
        for part in month.parts:
            earned[part.line.payment_id] += part.amount
    return earned


def _grant_top_ups(said: _Said) -> None:
    for payment in said.books.payments.values():
        cause = f"topup:{payment.payment_id}"
        if not payment.credits or said.books.find("grant", payment.payment_id):
            continue
        event = CreditsPurchased(
            account_id=said.account_id,
            cause=cause,
            amount=payment.credits,
            reason=f"Bought: {payment.credits} credits",
            paid_at=payment.paid_at,
        )
        said.say(event, Move(cause, "grant", payment.payment_id, None, payment.credits))


def _grant_months(said: _Said, months: list[Month]) -> None:
    given: dict[tuple[str, int], int] = defaultdict(int)
    for move in said.books.moves:
        if move.month_index is not None:
            given[move.subject_id, move.month_index] += (
                move.amount if move.kind == "grant" else -move.amount
            )
    for month in months:
        missing = month.amount - given.pop((month.subscription_id, month.index), 0)
        if missing > 0:
            _grant(said, month, missing)
        elif missing < 0:
            _correct(said, month.subscription_id, month.index, -missing)
    for (subscription_id, index), surplus in given.items():
        if surplus > 0:
            _correct(said, subscription_id, index, surplus)


def _grant(said: _Said, month: Month, missing: int) -> None:
    """Say what a month is worth, or what it is worth more by now."""
    paying = [part for part in month.parts if part.amount][-1].line
    is_first = missing == month.amount
    title = plans.find(paying.plan).title
    event = CreditsPurchased(
        account_id=said.account_id,
        cause=said.cause(
            f"sub:{month.subscription_id}:{month.index}"
            if is_first
            else f"upgrade:{paying.line_id}"
        ),
        amount=missing,
        reason=f"{title}: credits for the month of {month.starts_at:%-d %B %Y}"
        if is_first
        else f"{title}: the difference for the rest of the month",
        paid_at=max(said.books.payments[paying.payment_id].paid_at, month.starts_at),
    )
    said.say(event, Move(event.cause, "grant", month.subscription_id, month.index, missing))


def _correct(said: _Said, subscription_id: str, index: int, surplus: int) -> None:
    """Take back a month that was given before we heard that its money had gone back."""
    event = CreditsRevoked(
        account_id=said.account_id,
        cause=said.cause(f"claw:{subscription_id}:{index}"),
        amount=surplus,
        reason="Taken back: this month was not paid for after all",
    )
    said.say(event, Move(event.cause, "revoke", subscription_id, index, surplus))


def _take_back(said: _Said, payment: Payment, earned: int) -> None:
    """Take the credits of money that went back; give back those of money that came back."""
    taken = entitlements.taken(payment, earned)
    refunded = sum(r.amount_cents for r in payment.refunds if r.is_effective)
    source = payment.charge_id or payment.payment_id
    failed = [r.refund_id for r in payment.refunds if not r.is_effective]
    _adjust(
        said,
        payment.payment_id,
        taken.by_refunds,
        revoked=(f"claw:{source}:{refunded}", "Taken back: the payment was refunded"),
        restored=(
            f"reinstate:{failed[-1] if failed else source}",
            "Given back: the refund did not go through",
        ),
    )
    for dispute in payment.disputes:
        _contest(said, payment, dispute, earned, lost=taken.by_disputes.get(dispute.dispute_id, 0))


def _contest(said: _Said, payment: Payment, dispute: Dispute, earned: int, *, lost: int) -> None:
    """Block the credits of a disputed payment, and undo or finish that when it is decided."""
    name = f"disp:{dispute.dispute_id}"
    block = said.books.find("block", dispute.dispute_id)
    is_blocked = block is not None and not (
        said.books.find("unblock", dispute.dispute_id)
        or said.books.find("revoke", dispute.dispute_id)
    )
    blocked_by = block.cause if block and is_blocked else None
    amount = entitlements.disputed(payment, dispute, earned)
    if dispute.state == "open" and block is None and amount > 0:
        blocking = CreditsBlocked(
            account_id=said.account_id,
            cause=f"{name}:block",
            amount=amount,
            reason="Blocked: the payment is disputed",
        )
        said.say(blocking, Move(blocking.cause, "block", dispute.dispute_id, None, amount))
    _adjust(
        said,
        dispute.dispute_id,
        lost,
        revoked=(f"{name}:lost", "Taken back: the dispute was lost"),
        restored=(f"{name}:returned", "Given back: the dispute was decided again"),
        blocked_by=blocked_by,
    )
    if dispute.state != "open" and blocked_by and not lost:
        unblocking = CreditsUnblocked(
            account_id=said.account_id,
            cause=f"{name}:won",
            blocked_by=blocked_by,
            reason="Free again: the dispute is over",
        )
        said.say(unblocking, Move(unblocking.cause, "unblock", dispute.dispute_id, None, 0))


def _adjust(
    said: _Said,
    subject_id: str,
    wanted: int,
    *,
    revoked: tuple[str, str],
    restored: tuple[str, str],
    blocked_by: str | None = None,
) -> None:
    """Bring what was taken because of a payment or a dispute to what is to be taken of it."""
    missing = (
        wanted - said.books.told("revoke", subject_id) + said.books.told("restore", subject_id)
    )
    if missing > 0:
        cause, reason = said.cause(revoked[0]), revoked[1]
        event = CreditsRevoked(
            account_id=said.account_id,
            cause=cause,
            amount=missing,
            reason=reason,
            blocked_by=blocked_by,
        )
        said.say(event, Move(cause, "revoke", subject_id, None, missing))
    elif missing < 0:
        cause, reason = said.cause(restored[0]), restored[1]
        back = CreditsRestored(
            account_id=said.account_id, cause=cause, amount=-missing, reason=reason
        )
        said.say(back, Move(cause, "restore", subject_id, None, -missing))


async def _write(connection: Connection, said: _Said) -> None:
    if not said.moves:
        return
    rows = [
        {
            "cause": move.cause,
            "account_id": said.account_id,
            "kind": move.kind,
            "subject_id": move.subject_id,
            "month_index": move.month_index,
            "amount": move.amount,
            # One transaction has one now(): the order of the saying is kept.
            "said_at": sa.func.clock_timestamp(),
        }
        for move in said.moves
    ]
    for row in rows:
        await connection.execute(sa.insert(credit_moves).values(**row))
    await outbox.write(
        connection, [outbox.event(event, about=said.account_id) for event in said.events]
    )


async def _look_again(connection: Connection, account_id: UUID, due_at: datetime | None) -> None:
    a = accounts.c
    await connection.execute(
        sa.update(accounts)
        .where(a.account_id == account_id, a.due_at.is_distinct_from(due_at))
        .values(due_at=due_at)
    )
