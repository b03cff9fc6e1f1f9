"""Which plan an account is on, and until when: from its subscriptions and what was paid for them.

    trialing, active ──▶ what is paid for ends ──▶ 7 days of grace ──▶ no priority, the plan stays
                    └──▶ canceled, and what is paid for has ended  ──▶ free, the pool is lost

Nothing here touches a database.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.message import Tier
from services.billing import entitlements, plans
from services.billing.entitlements import Line, Payment

GRACE = timedelta(days=7)
"""A payment that fails is tried again for days; meanwhile the account keeps its priority."""

A_SECOND = timedelta(seconds=1)
"""Stripe tells moments in whole seconds: until one is over, more may begin in it."""

RUNNING = ("active", "trialing")
NEVER_BEGAN = ("incomplete", "incomplete_expired")
PAYMENT_DUE = ("past_due", "unpaid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A subscription as Stripe tells it."""

    subscription_id: str
    status: str
    plan: str
    credits_monthly: int
    is_annual: bool
    started_at: datetime
    period_ends_at: datetime
    will_end_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Cover:
    """A subscription with what was paid for it."""

    subscription: Subscription
    lines: Sequence[Line]
    payments: dict[str, Payment]

    @property
    def paid_until(self) -> datetime | None:
        """Until when there is money of it with us."""
        ends = []
        for line in self.lines:
            returned_at = self.payments[line.payment_id].returned_at
            ends.append(min(line.ends_at, returned_at) if returned_at else line.ends_at)
        return max(ends, default=None)

    @property
    def is_real(self) -> bool:
        """Whether it ever gave anything."""
        return bool(self.lines) or self.subscription.status in RUNNING

    @property
    def ends_at(self) -> datetime | None:
        """When it is over: never before what was paid for is. None while it goes on."""
        ended_at = self.subscription.ended_at
        if ended_at is None:
            return None
        return max(ended_at, self.paid_until or ended_at)

    @property
    def grace_ends_at(self) -> datetime:
        """Until when it has priority."""
        until = self.paid_until
        if self.subscription.status in RUNNING or until is None:
            until = max(self.subscription.period_ends_at, until or self.subscription.started_at)
        return until + GRACE

    def is_over(self, at: datetime) -> bool:
        return self.ends_at is not None and self.ends_at <= at

    def plan_at(self, at: datetime) -> tuple[str, int]:
        """The plan that counts, with its credits; a higher one that is running counts at once."""
        line = entitlements.plan_at(self.lines, at)
        asked = (self.subscription.plan, self.subscription.credits_monthly)
        if line is None:
            return asked
        paid = (line.plan, line.credits_monthly)
        return max(paid, asked, key=_worth) if self.subscription.status in RUNNING else paid


@dataclass(frozen=True, slots=True)
class Standing:
    """What processing and credits are told of an account."""

    plan: str
    tier: Tier
    cover: Cover | None = None


FREE = Standing(plans.FREE.plan, plans.FREE.tier)


def standing(covers: Sequence[Cover], at: datetime) -> Standing:
    """The best of the subscriptions that are not over; the free plan when there is none."""
    best: tuple[int, Tier, str, Cover] | None = None
    for cover in covers:
        if not cover.is_real or cover.is_over(at):
            continue
        plan, worth = cover.plan_at(at)
        has_priority = cover.ends_at is not None or at < cover.grace_ends_at
        tier = plans.find(plan).tier if has_priority else plans.FREE.tier
        if best is None or (has_priority, worth) > (best[1] == "priority", best[0]):
            best = (worth, tier, plan, cover)
    return Standing(best[2], best[1], best[3]) if best else FREE


def loses_pool(cover: Cover, covers: Sequence[Cover], at: datetime) -> bool:
    """Whether the pool was lost with this subscription: no other one went on when it ended.

    One that began in the very second in which it ended went on.
    """
    ends_at = cover.ends_at
    if ends_at is None or at < ends_at + A_SECOND or not cover.lines:
        return False
    return not any(
        other is not cover
        and other.is_real
        and other.subscription.started_at <= ends_at
        and (other.ends_at is None or other.ends_at > ends_at)
        for other in covers
    )


def next_look_at(covers: Sequence[Cover], at: datetime) -> datetime | None:
    """When something changes by itself: a month begins, a grace or a subscription ends."""
    moments: list[datetime | None] = []
    for cover in covers:
        if cover.ends_at:
            moments.append(cover.ends_at + A_SECOND)
        if cover.is_over(at):
            continue
        moments += [cover.ends_at, cover.grace_ends_at]
        moments.append(entitlements.next_month_at(cover.lines, after=at))
    return min((moment for moment in moments if moment and moment > at), default=None)


def _worth(plan: tuple[str, int]) -> int:
    return plan[1]
