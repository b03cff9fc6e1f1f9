"""Plans, top-ups and their prices, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from contracts.message import Tier
from services.billing.errors import UnknownPlan

CURRENCY: Final = "usd"
MONTHS_PAID_IN_A_YEAR = 10


@dataclass(frozen=True, slots=True)
class Plan:
    plan: str
    title: str
    credits_monthly: int
    tier: Tier
    short_side_max: Literal[480, 720]
    price_monthly_cents: int

    @property
    def price_annual_cents(self) -> int:
        return MONTHS_PAID_IN_A_YEAR * self.price_monthly_cents


@dataclass(frozen=True, slots=True)
class TopUp:
    """Credits that are bought once."""

    credits: int
    price_cents: int


FREE = Plan("free", "Free", 3, "standard", 480, 0)

PLANS = {
    plan.plan: plan
    for plan in (
        FREE,
        Plan("remember", "Remember", 25, "priority", 720, 999),
        Plan("cherish", "Cherish", 60, "priority", 720, 1999),
        Plan("forever", "Forever", 150, "priority", 720, 3999),
    )
}
TOP_UPS = (TopUp(10, 499), TopUp(30, 1299), TopUp(100, 3999))


def find(name: str) -> Plan:
    if name not in PLANS:
        raise UnknownPlan(name, plans=list(PLANS))
    return PLANS[name]


def price_list(
    *, plan_prices: Mapping[str, int], top_up_prices: Mapping[str, int]
) -> tuple[list[Plan], list[TopUp]]:
    """What is on offer, with the prices (in cents) that differ from the default ones."""
    plans = [
        replace(plan, price_monthly_cents=plan_prices.get(name, plan.price_monthly_cents))
        for name, plan in PLANS.items()
    ]
    top_ups = [
        replace(top_up, price_cents=top_up_prices.get(str(top_up.credits), top_up.price_cents))
        for top_up in TOP_UPS
    ]
    return plans, top_ups
