"""Figures of the business on a seeded history, against figures computed by hand."""

from datetime import datetime, timedelta
from uuid import uuid4

import httpx
import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing import business, subscriptions
from services.billing.business import DEFINITIONS, Figures
from services.kit.client import ServiceClient
from services.kit.identity import TokenSource
from tests.billing.lives import Life, begun
from tests.billing.memory import BEGINNING
from tests.billing.places import NOBODY, SECRET

TOKENS = TokenSource(issuer="gateway", audience="billing", secret=SECRET)


async def seeded(engine: AsyncEngine) -> datetime:
    """Six accounts in 45 days: by the month, by the year, leaving, topping up, free at first."""
    with structlog.testing.capture_logs():
        lives = [await begun(engine) for _ in range(5)]
        monthly, yearly, leaving, topping, coupon = lives
        monthly.world.subscribe("remember")  # 999 a month
        yearly.world.subscribe("cherish", interval="year")  # 19990 a year
        contract = leaving.world.subscribe("forever")  # 3999, once
        leaving.world.cancel(contract)
        coupon.world.subscribe("forever", coupon=True)  # nothing
        refunded = topping.world.top_up(100)  # 3999, of which 1000 go back
        at = BEGINNING + timedelta(days=45)
        for life in lives:
            await life.hear()
            await life.until(at - timedelta(days=5))
        topping.world.refund(refunded, 1000)
        topping.world.top_up(30)  # 1299
        for life in lives:
            await life.until(at)
    async with engine.begin() as connection:
        await subscriptions.give(connection, account_id=uuid4(), plan="remember")
    return at


@pytest.fixture
async def figures(priced: AsyncEngine) -> Figures:
    at = await seeded(priced)
    async with priced.begin() as connection:
        return await business.figures(connection, outstanding=500, at=at)


async def test_recurring_revenue_is_what_running_plans_pay_a_month(figures: Figures) -> None:
    # One by the month, a twelfth of one by the year; the coupon's renewal was paid in full.
    assert figures.mrr_cents == 999 + round(19990 / 12) + 3999


async def test_revenue_is_what_came_in_lately_and_stayed(figures: Figures) -> None:
    # Since 15 February: two renewals on the 28th, and a top-up.
    assert figures.revenue_cents == 999 + 3999 + 1299
    assert figures.paying_accounts == 3
    assert figures.arpu_cents == round((999 + 3999 + 1299) / 3)


async def test_every_account_is_on_one_plan(figures: Figures) -> None:
    assert figures.accounts_by_plan == {"free": 2, "remember": 2, "cherish": 1, "forever": 1}


async def test_churn_is_who_paid_thirty_days_ago_and_pays_no_more(figures: Figures) -> None:
    # Four had a plan on 15 February; one of them left on the 28th.
    assert figures.churn_percent == 25.0


async def test_the_liability_is_what_is_left_at_what_a_credit_was_sold_for(
    figures: Figures,
) -> None:
    money = 2 * 999 + 19990 + 3999 + 3999 + (3999 - 1000) + 1299
    sold = 2 * 25 + 2 * 60 + 150 + 2 * 150 + (100 - 25) + 30
    assert figures.credits_outstanding == 500
    assert figures.liability_cents == round(money * 500 / sold)


async def test_an_empty_book_has_figures_too(engine: AsyncEngine) -> None:
    alone = ServiceClient(NOBODY, caller="billing", service="credits", secret=SECRET)
    outstanding = await business.credits_outstanding(alone)
    await alone.close()
    async with engine.begin() as connection:
        found = await business.figures(connection, outstanding=outstanding, at=BEGINNING)

    assert (found.mrr_cents, found.revenue_cents, found.paying_accounts) == (0, 0, 0)
    assert (found.arpu_cents, found.churn_percent) == (None, None)
    assert (found.credits_outstanding, found.liability_cents) == (None, None)


async def test_operators_read_them_with_their_definitions(client: httpx.AsyncClient) -> None:
    headers = {"authorization": f"Bearer {TOKENS.token(None)}"}

    refused = await client.get("/internal/metrics/business")
    shown = (await client.get("/internal/metrics/business", headers=headers)).json()

    assert refused.status_code == 401
    assert shown["definitions"] == DEFINITIONS
    assert set(DEFINITIONS) <= shown.keys()


async def test_money_taken_back_never_makes_revenue_negative(priced: AsyncEngine) -> None:
    life: Life = await begun(priced)
    with structlog.testing.capture_logs():
        intent = life.world.top_up(10)
        life.world.refund(intent, 10**9)
        await life.hear()
    async with priced.begin() as connection:
        found = await business.figures(connection, outstanding=0, at=life.world.now)
        assert await connection.scalar(text("select count(*) from payments")) == 1

    assert (found.revenue_cents, found.paying_accounts) == (0, 0)
