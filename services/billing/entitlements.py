"""What payments buy: which credits, in which month, paid by whom. Nothing here touches a database.

A subscription's periods follow each other, and each of its months has an index: how many calendar
months it is after the beginning. What a month is worth depends on the lines that were paid for,
and not on the order in which we hear of them:

    25 ──────────────┬───────────── base: the period that an invoice paid for
                60   └───────────── upgrade: the rest of the month on the higher plan
                                    (60 - 25) x the share of the month that is left

A downgrade changes nothing before the next period, and climbing twice to the same plan in a month
counts once: going up and down mints no credits.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction

from services.billing import calendar_months
from services.billing.plans import MONTHS_IN_A_YEAR

FOR_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that an invoice was paid for: a period, or the rest of one on a higher plan."""

    line_id: str
    payment_id: str
    subscription_id: str
    plan: str
    credits_monthly: int
    is_annual: bool
    is_proration: bool
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Refund:
    refund_id: str
    amount_cents: int
    is_effective: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Dispute:
    dispute_id: str
    amount_cents: int
    state: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Money that came in, and what became of it since."""

    payment_id: str
    charge_id: str | None
    amount_cents: int
    credits: int
    """Of a top-up; those of a plan come month by month."""

    paid_at: datetime
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()

    @property
    def returned_at(self) -> datetime | None:
        """When the last of it had gone back; None while we have some of it."""
        gone: list[Refund | Dispute] = [r for r in self.refunds if r.is_effective]
        gone += [d for d in self.disputes if d.state == "lost"]
        if not self.amount_cents or sum(one.amount_cents for one in gone) < self.amount_cents:
            return None
        return max(one.created_at for one in gone)

    @property
    def stopped_at(self) -> datetime | None:
        """From when on it buys nothing more: it went back, or is disputed."""
        moments = [d.created_at for d in self.disputes if d.state == "open"]
        if self.returned_at:
            moments.append(self.returned_at)
        return min(moments, default=None)


@dataclass(frozen=True, slots=True)
class Part:
    """Credits of a month, and the line that paid for them."""

    line: Line
    amount: int


@dataclass(frozen=True, slots=True)
class Month:
    """What one month of a subscription is worth."""

    subscription_id: str
    index: int
    starts_at: datetime
    parts: tuple[Part, ...]

    @property
    def amount(self) -> int:
        return sum(part.amount for part in self.parts)


@dataclass(slots=True)
class Taken:
    """Credits of a payment that go back with its money."""

    by_refunds: int = 0
    by_disputes: dict[str, int] = field(default_factory=dict)


def months(
    lines: Sequence[Line], payments: Mapping[str, Payment], *, started_at: datetime, at: datetime
) -> list[Month]:
    """The months of one subscription that have begun, each index once: the worthiest of it."""
    found: dict[int, Month] = {}
    for starts_at, ends_at, base in _spans(lines, at=at):
        stopped_at = payments[base.payment_id].stopped_at
        if starts_at > base.starts_at and stopped_at and starts_at >= stopped_at:
            continue
        index = calendar_months.between(started_at, starts_at)
        paid = [(base, Fraction(1)), *_upgrades(lines, payments, base, starts_at, ends_at, at=at)]
        month = Month(base.subscription_id, index, starts_at, tuple(_parts(paid)))
        if index not in found or month.amount > found[index].amount:
            found[index] = month
    return [found[index] for index in sorted(found)]


def next_month_at(lines: Sequence[Line], *, after: datetime) -> datetime | None:
    """When the next month of a period that was paid for begins."""
    begin = (starts_at for starts_at, _, _ in _spans(lines, at=FOR_EVER))
    return min((moment for moment in begin if moment > after), default=None)


def plan_at(lines: Sequence[Line], at: datetime) -> Line | None:
    """The line whose plan counts: the highest of the latest period that has begun."""
    begun = [line for line in lines if not line.is_proration and line.starts_at <= at]
    if not begun:
        return None
    base = max(begun, key=_age)
    climbed = [
        line for line in lines if line.is_proration and base.starts_at <= line.starts_at <= at
    ]
    return max([base, *climbed], key=lambda line: line.credits_monthly)


def taken(payment: Payment, earned: int) -> Taken:
    """How many of the credits that a payment earned go back: their share of the money, floored."""
    if not payment.amount_cents:
        return Taken()
    result = Taken()
    money = sum(r.amount_cents for r in payment.refunds if r.is_effective)
    so_far = result.by_refunds = _share(payment, earned, money)
    for dispute in sorted(payment.disputes, key=lambda d: (d.created_at, d.dispute_id)):
        if dispute.state == "lost":
            money += dispute.amount_cents
            total = _share(payment, earned, money)
            result.by_disputes[dispute.dispute_id] = total - so_far
            so_far = total
    return result


def disputed(payment: Payment, dispute: Dispute, earned: int) -> int:
    """How many credits an open dispute blocks: its share of what the payment earned."""
    return _share(payment, earned, dispute.amount_cents) if payment.amount_cents else 0


def _share(payment: Payment, earned: int, cents: int) -> int:
    return earned * min(cents, payment.amount_cents) // payment.amount_cents


def _spans(lines: Sequence[Line], *, at: datetime) -> Iterator[tuple[datetime, datetime, Line]]:
    """Each month that has begun: its beginning, its end, and the period that it belongs to.

    A period that begins within another one replaces it from then on.
    """
    bases = sorted((line for line in lines if not line.is_proration), key=_age)
    for number, base in enumerate(bases):
        replaced_at = next(
            (b.starts_at for b in bases[number + 1 :] if b.starts_at > base.starts_at), base.ends_at
        )
        count = MONTHS_IN_A_YEAR if base.is_annual else 1
        for month in range(count):
            starts_at = calendar_months.after(base.starts_at, month)
            if month and starts_at >= min(replaced_at, base.ends_at):
                break
            is_last = month == count - 1
            ends_at = base.ends_at if is_last else calendar_months.after(base.starts_at, month + 1)
            if starts_at <= at:
                yield starts_at, min(ends_at, base.ends_at), base


def _upgrades(
    lines: Sequence[Line],
    payments: Mapping[str, Payment],
    base: Line,
    starts_at: datetime,
    ends_at: datetime,
    *,
    at: datetime,
) -> Iterator[tuple[Line, Fraction]]:
    """Lines of higher plans that count in this month, each with the share of it that is left."""
    for line in sorted((line for line in lines if line.is_proration), key=_age):
        if not base.starts_at <= line.starts_at < min(ends_at, base.ends_at) or line.starts_at > at:
            continue
        stopped_at = payments[line.payment_id].stopped_at
        if line.starts_at < starts_at and stopped_at and starts_at >= stopped_at:
            continue
        left = ends_at - max(starts_at, line.starts_at)
        yield line, Fraction(int(left.total_seconds()), int((ends_at - starts_at).total_seconds()))


def _parts(paid: Sequence[tuple[Line, Fraction]]) -> Iterator[Part]:
    """What each line adds; the sum is rounded down once, and not line by line."""
    highest, total, given = 0, Fraction(0), 0
    for line, share in paid:
        climb = max(0, line.credits_monthly - highest)
        total += climb * share
        highest += climb
        yield Part(line, int(total) - given)
        given = int(total)


def _age(line: Line) -> tuple[datetime, str]:
    return line.starts_at, line.line_id
