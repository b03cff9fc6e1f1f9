"""What a top-up gives, and purchases that fit nothing of ours: those move nothing."""

from typing import Any

import pytest

from tests.billing.lives import Life, words

pytestmark = pytest.mark.usefixtures("logs")


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
