"""Credits that operators give and take: with a reason, a name, and for many a second name."""

import asyncio
import os
import re
import sys
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import DBAPIError

from contracts.billing.v1 import SubscriptionEnded
from services.credits import adjustments, money
from services.credits.adjustments import ALONE_MAX, Wanted
from services.credits.errors import AlreadyApproved, NeedsAnother
from services.kit.problems import NotFound
from tests.credits.bank import Bank

ANNA, BEN = "anna@rekindle.example", "ben@rekindle.example"


async def ask(
    bank: Bank, account_id: UUID, amount: int, *, by: str = ANNA, adjustment_id: UUID | None = None
) -> tuple[UUID, bool]:
    adjustment_id = adjustment_id or uuid4()
    async with bank.engine.begin() as connection:
        is_booked = await adjustments.ask(
            connection, Wanted(adjustment_id, account_id, amount, "A broken week", by)
        )
    return adjustment_id, is_booked


async def approve(bank: Bank, adjustment_id: UUID, *, by: str = BEN) -> None:
    async with bank.engine.begin() as connection:
        await adjustments.approve(connection, adjustment_id=adjustment_id, approved_by=by)


async def test_a_few_credits_are_given_at_once_and_the_receipt_says_why(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)

    adjustment_id, is_booked = await ask(bank, account_id, ALONE_MAX)

    assert is_booked
    assert await bank.balance(account_id) == (10 + ALONE_MAX, 0)
    last = "select kind, cause, reason from movements where version = 2"
    assert await bank.rows(last) == [("grant", f"adjustment:{adjustment_id}", "A broken week")]
    assert (await bank.said())[-1][0] == "credits.balance.granted.v1"
    assert await bank.rows("select asked_by, approved_by from adjustments") == [(ANNA, None)]


async def test_asking_again_for_the_same_gives_once(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    adjustment_id, _ = await ask(bank, account_id, 5)

    assert await ask(bank, account_id, 5, adjustment_id=adjustment_id) == (adjustment_id, True)

    assert await bank.balance(account_id) == (15, 0)


async def test_what_is_taken_is_taken_from_what_is_left_and_the_rest_is_owed(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)

    await ask(bank, account_id, -15)

    account = await bank.read(account_id)
    assert (account.available, account.owed) == (0, 5)


async def test_what_was_taken_is_not_lost_again_when_the_subscription_ends(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    await ask(bank, account_id, -4)
    ended = SubscriptionEnded(account_id=account_id, cause="end", ended_at=datetime.now(UTC))

    async with bank.engine.begin() as connection:
        await money.ended(connection, ended)

    account = await bank.read(account_id)
    assert (account.available, account.owed) == (0, 0)


@pytest.mark.parametrize("amount", [ALONE_MAX + 1, -ALONE_MAX - 1])
async def test_many_credits_wait_for_somebody_else(bank: Bank, amount: int) -> None:
    account_id = await bank.open_account(amount=100)
    adjustment_id, is_booked = await ask(bank, account_id, amount)

    assert not is_booked
    assert await ask(bank, account_id, amount, adjustment_id=adjustment_id) == (
        adjustment_id,
        False,
    )
    with pytest.raises(NeedsAnother):
        await approve(bank, adjustment_id, by=f" {ANNA.upper()}")
    assert await bank.balance(account_id) == (100, 0)

    await approve(bank, adjustment_id)

    assert await bank.balance(account_id) == (100 + amount, 0)


async def test_what_two_approve_at_once_is_booked_once(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    adjustment_id, _ = await ask(bank, account_id, 100)

    answers = await asyncio.gather(
        *(approve(bank, adjustment_id, by=f"{n}@rekindle.example") for n in range(6)),
        return_exceptions=True,
    )

    assert [type(answer) for answer in answers if answer].count(AlreadyApproved) == 5
    assert await bank.balance(account_id) == (110, 0)


async def test_many_small_ones_of_a_day_are_a_large_one(bank: Bank) -> None:
    account_ids = [await bank.open_account(amount=0) for _ in range(4)]

    asked = await asyncio.gather(*(ask(bank, one, ALONE_MAX // 2) for one in account_ids))

    assert sorted(is_booked for _, is_booked in asked) == [False, False, True, True]
    assert (await ask(bank, account_ids[0], 1, by=BEN))[1]
    await approve(bank, next(id_ for id_, is_booked in asked if not is_booked))


async def test_what_was_approved_leaves_one_person_as_much_as_before(bank: Bank) -> None:
    account_id = await bank.open_account(amount=0)
    adjustment_id, _ = await ask(bank, account_id, 1000)
    await approve(bank, adjustment_id)

    assert (await ask(bank, account_id, ALONE_MAX))[1]


async def test_an_account_or_adjustment_that_is_not_there_is_not_found(bank: Bank) -> None:
    with pytest.raises(NotFound):
        await ask(bank, uuid4(), 5)
    with pytest.raises(NotFound):
        await approve(bank, uuid4())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("insert {} 100, 'x', 'anna', null, now()", "adjustments_need_a_second"),
        ("insert {} 100, 'x', 'anna', 'ANNA ', now()", "adjustments_check"),
        ("insert {} 1, ' ', 'anna', null, now()", "adjustments_reason_check"),
        ("insert {} 1, 'x', '', null, now()", "adjustments_asked_by_check"),
        ("insert {} 0, 'x', 'anna', null, now()", "adjustments_amount_check"),
        ("update adjustments set amount = 1", "permission denied"),
        ("update adjustments set asked_by = 'ben'", "permission denied"),
        ("delete from adjustments", "permission denied"),
    ],
)
async def test_the_table_itself_asks_for_a_reason_a_name_and_a_second_one(
    bank: Bank, change: str, why: str
) -> None:
    await bank.open_account(amount=10)
    into = (
        "into adjustments (id, account_id, amount, reason, asked_by, approved_by, booked_at)"
        " select gen_random_uuid(), id,"
    )
    statement = change.format(into) + (" from accounts" if "insert" in change else "")

    with pytest.raises(DBAPIError, match=why):
        await bank.rows(statement)


async def test_the_table_says_the_same_limit_as_the_rule(bank: Bank) -> None:
    query = "select pg_get_constraintdef(oid) from pg_constraint where conname = :name"
    ((said,),) = await bank.rows(query, name="adjustments_need_a_second")

    assert f"abs(amount) <= {ALONE_MAX}" in said


async def run(bank: Bank, *asked: str) -> tuple[int | None, str]:
    url = bank.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.credits", *asked),
        env=os.environ | {"DATABASE_URL": url, "REKINDLE_ENV": "local"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_operators_adjust_and_approve_by_command(bank: Bank) -> None:
    account_id = await bank.open_account(amount=100)
    adjust = ("adjust", str(account_id))

    small = await run(bank, *adjust, "-3", "--reason", "Given by mistake", "--by", ANNA)
    large = await run(bank, *adjust, "500", "--reason", "A broken week", "--by", ANNA)
    (adjustment_id,) = re.findall(r"approve (\S+)", large[1])
    alone = await run(bank, "approve", adjustment_id, "--by", ANNA)
    both = await run(bank, "approve", adjustment_id, "--by", BEN)
    nothing = await run(bank, *adjust, "0", "--reason", "x", "--by", ANNA)

    assert [code for code, _ in (small, large, alone, both, nothing)] == [0, 0, 1, 0, 2]
    assert "cannot approve" in alone[1]
    assert await bank.balance(account_id) == (597, 0)
