"""What money does to credits: each rule of plans, top-ups, refunds and disputes, on real books."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing import plans
from services.billing.errors import StripeAway
from tests.billing.lives import Life, begun
from tests.billing.world import BEGINNING


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.fixture
async def life(priced: AsyncEngine) -> Life:
    return await begun(priced)


def words(said: list[Any], *wanted: str) -> list[Any]:
    return [one for one in said if one[0] in wanted]


# Plans.


async def test_a_plan_gives_its_credits_once_by_its_invoice_and_not_by_its_checkout(
    life: Life,
) -> None:
    contract = life.world.subscribe("cherish")

    said = await life.hear()

    assert words(said, "bought") == [("bought", f"sub:{contract.id}:0", 60)]
    assert words(said, "plan") == [
        ("plan", "free standard", None),
        ("plan", "cherish priority", None),
    ]
    assert await life.plan() == ("cherish", "priority", "paid")


async def test_a_checkout_for_a_plan_alone_gives_nothing(life: Life) -> None:
    life.world.subscribe("cherish")
    life.world.events = [e for e in life.world.events if e.object == "checkout.session"]

    said = await life.hear()

    assert words(said, "bought") == []


async def test_each_month_is_given_when_it_is_paid(life: Life) -> None:
    contract = life.world.subscribe("remember")

    said = await life.until(datetime(2027, 4, 30, 13, tzinfo=UTC))

    assert words(said, "bought") == [
        ("bought", f"sub:{contract.id}:{index}", 25) for index in range(4)
    ]


async def test_a_year_is_given_month_by_month_from_the_anchor_day(life: Life) -> None:
    """Begun on the 31st: months without one begin on their last day. One invoice a year."""
    contract = life.world.subscribe("cherish", interval="year")

    said = await life.until(datetime(2028, 1, 31, 11, tzinfo=UTC))

    assert len([e for e in life.world.events if e.type == "invoice.paid"]) == 1
    bought = [e for e in await life.events() if e["type"] == "billing.credits.purchased.v1"]
    assert [(e["cause"], e["amount"]) for e in bought] == [
        (f"sub:{contract.id}:{index}", 60) for index in range(12)
    ]
    days = [(1, 31), (2, 28), (3, 31), (4, 30), (5, 31), (6, 30)]
    days += [(7, 31), (8, 31), (9, 30), (10, 31), (11, 30), (12, 31)]
    when = [datetime.fromisoformat(event["paid_at"]) for event in bought]
    assert [(moment.month, moment.day) for moment in when] == days
    assert words(said, "ended") == []


async def test_a_year_goes_on_with_the_next_one(life: Life) -> None:
    contract = life.world.subscribe("remember", interval="year")

    said = await life.until(datetime(2028, 3, 1, tzinfo=UTC))

    assert [cause for _, cause, _ in words(said, "bought")] == [
        f"sub:{contract.id}:{index}" for index in range(14)
    ]


async def test_an_upgrade_gives_the_difference_for_the_rest_of_the_month_at_once(
    life: Life,
) -> None:
    contract = life.world.subscribe("remember")
    await life.hear()
    life.world.advance(BEGINNING + timedelta(days=14))

    life.world.change(contract, "cherish", interval="month")

    said = await life.hear()
    assert [(word, amount) for word, _, amount in words(said, "bought")] == [("bought", 17)]
    assert words(said, "bought")[0][1].startswith("upgrade:il_")
    assert words(said, "plan") == [("plan", "cherish priority", None)]
    assert words(await life.pass_days(16), "bought") == [("bought", f"sub:{contract.id}:1", 60)]


async def test_an_upgrade_within_a_year_counts_for_its_months_too(life: Life) -> None:
    contract = life.world.subscribe("remember", interval="year")
    await life.until(datetime(2027, 3, 31, 13, tzinfo=UTC))

    life.world.change(contract, "forever", interval="year")

    (upgrade,) = words(await life.hear(), "bought")
    assert upgrade[2] == 124  # an hour of the month is over
    (april,) = words(await life.until(datetime(2027, 5, 1, tzinfo=UTC)), "bought")
    assert april == ("bought", f"sub:{contract.id}:3", 150)


async def test_a_downgrade_counts_from_the_renewal_on(life: Life) -> None:
    contract = life.world.subscribe("forever")
    await life.hear()

    life.world.change_at_renewal(contract, "remember")

    assert await life.pass_days(27) == []
    said = await life.pass_days(2)
    assert words(said, "bought") == [("bought", f"sub:{contract.id}:1", 25)]
    assert words(said, "plan") == [("plan", "remember priority", None)]


async def test_a_downgrade_in_the_dashboard_keeps_what_the_month_was_paid_for(life: Life) -> None:
    contract = life.world.subscribe("forever")
    await life.hear()
    life.world.advance(BEGINNING + timedelta(days=10))

    life.world.change(contract, "remember", interval="month")

    assert await life.hear() == []
    assert await life.plan() == ("forever", "priority", "paid")


async def test_going_up_and_down_a_hundred_times_mints_nothing(life: Life) -> None:
    contract = life.world.subscribe("remember")
    await life.hear()
    life.world.advance(BEGINNING + timedelta(days=14))

    for _ in range(100):
        life.world.change(contract, "forever", interval="month")
        life.world.change(contract, "remember", interval="month")

    await life.hear()
    assert await life.net() == 25 + (150 - 25) // 2


async def test_switching_between_month_and_year_mints_no_second_month(life: Life) -> None:
    contract = life.world.subscribe("cherish")
    await life.hear()

    for _ in range(5):
        life.world.advance(life.world.now + timedelta(minutes=1))
        life.world.change(contract, "cherish", interval="year")
        life.world.advance(life.world.now + timedelta(minutes=1))
        life.world.change(contract, "cherish", interval="month")

    await life.hear()
    assert await life.net() == 60


async def test_subscribing_again_on_the_day_of_the_end_is_paid_and_given_anew(life: Life) -> None:
    first = life.world.subscribe("cherish")
    await life.hear()
    life.world.cancel(first)
    await life.until(first.period_ends_at - timedelta(hours=1))
    life.world.advance(first.period_ends_at + timedelta(hours=1))

    second = life.world.subscribe("cherish")
    said = await life.hear()

    assert ("ended", f"forfeit:{first.id}", None) in said
    assert ("bought", f"sub:{second.id}:0", 60) in said
    (ended,) = [e for e in await life.events() if e["type"].endswith("subscription.ended.v1")]
    (bought,) = [e for e in await life.events() if e.get("cause") == f"sub:{second.id}:0"]
    assert datetime.fromisoformat(ended["ended_at"]) < datetime.fromisoformat(bought["paid_at"])
    assert await life.plan() == ("cherish", "priority", "paid")


async def test_a_coupon_of_all_of_it_gives_the_credits(life: Life) -> None:
    contract = life.world.subscribe("remember", coupon=True)

    assert words(await life.hear(), "bought") == [("bought", f"sub:{contract.id}:0", 25)]


async def test_a_trial_gives_the_plan_and_credits_from_the_first_paid_month_on(life: Life) -> None:
    contract = life.world.subscribe_on_trial("cherish", trial_days=7)

    said = await life.hear()
    assert words(said, "bought") == []
    assert await life.plan() == ("cherish", "priority", "paid")
    said = await life.pass_days(8)
    assert words(said, "bought") == [("bought", f"sub:{contract.id}:1", 60)]


async def test_two_of_a_plan_give_twice_its_credits(life: Life) -> None:
    life.world.subscribe("remember")
    (invoice,) = life.world.invoices.values()
    invoice["lines"]["data"][0]["quantity"] = 2

    assert words(await life.hear(), "bought")[0][2] == 50


# Payments that fail, and ends.


async def test_a_payment_that_fails_keeps_what_is_there_and_stops_new_credits(life: Life) -> None:
    life.world.subscribe("cherish")
    await life.hear()
    life.world.card_works = False

    said = await life.until(datetime(2027, 2, 28, 13, tzinfo=UTC))

    assert said == []
    assert await life.plan() == ("cherish", "priority", "paid")


async def test_priority_ends_with_the_grace_and_the_plan_stays(life: Life) -> None:
    contract = life.world.subscribe("cherish")
    await life.hear()
    life.world.card_works = False
    grace_ends_at = contract.period_ends_at + timedelta(days=7)

    assert await life.until(grace_ends_at - timedelta(minutes=1)) == []
    assert await life.until(grace_ends_at) == [("plan", "cherish standard", None)]
    assert await life.plan() == ("cherish", "standard", "paid")


async def test_a_cancelled_plan_keeps_everything_until_what_is_paid_for_is_over(
    life: Life,
) -> None:
    contract = life.world.subscribe("cherish")
    life.world.top_up(100)
    await life.hear()

    life.world.cancel(contract)

    assert await life.until(contract.period_ends_at - timedelta(minutes=1)) == []
    said = await life.until(contract.period_ends_at)
    assert said == [("ended", f"forfeit:{contract.id}", None), ("plan", "free standard", None)]


async def test_a_plan_that_an_operator_ends_at_once_lasts_as_long_as_it_is_paid_for(
    life: Life,
) -> None:
    contract = life.world.subscribe("cherish")
    await life.hear()
    life.world.advance(BEGINNING + timedelta(days=3))

    life.world.cancel_now(contract)

    assert await life.hear() == []
    said = await life.until(contract.period_ends_at)
    assert words(said, "ended") == [("ended", f"forfeit:{contract.id}", None)]


async def test_ended_at_once_and_refunded_it_is_over_with_the_refund(life: Life) -> None:
    contract = life.world.subscribe("cherish")
    await life.hear()
    life.world.advance(BEGINNING + timedelta(days=3))
    life.world.cancel_now(contract)
    (intent,) = life.world.intents

    life.world.refund(intent, 10**9)

    said = await life.hear()
    assert words(said, "revoked")[0][2] == 60
    assert words(said, "ended") == [("ended", f"forfeit:{contract.id}", None)]
    assert await life.plan() == ("free", "standard", "free")


async def test_a_resumed_plan_does_not_end(life: Life) -> None:
    contract = life.world.subscribe("cherish")
    life.world.cancel(contract)
    await life.hear()
    life.world.resume(contract)

    said = await life.pass_days(40)

    assert words(said, "ended") == []
    assert words(said, "bought") == [("bought", f"sub:{contract.id}:1", 60)]


async def test_cancelled_while_it_renews_it_is_paid_for_one_more_month(life: Life) -> None:
    """The renewal was paid before the cancellation was: both events are on their way at once."""
    contract = life.world.subscribe("cherish")
    await life.hear()
    life.world.advance(contract.period_ends_at)
    life.world.cancel_now(contract)

    said = await life.hear()

    assert words(said, "bought") == [("bought", f"sub:{contract.id}:1", 60)]
    assert words(said, "ended") == []
    assert words(await life.pass_days(32), "ended") == [("ended", f"forfeit:{contract.id}", None)]


async def test_a_plan_that_dies_of_failed_payments_loses_the_pool(life: Life) -> None:
    contract = life.world.subscribe("remember")
    await life.hear()
    life.world.card_works = False

    said = await life.pass_days(70)

    assert words(said, "ended") == [("ended", f"forfeit:{contract.id}", None)]
    assert await life.plan() == ("free", "standard", "free")


# Top-ups.


async def test_a_top_up_is_given_once_from_our_own_price_list(life: Life) -> None:
    intent = life.world.top_up(30)

    assert words(await life.hear(), "bought") == [("bought", f"topup:{intent}", 30)]
    (session,) = life.world.sessions.values()
    assert session["metadata"]["credits"] == "1000000"


async def test_a_top_up_whose_money_comes_later_is_given_then(life: Life) -> None:
    session_id = life.world.top_up_later(30, works=True)

    bought = words(await life.hear(), "bought")

    assert [amount for _, _, amount in bought] == [30]
    assert life.world.sessions[session_id]["payment_status"] == "paid"


async def test_a_top_up_whose_money_never_comes_or_that_is_left_gives_nothing(life: Life) -> None:
    life.world.top_up_later(30, works=False)
    life.world.abandon()

    assert words(await life.hear(), "bought") == []


async def test_the_same_thing_bought_twice_is_given_twice(life: Life) -> None:
    first, second = life.world.top_up(10), life.world.top_up(10)

    assert words(await life.hear(), "bought") == [
        ("bought", f"topup:{first}", 10),
        ("bought", f"topup:{second}", 10),
    ]


async def test_a_top_up_on_a_coupon_of_all_of_it_is_given(life: Life) -> None:
    session_id = life.world.top_up(10, is_free=True)

    assert words(await life.hear(), "bought") == [("bought", f"topup:{session_id}", 10)]


# What does not fit.


async def test_money_in_another_currency_moves_nothing(life: Life, logs: list[Any]) -> None:
    life.world.top_up(10)
    for known in (*life.world.sessions.values(), *life.world.intents.values()):
        known["currency"] = "eur"

    assert words(await life.hear(), "bought") == []
    assert await life.parked() == ["it is paid for in eur, and we sell in usd"]
    assert "stripe.event.refused" in [e["event"] for e in logs if e["log_level"] == "error"]


async def test_a_price_that_is_not_ours_moves_nothing(life: Life) -> None:
    life.world.top_up(10)
    (session,) = life.world.sessions.values()
    session["line_items"]["data"][0]["price"]["id"] = "price_of_somebody"

    assert words(await life.hear(), "bought") == []
    assert "not one of our top-ups" in (await life.parked())[0]


async def test_a_price_that_is_sold_no_more_goes_on_counting(life: Life) -> None:
    contract = life.world.subscribe("remember")
    await life.hear()
    async with life.engine.begin() as connection:
        await connection.exec_driver_sql("update prices set is_current = false")

    said = await life.pass_days(30)

    assert words(said, "bought") == [("bought", f"sub:{contract.id}:1", 25)]


async def test_what_belongs_to_another_customer_moves_nothing(life: Life) -> None:
    life.world.top_up(10)
    (session,) = life.world.sessions.values()
    session["customer"] = "cus_of_somebody"

    assert words(await life.hear(), "bought") == []
    assert "belongs to the customer cus_of_somebody" in (await life.parked())[0]


async def test_metadata_that_names_another_account_is_ignored(life: Life) -> None:
    life.world.top_up(10)
    (session,) = life.world.sessions.values()
    assert session["metadata"]["account_id"] == "somebody else"

    await life.hear()

    (bought,) = [e for e in await life.events() if e["type"] == "billing.credits.purchased.v1"]
    assert bought["account_id"] == str(life.account_id)


# Refunds and disputes: five bugs that one shop had in this one feature, and some more.


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


# What the clock may decide, and what is mended when we hear of it late.


def withhold(life: Life, *kinds: str) -> None:
    """These events do not come."""
    life.world.events = [event for event in life.world.events if event.type not in kinds]


REFUNDED = ("refund.created", "charge.refunded")


async def test_before_the_clock_gives_a_month_stripe_is_asked_once_more(life: Life) -> None:
    life.world.subscribe("remember", interval="year")
    await life.hear()
    (intent,) = life.world.intents
    life.world.dispute(intent)
    withhold(life, "charge.dispute.created")

    said = await life.pass_days(40)

    assert words(said, "bought") == []
    assert [amount for _, _, amount in words(said, "blocked")] == [25]


async def test_an_event_that_comes_when_a_month_is_due_does_not_give_it(life: Life) -> None:
    """The account is settled by the clock first, and Stripe asked: here the money had gone back."""
    life.world.subscribe("remember", interval="year")
    await life.hear()
    (intent,) = life.world.intents
    life.world.advance(BEGINNING + timedelta(days=20))
    life.world.refund(intent, 10**9)
    withhold(life, *REFUNDED)
    life.world.advance(BEGINNING + timedelta(days=29))
    life.world.top_up(10)

    said = await life.hear()

    assert [amount for _, _, amount in words(said, "bought", "revoked")] == [10, 25]
    assert await life.net() == 10


async def test_a_month_given_before_its_refund_was_heard_of_is_taken_back(life: Life) -> None:
    contract = life.world.subscribe("remember", interval="year")
    await life.pass_days(29)
    (intent,) = life.world.intents
    refund = life.world.refund(intent, 10**9)
    before_the_month = BEGINNING + timedelta(days=20)
    life.world.refunds[refund]["created"] = int(before_the_month.timestamp())

    said = await life.hear()

    assert ("revoked", f"claw:{contract.id}:1", 25) in said
    assert await life.net() == 0


async def test_a_month_given_on_a_plan_whose_upgrade_had_been_refunded_is_corrected(
    life: Life,
) -> None:
    contract = life.world.subscribe("remember", interval="year")
    await life.hear()
    life.world.advance(BEGINNING + timedelta(days=10))
    life.world.change(contract, "forever", interval="year")
    await life.pass_days(19)
    refund = life.world.refund(list(life.world.intents)[-1], 10**9)
    before_the_month = BEGINNING + timedelta(days=20)
    life.world.refunds[refund]["created"] = int(before_the_month.timestamp())

    said = await life.hear()

    assert ("revoked", f"claw:{contract.id}:1", 125) in said
    assert await life.net() == 25 + 25


async def test_while_stripe_is_away_the_clock_decides_nothing(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = life.world.subscribe("cherish", interval="year")
    await life.hear()
    there = life.world.subscriptions_of

    async def away(_: str) -> Any:
        raise StripeAway

    monkeypatch.setattr(life.world, "subscriptions_of", away)
    assert await life.pass_days(30) == []
    monkeypatch.setattr(life.world, "subscriptions_of", there)

    assert words(await life.pass_days(1), "bought") == [("bought", f"sub:{contract.id}:1", 60)]


@pytest.mark.parametrize("hours", [-2, 2])
async def test_a_clock_that_is_wrong_gives_nothing_twice_and_takes_nothing_back(
    life: Life, hours: int
) -> None:
    contract = life.world.subscribe("cherish", interval="year")
    await life.pass_days(28)
    life.post.actor.clock = lambda: life.world.now + timedelta(hours=hours)
    life.world.top_up(10)

    first = await life.hear()
    life.post.actor.clock = lambda: life.world.now
    life.world.top_up(10)
    second = await life.hear()

    assert words([*first, *second], "revoked", "ended", "plan") == []
    assert await life.net() == 2 * 60 + 10 + 10
    assert contract.status == "active"
