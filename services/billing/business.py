"""Figures of the business, each with its definition beside the query that computes it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel

from services.billing import plans
from services.kit.client import ServiceClient
from services.kit.db import Connection
from services.kit.problems import Unavailable

WINDOW = timedelta(days=30)
OK = 200


@dataclass(frozen=True, slots=True)
class Figure:
    """How something is counted: in words for people, and as the query."""

    definition: str
    query: sa.TextClause


MRR = Figure(
    "Monthly recurring revenue: what the subscriptions that run pay a month, at the price of their"
    " plan; a yearly price counts a twelfth. Trials, what a coupon made free, and top-ups do not"
    " count.",
    sa.text(
        """
        select coalesce(sum(
            case when s.is_annual then s.amount_cents / 12.0 else s.amount_cents end), 0)
        from stripe_subscriptions s
        where s.status in ('active', 'past_due') and s.started_at <= :at
          and (s.ended_at is null or s.ended_at > :at)
          and exists (select 1 from paid_lines l
            where l.subscription_id = s.subscription_id and l.amount_cents > 0)
        """
    ),
)
REVENUE = Figure(
    "Revenue: money that came in during the last 30 days, less what went back of it by refunds and"
    " lost disputes, whenever that was.",
    sa.text(
        """
        select coalesce(sum(kept.cents), 0), count(distinct kept.account_id) from (
            select p.account_id, greatest(0, p.amount_cents
                - coalesce((select sum(amount_cents) from refunds r
                    where r.payment_id = p.payment_id and r.is_effective), 0)
                - coalesce((select sum(amount_cents) from disputes d
                    where d.payment_id = p.payment_id and d.state = 'lost'), 0)) as cents
            from payments p where p.paid_at > :since and p.paid_at <= :at
        ) kept where kept.cents > 0
        """
    ),
)
ARPU = "Average revenue per paying user: the revenue divided by the accounts that it came from."
TIERS = Figure(
    "Accounts on each plan, gifts included.",
    sa.text("select plan, count(*) from subscriptions group by plan"),
)
CHURN = Figure(
    "Churn: of the accounts that paid for a plan 30 days ago, the share that pays for none now.",
    sa.text(
        """
        with paying as (
            select distinct account_id from paid_lines
            where starts_at <= :since and ends_at > :since
        )
        select count(*), count(*) filter (where not exists (
            select 1 from stripe_subscriptions s
            where s.account_id = paying.account_id and s.started_at <= :at
              and s.status <> 'incomplete' and (s.ended_at is null or s.ended_at > :at)))
        from paying
        """
    ),
)
WORTH = Figure(
    "What a credit was sold for on average: money kept, divided by the credits given for it and not"
    " taken back.",
    sa.text(
        """
        select
            (select coalesce(sum(amount_cents), 0) from payments where paid_at <= :at)
            - (select coalesce(sum(r.amount_cents), 0) from refunds r
                where r.is_effective and r.created_at <= :at)
            - (select coalesce(sum(d.amount_cents), 0) from disputes d
                where d.state = 'lost' and d.created_at <= :at),
            coalesce(sum(case kind when 'revoke' then -amount else amount end), 0)
        from credit_moves where kind in ('grant', 'revoke', 'restore')
        """
    ),
)
LIABILITY = (
    "Liability: credits that accounts have and have not spent (credits knows them), free ones"
    " included, at the average price of a credit."
)


class Figures(BaseModel):
    """Money in whole cents, rounded half to even."""

    at: datetime
    mrr_cents: int
    revenue_cents: int
    paying_accounts: int
    arpu_cents: int | None
    accounts_by_plan: dict[str, int]
    churn_percent: float | None
    credits_outstanding: int | None
    liability_cents: int | None
    definitions: dict[str, str]


DEFINITIONS = {
    "mrr_cents": MRR.definition,
    "revenue_cents": REVENUE.definition,
    "arpu_cents": ARPU,
    "accounts_by_plan": TIERS.definition,
    "churn_percent": CHURN.definition,
    "liability_cents": f"{LIABILITY} {WORTH.definition}",
}


async def credits_outstanding(credits_: ServiceClient) -> int | None:
    """What accounts have in all; None when credits does not say. Ask it before a transaction."""
    try:
        answer = await credits_.request("GET", "/internal/metrics/outstanding", account_id=None)
    except Unavailable:
        return None
    if answer.status != OK:
        return None
    counted: int = json.loads(answer.body)["credits"]
    return counted


async def figures(connection: Connection, *, outstanding: int | None, at: datetime) -> Figures:
    """Every figure, as it is at this moment, with so many credits not spent yet."""
    asked = {"at": at, "since": at - WINDOW}
    revenue, paying = await _row(connection, REVENUE, asked)
    lost_from, lost = await _row(connection, CHURN, asked)
    (mrr,) = await _row(connection, MRR, asked)
    money, sold = await _row(connection, WORTH, asked)
    counted = {row[0]: row[1] for row in await connection.execute(TIERS.query)}
    return Figures(
        at=at,
        mrr_cents=_cents(mrr),
        revenue_cents=_cents(revenue),
        paying_accounts=paying,
        arpu_cents=_cents(Decimal(revenue) / paying) if paying else None,
        accounts_by_plan={plan: counted.get(plan, 0) for plan in plans.PLANS},
        churn_percent=round(100 * lost / lost_from, 2) if lost_from else None,
        credits_outstanding=outstanding,
        liability_cents=_cents(Decimal(money) * outstanding / sold)
        if outstanding is not None and sold > 0
        else None,
        definitions=DEFINITIONS,
    )


async def _row(connection: Connection, figure: Figure, asked: Mapping[str, Any]) -> Any:
    wanted = {name: value for name, value in asked.items() if f":{name}" in figure.query.text}
    return (await connection.execute(figure.query, wanted)).one()


def _cents(value: Any) -> int:
    return int(Decimal(value).quantize(Decimal(1), ROUND_HALF_EVEN))
