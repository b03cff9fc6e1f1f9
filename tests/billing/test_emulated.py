"""Billing against the emulator of the local stack: its pages are paid on, its events acted on."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing import event_log, plans
from services.billing.acting import Actor
from services.billing.checkouts import Cashier
from services.billing.price_sync import Sync
from services.billing.reconciling import Reconciler
from services.billing.stripe_client import Stripe
from tests.stripe.browser import Browser
from tests.stripe.conftest import Emulator

pytestmark = pytest.mark.usefixtures("logs")

ITEMS = list(plans.ITEMS.values())
SOON = timedelta(minutes=10)


@pytest.fixture
async def cashier(engine: AsyncEngine, emulated: Stripe) -> Cashier:
    await Sync(emulated, is_dry_run=False).run(engine, ITEMS, return_url="http://127.0.0.1:9")
    return Cashier(engine, emulated, public_url="http://127.0.0.1:9", automatic_tax=False)


async def bought(cashier: Cashier, emulator: Emulator, account_id: UUID, key: str) -> None:
    """Somebody goes to the page and pays."""
    page = await cashier.sell(account_id, key, key=str(uuid4()))
    assert page.url
    browser = Browser(emulator.url)
    answer = await asyncio.to_thread(browser.pay, page.url)
    browser.close()
    assert answer.is_redirect, answer.text


async def acted(cashier: Cashier) -> None:
    """Every event of the emulator's comes, and is acted on."""
    async with cashier.engine.begin() as connection:
        async for event in cashier.stripe.events_since(datetime.now(UTC) - SOON):
            await event_log.store(connection, event)
    actor = Actor(cashier.engine, cashier.stripe)
    while await actor.act_once():
        pass


async def told(engine: AsyncEngine) -> list[tuple[str, int]]:
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("select kind, amount from credit_moves order by said_at")
        )
        return [(row.kind, row.amount) for row in rows]


async def states(engine: AsyncEngine) -> list[str]:
    """Of the checkouts."""
    async with engine.connect() as connection:
        return list(await connection.scalars(text("select state from checkouts")))


async def untreated(engine: AsyncEngine) -> list[str]:
    query = (
        "select type || ': ' || coalesce(note, '') from stripe_events where state = any(:states)"
    )
    async with engine.connect() as connection:
        found = await connection.scalars(text(query), {"states": ["stored", "parked", "refused"]})
        return list(found)


async def test_prices_are_synced_once(cashier: Cashier) -> None:
    again = Sync(cashier.stripe, is_dry_run=False)
    await again.run(cashier.engine, ITEMS, return_url="http://127.0.0.1:9")

    assert again.done == []


async def test_what_is_paid_on_the_page_arrives_as_credits_and_goes_back_with_its_money(
    cashier: Cashier, emulator: Emulator
) -> None:
    account_id = uuid4()
    await bought(cashier, emulator, account_id, "rekindle_top_up_30")
    await acted(cashier)
    assert await told(cashier.engine) == [("grant", 30)]

    async with cashier.engine.connect() as connection:
        intent = await connection.scalar(text("select payment_id from payments"))
    refund: Any = {"payment_intent": intent, "amount": 433}
    await cashier.stripe.api.refunds.create_async(refund)
    await acted(cashier)

    assert await told(cashier.engine) == [("grant", 30), ("revoke", 10)]
    assert await untreated(cashier.engine) == []


@pytest.mark.parametrize(
    ("way", "outcome", "given"),
    [("debit", "paid", [("grant", 30)]), ("failing_debit", "failed", [])],
)
async def test_a_purchase_has_not_failed_while_its_money_is_on_its_way(
    cashier: Cashier, emulator: Emulator, way: str, outcome: str, given: list[tuple[str, int]]
) -> None:
    page = await cashier.sell(uuid4(), "rekindle_top_up_30", key=str(uuid4()))
    assert page.url
    browser = Browser(emulator.url)
    await asyncio.to_thread(browser.send, page.url, do=way)
    browser.close()
    await acted(cashier)
    meanwhile = await states(cashier.engine)

    async with httpx.AsyncClient(base_url=emulator.url, trust_env=False) as web:
        later = await web.post("/__control/clock", json={"seconds": 60})
        later.raise_for_status()
    await acted(cashier)

    assert (meanwhile, await states(cashier.engine)) == (["open"], [outcome])
    assert await told(cashier.engine) == given


async def test_a_plan_is_bought_upgraded_and_cancelled(
    cashier: Cashier, emulator: Emulator
) -> None:
    account_id = uuid4()
    await bought(cashier, emulator, account_id, "rekindle_remember_month")
    await acted(cashier)
    assert await told(cashier.engine) == [("grant", 25)]

    async with cashier.engine.connect() as connection:
        query = "select subscription_id from stripe_subscriptions"
        subscription_id = str(await connection.scalar(text(query)))
        query = "select price_id from prices where lookup_key = 'rekindle_cherish_month'"
        price = await connection.scalar(text(query))
    found = await cashier.stripe.api.subscriptions.retrieve_async(subscription_id)
    item = cast("Any", found)["items"].data[0].id
    change: Any = {
        "items": [{"id": item, "price": price}],
        "proration_behavior": "always_invoice",
    }
    await cashier.stripe.api.subscriptions.update_async(subscription_id, change)
    await acted(cashier)

    first, second = await told(cashier.engine)
    assert first == ("grant", 25)
    assert second[0] == "grant"
    assert 34 <= second[1] <= 35  # the month has only begun
    portal = await cashier.open_portal(account_id, "cancel")
    assert portal.startswith(emulator.url)
    assert await untreated(cashier.engine) == []
    report = await Reconciler(
        cashier.engine, cashier.stripe, clock=lambda: datetime.now(UTC) + SOON
    ).reconcile(fix=False)
    assert report.is_clean, report
