"""Subscriptions: which plan an account is on, since when, and where that comes from.

Every account has one; it begins with the free plan. A gift puts it on another plan without money.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from contracts.billing.v1 import PlanChanged
from services.billing import plans
from services.billing.models import subscriptions
from services.kit import failpoints
from services.kit.db import Connection, uuid7
from services.kit.outbox import say

NO_PERIOD = ""
"""The free plan's credits belong to the calendar month, which credits itself looks at."""


@dataclass(frozen=True, slots=True)
class Subscription:
    plan: str
    source: Literal["free", "gift"]
    since: datetime


async def open_free(connection: Connection, account_id: UUID) -> bool:
    """Put an account that has no plan on the free one; whether it had none."""
    new = insert(subscriptions).values(
        account_id=account_id, plan=plans.FREE.plan, source="free", version=1
    )
    opened = new.on_conflict_do_nothing().returning(subscriptions.c.version)
    version = await connection.scalar(opened)
    if version is None:
        return False
    await _say_plan(connection, account_id, plans.FREE, version=version, period=NO_PERIOD)
    return True


async def give(connection: Connection, *, account_id: UUID, plan: str) -> bool:
    """Put an account on a plan as a gift, or back on the free one; False if it is on it."""
    chosen = plans.find(plan)
    source = "free" if chosen is plans.FREE else "gift"
    s = subscriptions.c
    new = insert(subscriptions).values(account_id=account_id, plan=plan, source=source, version=1)
    changed = new.on_conflict_do_update(
        index_elements=[s.account_id],
        set_={"plan": plan, "source": source, "since": sa.func.now(), "version": s.version + 1},
        where=s.plan != plan,
    ).returning(s.version)
    version = await connection.scalar(changed)
    if version is None:
        return False
    period = NO_PERIOD if chosen is plans.FREE else f"gift:{uuid7()}"
    await failpoints.reach("mid_plan_give")
    await _say_plan(connection, account_id, chosen, version=version, period=period)
    return True


async def read(connection: Connection, account_id: UUID) -> Subscription:
    """The subscription of an account; one nobody has spoken of yet begins here."""
    s = subscriptions.c
    query = sa.select(s.plan, s.source, s.since).where(s.account_id == account_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        await open_free(connection, account_id)
        row = (await connection.execute(query)).one()
    return Subscription(*row)


async def _say_plan(
    connection: Connection, account_id: UUID, plan: plans.Plan, *, version: int, period: str
) -> None:
    event = PlanChanged(
        account_id=account_id,
        version=version,
        plan=plan.plan,
        tier=plan.tier,
        credits_monthly=plan.credits_monthly,
        period=period,
    )
    await say(connection, event, about=account_id)
