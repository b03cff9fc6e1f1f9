"""Plans, and the credits they give: each period once, each month once."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from services.credits import accounts
from tests.credits.bank import Bank

NOVEMBER = datetime(2026, 11, 22, tzinfo=UTC)
LAST_SECOND = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


async def test_a_new_account_is_free_and_has_three_credits(bank: Bank) -> None:
    account = await bank.read(uuid4())

    assert account == accounts.Account(
        available=3, held=0, plan="free", tier="standard", credits_monthly=3
    )
    ((said, facts),) = await bank.said()
    assert said == "credits.balance.granted.v1"
    assert (facts["amount"], facts["available"], facts["version"]) == (3, 3, 1)


async def test_free_credits_come_once_a_month_and_stack(bank: Bank) -> None:
    account_id = uuid4()

    for at in (NOVEMBER, LAST_SECOND, LAST_SECOND):
        assert (await bank.read(account_id, at=at)).available == 3
    for _ in range(2):
        assert (await bank.read(account_id, at=DECEMBER)).available == 6

    causes = await bank.rows("select cause, reason from movements order by version")
    assert causes == [
        ("monthly:2026-11", "Free credits for November 2026"),
        ("monthly:2026-12", "Free credits for December 2026"),
    ]


async def test_a_clock_that_goes_back_adds_nothing(bank: Bank) -> None:
    account_id = uuid4()
    await bank.read(account_id, at=DECEMBER)

    assert (await bank.read(account_id, at=NOVEMBER)).available == 3


async def test_a_hold_brings_the_months_credits_with_it(bank: Bank) -> None:
    account_id = uuid4()

    await bank.hold(account_id, amount=2, at=NOVEMBER)
    await bank.hold(account_id, amount=4, at=DECEMBER)

    assert await bank.balance(account_id) == (0, 6)


async def test_the_sweep_gives_the_free_accounts_their_month(bank: Bank) -> None:
    free = [uuid4() for _ in range(3)]
    for account_id in free:
        await bank.read(account_id, at=NOVEMBER)
    paying = await bank.open_account(amount=5)

    assert await accounts.add_free_credits(bank.engine, batch=2, at=DECEMBER) == 2
    assert await accounts.add_free_credits(bank.engine, batch=2, at=DECEMBER) == 1
    assert await accounts.add_free_credits(bank.engine, batch=2, at=DECEMBER) == 0

    assert [await bank.balance(account_id) for account_id in free] == [(6, 0)] * 3
    assert await bank.balance(paying) == (5, 0)


async def test_a_plan_gives_its_credits_and_no_free_ones(bank: Bank) -> None:
    account_id = uuid4()

    await bank.change_plan(account_id, plan="remember", amount=25, version=1, period="gift:1")
    account = await bank.read(account_id)
    await bank.hold(account_id, amount=4)

    assert account == accounts.Account(
        available=25, held=0, plan="remember", tier="priority", credits_monthly=25
    )
    assert await bank.balance(account_id) == (21, 4)
    (cause,) = await bank.rows("select cause, reason from movements where kind = 'grant'")
    assert cause == ("plan:gift:1", "Credits of the plan Remember")


async def test_a_period_is_paid_out_once(bank: Bank) -> None:
    account_id = uuid4()

    for version in (1, 1, 2):
        await bank.change_plan(account_id, plan="cherish", amount=60, version=version, period="p1")
    assert await bank.balance(account_id) == (60, 0)
    await bank.change_plan(account_id, plan="cherish", amount=60, version=3, period="p2")

    assert await bank.balance(account_id) == (120, 0)


async def test_older_news_change_no_plan_but_their_period_was_paid(bank: Bank) -> None:
    account_id = uuid4()
    await bank.change_plan(account_id, plan="forever", amount=150, version=2, period="p2")

    await bank.change_plan(account_id, plan="remember", amount=25, version=1, period="p1")

    account = await bank.read(account_id)
    assert (account.plan, account.credits_monthly, account.available) == ("forever", 150, 175)


async def test_going_back_and_forth_mints_one_month_of_free_credits(bank: Bank) -> None:
    account_id = uuid4()
    for version in range(1, 9, 2):
        await bank.change_plan(account_id, plan="free", amount=3, version=version)
        await bank.read(account_id, at=NOVEMBER)
        await bank.change_plan(
            account_id, plan="remember", amount=25, version=version + 1, period="p1"
        )

    assert await bank.balance(account_id) == (28, 0)


async def test_who_left_the_free_plan_a_moment_ago_gets_no_free_credits(bank: Bank) -> None:
    account_id = uuid4()
    await bank.change_plan(account_id, plan="remember", amount=25, version=1, period="p1")

    # As called by a request that saw the account while it still was free.
    async with bank.engine.begin() as connection:
        assert not await accounts.bring_up_to_date(connection, account_id, at=DECEMBER)

    assert await bank.balance(account_id) == (25, 0)


@pytest.mark.parametrize("amount", [0, -1, 1_000_000_001])
async def test_no_amount_beyond_the_limits_enters_the_books(bank: Bank, amount: int) -> None:
    account_id = await bank.open_account(amount=5)

    async with bank.engine.connect() as connection:
        with pytest.raises(Exception, match=r"movements_amount_check|greater than|less than"):
            await accounts.grant(
                connection, account_id=account_id, amount=amount, cause="bad", reason="bad"
            )

    assert await bank.balance(account_id) == (5, 0)
