"""The plan of each account: since when, and where it comes from (free, a gift, or paid for).

Every account has one; it begins with the free plan. A gift puts it on another plan without money.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from contracts.billing.v1 import PlanChanged
from contracts.message import Tier
from services.billing import plans
from services.billing.models import subscriptions
from services.kit import failpoints
from services.kit.db import Connection, uuid7
from services.kit.outbox import say

NO_PERIOD = ""
"""The free plan's credits belong to the calendar month, which credits itself looks at; those of a
plan that is paid for are said as purchases."""

Source = Literal["free", "gift", "paid"]


@dataclass(frozen=True, slots=True)
class Subscription:
    plan: str
    tier: Tier
    source: Source
    since: datetime


async def open_free(connection: Connection, account_id: UUID) -> bool:
    """Put an account that has no plan on the free one; whether it had none."""
    new = insert(subscriptions).values(
        account_id=account_id, plan=plans.FREE.plan, tier=plans.FREE.tier, source="free", version=1
    )
    opened = new.on_conflict_do_nothing().returning(subscriptions.c.version)
    version = await connection.scalar(opened)
    if version is None:
        return False
    await _say_plan(connection, account_id, plans.FREE, version=version)
    return True


async def give(connection: Connection, *, account_id: UUID, plan: str) -> bool:
    """Put an account on a plan as a gift, or back on the free one; False if it is on it."""
    chosen = plans.find(plan)
    source: Source = "free" if chosen is plans.FREE else "gift"
    period = NO_PERIOD if chosen is plans.FREE else f"gift:{uuid7()}"
    version = await _put(connection, account_id, chosen, tier=chosen.tier, source=source)
    if version is None:
        return False
    await failpoints.reach("mid_plan_give")
    await _say_plan(connection, account_id, chosen, version=version, period=period)
    return True


async def follow(
    connection: Connection, account_id: UUID, *, plan: str, tier: Tier, at: datetime
) -> bool:
    """Put an account on the plan that it pays for, or on none; a gift outlives having none."""
    chosen = plans.find(plan)
    was = await read(connection, account_id)
    if (was.plan, was.tier) == (plan, tier) or (chosen is plans.FREE and was.source == "gift"):
        return False
    source: Source = "free" if chosen is plans.FREE else "paid"
    since = was.since if was.plan == plan else at
    version = await _put(connection, account_id, chosen, tier=tier, source=source, since=since)
    assert version is not None, account_id
    await _say_plan(connection, account_id, chosen, version=version, tier=tier)
    return True


async def read(connection: Connection, account_id: UUID) -> Subscription:
    """The subscription of an account; one nobody has spoken of yet begins here."""
    s = subscriptions.c
    query = sa.select(s.plan, s.tier, s.source, s.since).where(s.account_id == account_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        await open_free(connection, account_id)
        row = (await connection.execute(query)).one()
    return Subscription(*row)


async def lock(connection: Connection, account_id: UUID) -> datetime | None:
    """Let nobody else decide about this account until the transaction ends; when it is due."""
    await open_free(connection, account_id)
    s = subscriptions.c
    query = sa.select(s.due_at).where(s.account_id == account_id).with_for_update()
    due_at: datetime | None = await connection.scalar(query)
    return due_at


async def _put(
    connection: Connection,
    account_id: UUID,
    plan: plans.Plan,
    *,
    tier: Tier,
    source: Source,
    since: datetime | None = None,
) -> int | None:
    """Write a plan down; the new version, or None if nothing is different."""
    s = subscriptions.c
    now = sa.func.coalesce(since, sa.func.now())
    facts = {"plan": plan.plan, "tier": tier, "source": source, "since": now}
    new = insert(subscriptions).values(account_id=account_id, version=1, **facts)
    changed = new.on_conflict_do_update(
        index_elements=[s.account_id],
        set_={**facts, "version": s.version + 1},
        where=sa.or_(s.plan != plan.plan, s.tier != tier),
    ).returning(s.version)
    version: int | None = await connection.scalar(changed)
    return version


async def _say_plan(
    connection: Connection,
    account_id: UUID,
    plan: plans.Plan,
    *,
    version: int,
    period: str = NO_PERIOD,
    tier: Tier | None = None,
) -> None:
    event = PlanChanged(
        account_id=account_id,
        version=version,
        plan=plan.plan,
        tier=tier or plan.tier,
        credits_monthly=plan.credits_monthly,
        period=period,
    )
    await say(connection, event, about=account_id)
