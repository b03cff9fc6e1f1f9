"""A year of four customers, day by day, against figures computed by hand.

One pays by the month, one by the year, one cancels, and one tops up, disputes and is refunded. At
the end our books, what credits was told, and what Stripe has agree to the cent and the credit.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing import customers
from services.billing.reconciling import Reconciler
from services.billing.stripe_client import Stripe
from tests.billing.histories import Post
from tests.billing.lives import Life
from tests.billing.memory import BEGINNING
from tests.billing.served import Served
from tests.billing.world import World

THE_END = datetime(2028, 1, 31, 13, tzinfo=UTC)
"""A year and an hour after the beginning: the first month of the second year has begun."""


async def a_life(engine: AsyncEngine, account: Served) -> Life:
    account_id: UUID = uuid4()
    world = account.worlds.setdefault(f"cus_{account_id}", World(f"cus_{account_id}"))
    async with engine.begin() as connection:
        await customers.add(connection, account_id, world.customer_id)
    return Life(engine, account_id, world, Post(engine, world, None))


@pytest.mark.timeout(300)
async def test_a_year_of_four_customers_adds_up(
    priced: AsyncEngine, account: Served, stripe: Stripe
) -> None:
    with structlog.testing.capture_logs():
        monthly, yearly, leaving, disputing = [await a_life(priced, account) for _ in range(4)]
        monthly.world.subscribe("remember")
        yearly.world.subscribe("cherish", interval="year")
        forever = leaving.world.subscribe("forever")
        leaving.world.top_up(100)
        first = disputing.world.top_up(100)
        second = disputing.world.top_up(30)
        lives = (monthly, yearly, leaving, disputing)
        await _all_until(lives, BEGINNING + timedelta(days=75))
        leaving.world.cancel(forever)  # in its third month
        lost, won = disputing.world.dispute(first), disputing.world.dispute(second)
        await _all_until(lives, BEGINNING + timedelta(days=100))
        disputing.world.decide(lost, won=False)
        disputing.world.decide(won, won=True)
        disputing.world.refund(second, 433)  # a third of 1299
        await _all_until(lives, THE_END)

        report = await Reconciler(priced, stripe, clock=lambda: THE_END).reconcile(fix=False)

    # Thirteen months each by then; three months and a top-up; and what was left of 130.
    assert [await life.net() for life in lives] == [
        13 * 25,
        13 * 60,
        3 * 150 + 100,
        (100 - 100) + (30 - 10),
    ]
    assert [await life.plan() for life in lives] == [
        ("remember", "priority", "paid"),
        ("cherish", "priority", "paid"),
        ("free", "standard", "free"),
        ("free", "standard", "free"),
    ]
    ended = [e for e in await leaving.events() if e["type"].endswith("subscription.ended.v1")]
    assert [event["ended_at"] for event in ended] == ["2027-04-30T12:00:00Z"]
    assert report.is_clean, report
    assert await _kept_cents(priced) == (
        13 * 999 + 2 * 19990 + (3 * 3999 + 3999) + (3999 - 3999) + (1299 - 433)
    )
    assert sum(map(_kept_at_stripe, lives)) == await _kept_cents(priced)


async def _all_until(lives: tuple[Life, ...], moment: datetime) -> None:
    for life in lives:
        # Nothing happens to them every day; a week is short enough for months and graces.
        while life.world.now < moment:
            life.world.advance(min(life.world.now + timedelta(days=7), moment))
            await life.hear()


async def _kept_cents(engine: AsyncEngine) -> int:
    query = """
        select (select sum(amount_cents) from payments)
            - (select sum(amount_cents) from refunds where is_effective)
            - (select sum(amount_cents) from disputes where state = 'lost')
    """
    async with engine.connect() as connection:
        return int(await connection.scalar(text(query)) or 0)


def _kept_at_stripe(life: Life) -> int:
    world = life.world
    came = sum(intent["amount_received"] for intent in world.intents.values())
    went = sum(r["amount"] for r in world.refunds.values() if r["status"] == "succeeded")
    went += sum(d["amount"] for d in world.disputes.values() if d["status"] == "lost")
    return int(came - went)
