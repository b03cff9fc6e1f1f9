"""Cards that decline, lack funds or ask: nothing is given until it is paid, and then once."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import text

from services.billing import api, subscriptions
from tests.billing.emulated import Till
from tests.stripe.browser import CARD

DECLINED, POOR, KEPT_ONLY = "4000000000000002", "4000000000009995", "4000000000000341"
ASKS, ASKS_ALWAYS = "4000002500003155", "4000002760003184"
ITEMS = {"rekindle_top_up_30": [("grant", 30)], "rekindle_remember_month": [("grant", 25)]}
MISSED = "billing.payment.missed.v1"
A_MONTH = 31.5
"""After it the renewal was tried, whatever the month, and its grace is not over."""


async def plan_of(till: Till, account_id: UUID) -> tuple[str, str]:
    async with till.engine.begin() as connection:
        found = await subscriptions.read(connection, account_id)
    return found.plan, found.tier


@pytest.mark.parametrize("key", ITEMS)
@pytest.mark.parametrize("card", [DECLINED, POOR])
async def test_a_card_that_is_refused_buys_nothing_and_another_one_does(
    till: Till, key: str, card: str
) -> None:
    page = await till.page(key)

    refused = await till.pay(page, card)

    assert refused.status_code == 402
    assert await till.told() == []
    assert await plan_of(till, till.account_id) == ("free", "standard")
    assert (await till.pay(page)).is_redirect
    assert await till.told() == ITEMS[key]
    assert await till.said(MISSED) == []
    assert await till.untreated() == []


@pytest.mark.parametrize("key", ITEMS)
async def test_a_bank_that_asks_is_waited_for_and_pays_once(till: Till, key: str) -> None:
    page = await till.page(key)

    question = await till.pay(page, ASKS)
    assert await till.told() == []
    await till.answer(question, "refuse")
    assert await till.told() == []
    again = await till.pay(page, ASKS)
    await till.answer(again, "agree")
    assert await till.told() == ITEMS[key]
    await till.answer(again, "agree")
    await till.pay(page)

    assert await till.told() == ITEMS[key]
    assert await till.untreated() == []


async def test_a_debit_gives_nothing_before_the_money_has_come(till: Till) -> None:
    comes, fails = await till.page("rekindle_top_up_30"), await till.page("rekindle_top_up_10")
    await asyncio.to_thread(till.browser.send, comes, do="debit")
    await asyncio.to_thread(till.browser.send, fails, do="failing_debit")
    await till.act()
    assert await till.told() == []

    await till.wait(days=0.01)

    assert await till.told() == [("grant", 30)]


@pytest.mark.parametrize(
    ("card", "reason", "word"),
    [
        (KEPT_ONLY, "declined", "another card"),
        (ASKS_ALWAYS, "confirmation", "Your bank asks you to confirm the payment for Remember"),
    ],
)
async def test_a_renewal_that_is_not_paid_is_told_once_and_gives_nothing(
    till: Till, card: str, reason: str, word: str
) -> None:
    await till.bought("rekindle_remember_month")
    await till.keep_card(card)

    await till.wait(days=A_MONTH)
    await till.wait(days=2)  # Stripe has tried again

    assert await till.told() == [("grant", 25)]
    (missed,) = await till.said(MISSED)
    assert (missed["plan"], missed["reason"]) == ("remember", reason)
    assert word in missed["detail"]
    async with till.engine.connect() as connection:
        shown = await api.read_subscription(connection, till.account_id)
    assert (shown.payment_due, shown.payment_detail) == (True, missed["detail"])
    assert await plan_of(till, till.account_id) == ("remember", "priority")
    assert await till.untreated() == []


async def test_a_renewal_that_is_confirmed_in_the_grace_is_granted_once(till: Till) -> None:
    await till.bought("rekindle_remember_month")
    await till.keep_card(ASKS_ALWAYS)
    await till.wait(days=A_MONTH)

    question = await till.pay(await till.open_invoice(), ASKS_ALWAYS)
    assert await till.told() == [("grant", 25)]
    await till.answer(question, "agree")
    await till.act()

    assert await till.told() == [("grant", 25), ("grant", 25)]
    assert await plan_of(till, till.account_id) == ("remember", "priority")
    assert len(await till.said(MISSED)) == 1


async def test_a_subscription_that_is_never_paid_again_ends_and_its_pool_with_it(
    till: Till,
) -> None:
    await till.bought("rekindle_remember_month")
    await till.keep_card(KEPT_ONLY)

    for _ in range(8):
        await till.wait(days=A_MONTH / 4)
    await till.wait(days=A_MONTH)

    assert await till.told() == [("grant", 25), ("forfeit", 0)]
    assert await plan_of(till, till.account_id) == ("free", "standard")


async def test_whoever_declines_once_renews_with_a_new_card(till: Till) -> None:
    await till.bought("rekindle_remember_month")
    await till.keep_card(KEPT_ONLY)
    await till.wait(days=A_MONTH)

    await till.keep_card(CARD)
    await till.wait(days=2)

    assert await till.told() == [("grant", 25), ("grant", 25)]
    async with till.engine.connect() as connection:
        query = "select status from stripe_subscriptions"
        assert await connection.scalar(text(query)) == "active"
