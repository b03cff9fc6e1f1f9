"""What the clock may decide, and what is mended when we hear of it late."""

from datetime import timedelta
from typing import Any

import pytest

from services.billing.errors import StripeAway
from tests.billing.lives import Life, words
from tests.billing.memory import BEGINNING

pytestmark = pytest.mark.usefixtures("logs")


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
