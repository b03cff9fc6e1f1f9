"""Refunds and disputes: five bugs that one shop had in this one feature, and some more."""

import pytest

from services.billing import plans
from tests.billing.lives import Life, words

pytestmark = pytest.mark.usefixtures("logs")


async def test_a_refund_takes_its_share_of_the_credits(life: Life) -> None:
    """The first of the five: nobody heard of refunds at all."""
    intent = life.world.top_up(30)
    await life.hear()

    life.world.refund(intent, 10**9)

    assert await life.hear() == [("revoked", f"claw:ch_{intent}:1299", 30)]


async def test_a_refund_is_told_in_full_whatever_is_left(life: Life) -> None:
    """The second: what was spent already ran into a CHECK.

    Credits takes what is left and writes down what is owed; billing says all of it.
    """
    first, second = life.world.top_up(100), life.world.top_up(10)
    await life.hear()

    life.world.refund(first, 10**9)
    life.world.refund(second, 10**9)

    assert [amount for _, _, amount in await life.hear()] == [100, 10]
    assert await life.net() == 0


async def test_a_dispute_only_blocks_until_it_is_decided_and_a_won_one_gives_back(
    life: Life,
) -> None:
    """The third: credits went when a dispute was opened, and never came back when it was won."""
    intent = life.world.top_up(30)
    await life.hear()

    dispute = life.world.dispute(intent)
    assert await life.hear() == [("blocked", f"disp:{dispute}:block", 30)]
    life.world.decide(dispute, won=True)
    assert await life.hear() == [("unblocked", f"disp:{dispute}:won", None)]

    (unblocked,) = [e for e in await life.events() if e["type"].endswith("unblocked.v1")]
    assert unblocked["blocked_by"] == f"disp:{dispute}:block"
    assert await life.net() == 30


async def test_what_came_back_is_netted_before_the_next_refund(life: Life) -> None:
    """The fourth: after a refund had failed, the next one took too little."""
    intent = life.world.top_up(100)
    await life.hear()
    refund = life.world.refund(intent, 2000)
    assert [amount for _, _, amount in await life.hear()] == [50]

    life.world.fail_refund(refund)
    assert await life.hear() == [("restored", f"reinstate:{refund}", 50)]
    life.world.refund(intent, 3999)

    assert [(word, amount) for word, _, amount in await life.hear()] == [("revoked", 100)]
    assert await life.net() == 0


async def test_credits_are_taken_and_not_cents(life: Life) -> None:
    """The fifth: dollars were compared with credits. A third of $39.99 is 33 of 100 credits."""
    intent = life.world.top_up(100)
    await life.hear()

    life.world.refund(intent, 1333)
    assert [amount for _, _, amount in await life.hear()] == [33]
    life.world.refund(intent, 1333)
    assert [amount for _, _, amount in await life.hear()] == [33]
    life.world.refund(intent, 1333)
    assert [amount for _, _, amount in await life.hear()] == [34]


async def test_a_lost_dispute_takes_what_was_blocked(life: Life) -> None:
    contract = life.world.subscribe("cherish")
    await life.hear()
    (intent,) = life.world.intents
    dispute = life.world.dispute(intent)
    await life.hear()

    life.world.decide(dispute, won=False)

    assert await life.hear() == [("revoked", f"disp:{dispute}:lost", 60)]
    (revoked,) = [e for e in await life.events() if e["type"].endswith("revoked.v1")]
    assert revoked["blocked_by"] == f"disp:{dispute}:block"
    assert contract.status == "active"


async def test_a_dispute_that_was_lost_before_we_heard_of_it_takes_at_once(life: Life) -> None:
    intent = life.world.top_up(30)
    dispute = life.world.dispute(intent)
    life.world.decide(dispute, won=False)

    said = await life.hear()

    assert words(said, "blocked", "unblocked") == []
    assert words(said, "revoked") == [("revoked", f"disp:{dispute}:lost", 30)]


async def test_an_inquiry_blocks_nothing(life: Life) -> None:
    intent = life.world.top_up(30)
    await life.hear()
    dispute = life.world.dispute(intent)
    life.world.disputes[dispute]["status"] = "warning_needs_response"

    assert await life.hear() == []


async def test_a_disputed_year_gives_no_more_months_until_it_is_won(life: Life) -> None:
    contract = life.world.subscribe("remember", interval="year")
    await life.hear()
    (intent,) = life.world.intents
    dispute = life.world.dispute(intent)
    assert words(await life.pass_days(65), "bought") == []

    life.world.decide(dispute, won=True)

    said = await life.hear()
    assert words(said, "bought") == [("bought", f"sub:{contract.id}:{n}", 25) for n in (1, 2)]


async def test_a_refunded_year_takes_its_months_and_gives_no_more(life: Life) -> None:
    life.world.subscribe("remember", interval="year")
    await life.pass_days(65)
    (intent,) = life.world.intents

    life.world.refund(intent, 10**9)

    assert [amount for _, _, amount in words(await life.hear(), "revoked")] == [75]
    assert words(await life.pass_days(60), "bought") == []
    assert await life.net() == 0


async def test_half_of_a_year_refunded_takes_half_of_each_month(life: Life) -> None:
    life.world.subscribe("cherish", interval="year")
    await life.hear()
    (intent,) = life.world.intents
    life.world.refund(intent, plans.PLANS["cherish"].price_annual_cents // 2)
    await life.hear()
    assert await life.net() == 30

    await life.pass_days(62)

    assert await life.net() == 90


async def test_a_refund_heard_of_before_its_purchase_takes_what_it_gave(life: Life) -> None:
    intent = life.world.top_up(30)
    life.world.refund(intent, 10**9)
    life.world.events = [e for e in life.world.events if e.type == "refund.created"]

    said = await life.hear()

    assert words(said, "bought") == [("bought", f"topup:{intent}", 30)]
    assert words(said, "revoked") == [("revoked", f"claw:ch_{intent}:1299", 30)]


async def test_a_customer_that_is_deleted_ends_no_account(life: Life) -> None:
    life.world.top_up(10)
    await life.hear()
    life.world._happen("customer.deleted", "customer", life.world.customer_id)

    assert await life.hear() == []
    assert await life.net() == 10
