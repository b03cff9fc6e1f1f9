"""What a plan gives: each month once, by what was paid, up and down, until it ends."""

from datetime import UTC, datetime, timedelta

import pytest

from services.billing.standing import A_SECOND
from tests.billing.lives import Life, words
from tests.billing.memory import BEGINNING

pytestmark = pytest.mark.usefixtures("logs")


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
    assert await life.until(contract.period_ends_at) == [("plan", "free standard", None)]
    said = await life.until(contract.period_ends_at + A_SECOND)
    assert said == [("ended", f"forfeit:{contract.id}", None)]


async def test_a_plan_that_begins_in_the_second_in_which_another_ends_goes_on(life: Life) -> None:
    """In whichever order the two are heard of; found by seed 94 of the histories."""
    first = life.world.subscribe("cherish")
    await life.hear()
    life.world.cancel(first)
    await life.until(first.period_ends_at)

    second = life.world.subscribe("remember")

    said = await life.hear() + await life.pass_days(1)
    assert words(said, "ended") == []
    assert words(said, "bought") == [("bought", f"sub:{second.id}:0", 25)]


async def test_a_plan_that_an_operator_ends_at_once_lasts_as_long_as_it_is_paid_for(
    life: Life,
) -> None:
    contract = life.world.subscribe("cherish")
    await life.hear()
    life.world.advance(BEGINNING + timedelta(days=3))

    life.world.cancel_now(contract)

    assert await life.hear() == []
    said = await life.until(contract.period_ends_at + A_SECOND)
    assert words(said, "ended") == [("ended", f"forfeit:{contract.id}", None)]


async def test_ended_at_once_and_refunded_it_is_over_with_the_refund(life: Life) -> None:
    contract = life.world.subscribe("cherish")
    await life.hear()
    life.world.advance(BEGINNING + timedelta(days=3))
    life.world.cancel_now(contract)
    (intent,) = life.world.intents

    life.world.refund(intent, 10**9)

    said = await life.hear() + await life.until(life.world.now + A_SECOND)
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
