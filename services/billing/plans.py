"""Plans, top-ups and their prices, as data; and everything of them that can be bought."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from contracts.message import Tier
from services.billing.errors import UnknownPlan

CURRENCY: Final = "usd"
MONTHS_PAID_IN_A_YEAR = 10
MONTHS_IN_A_YEAR = 12

Interval = Literal["month", "year"]


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


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be bought; Stripe knows its price by the lookup key."""

    lookup_key: str
    title: str
    price_cents: int
    credits: int
    plan: str | None = None
    interval: Interval | None = None

    @property
    def is_annual(self) -> bool:
        return self.interval == "year"

    @property
    def product_key(self) -> str:
        """Both intervals of a plan are prices of one product."""
        return f"rekindle_{self.plan}" if self.plan else self.lookup_key


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


def plan_key(plan: str, interval: Interval) -> str:
    """The lookup key of a plan's price."""
    return f"rekindle_{plan}_{interval}"


def top_up_key(amount: int) -> str:
    """The lookup key of a top-up's price."""
    return f"rekindle_top_up_{amount}"


def items(plans: Sequence[Plan], top_ups: Sequence[TopUp]) -> Iterator[Item]:
    """Everything that can be bought of what is on offer."""
    for plan in plans:
        if plan.price_monthly_cents == 0:
            continue
        priced: tuple[tuple[Interval, int], ...] = (
            ("month", plan.price_monthly_cents),
            ("year", plan.price_annual_cents),
        )
        for interval, cents in priced:
            key = plan_key(plan.plan, interval)
            title = f"Rekindle {plan.title}"
            yield Item(key, title, cents, plan.credits_monthly, plan.plan, interval)
    for top_up in top_ups:
        title = f"{top_up.credits} Rekindle credits"
        yield Item(top_up_key(top_up.credits), title, top_up.price_cents, top_up.credits)


ITEMS = {item.lookup_key: item for item in items(list(PLANS.values()), TOP_UPS)}
"""By lookup key. What it costs is in the price list: settings may change that."""
