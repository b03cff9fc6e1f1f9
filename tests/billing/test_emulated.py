"""Billing against the emulator of the local stack: its pages are paid on, its events acted on."""

import asyncio
from typing import Any, cast

import pytest
from sqlalchemy import text

from services.billing.price_sync import Sync
from services.billing.reconciling import Reconciler
from tests.billing.emulated import SOON, Till
from tests.billing.places import ITEMS, NOBODY


async def test_prices_are_synced_once(till: Till) -> None:
    again = Sync(till.cashier.stripe, is_dry_run=False)
    await again.run(till.engine, ITEMS, return_url=NOBODY)

    assert again.done == []


async def test_what_is_paid_on_the_page_arrives_as_credits_and_goes_back_with_its_money(
    till: Till,
) -> None:
    await till.bought("rekindle_top_up_30")
    assert await till.told() == [("grant", 30)]

    async with till.engine.connect() as connection:
        intent = await connection.scalar(text("select payment_id from payments"))
    refund: Any = {"payment_intent": intent, "amount": 433}
    await till.cashier.stripe.api.refunds.create_async(refund)
    await till.act()

    assert await till.told() == [("grant", 30), ("revoke", 10)]
    assert await till.untreated() == []


async def test_a_plan_is_bought_upgraded_and_cancelled(till: Till) -> None:
    await till.bought("rekindle_remember_month")
    assert await till.told() == [("grant", 25)]

    async with till.engine.connect() as connection:
        query = "select subscription_id from stripe_subscriptions"
        subscription_id = str(await connection.scalar(text(query)))
        query = "select price_id from prices where lookup_key = 'rekindle_cherish_month'"
        price = await connection.scalar(text(query))
    subscriptions = till.cashier.stripe.api.subscriptions
    found = await subscriptions.retrieve_async(subscription_id)
    item = cast("Any", found)["items"].data[0].id
    change: Any = {
        "items": [{"id": item, "price": price}],
        "proration_behavior": "always_invoice",
    }
    await subscriptions.update_async(subscription_id, change)
    await till.act()

    first, second = await till.told()
    assert first == ("grant", 25)
    assert second[0] == "grant"
    assert 34 <= second[1] <= 35  # the month has only begun
    portal = await till.cashier.open_portal(till.account_id, "cancel")
    assert portal.startswith(till.emulator.url)
    assert await till.untreated() == []
    report = await Reconciler(
        till.engine, till.cashier.stripe, clock=lambda: till.now() + SOON
    ).reconcile(fix=False)
    assert report.is_clean, report


@pytest.mark.parametrize(
    ("way", "outcome", "given"),
    [("debit", "paid", [("grant", 30)]), ("failing_debit", "failed", [])],
)
async def test_a_purchase_has_not_failed_while_its_money_is_on_its_way(
    till: Till, way: str, outcome: str, given: list[tuple[str, int]]
) -> None:
    address = await till.page("rekindle_top_up_30")
    await asyncio.to_thread(till.browser.send, address, do=way)
    await till.act()
    meanwhile = await till.states()

    await till.wait(days=1)

    assert (meanwhile, await till.states()) == (["open"], [outcome])
    assert await till.told() == given
