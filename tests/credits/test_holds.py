"""A hold is placed once, ends once, and never takes what is not there."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.credits import holds
from services.credits.errors import HoldClosed, HoldDiffers, InsufficientCredits
from tests.credits.bank import Bank


async def test_a_hold_sets_credits_aside_and_says_so(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)

    job_id = await bank.hold(account_id, amount=4)

    assert await bank.balance(account_id) == (6, 4)
    assert (await bank.said())[-1] == (
        "credits.hold.placed.v1",
        {
            "account_id": str(account_id),
            "job_id": str(job_id),
            "version": 2,
            "amount": 4,
            "available": 6,
        },
    )


async def test_all_credits_may_be_held_but_not_one_more(bank: Bank) -> None:
    account_id = await bank.open_account(amount=4)

    await bank.hold(account_id, amount=4)
    with pytest.raises(InsufficientCredits) as refusal:
        await bank.hold(account_id, amount=1)

    assert refusal.value.facts == {"needed": 1, "available": 0, "missing": 1}
    assert await bank.balance(account_id) == (0, 4)


async def test_a_refused_hold_leaves_nothing_and_may_be_asked_for_again(bank: Bank) -> None:
    account_id = await bank.open_account(amount=1)
    job_id = uuid4()

    async with bank.engine.begin() as connection:
        with pytest.raises(InsufficientCredits):
            await holds.place(
                connection, account_id=account_id, job_id=job_id, amount=2, reason="restore"
            )
    assert await bank.rows("select 1 from holds") == []
    await bank.change_plan(account_id, plan="cherish", amount=1, version=2, period="p1")
    await bank.hold(account_id, amount=2, job_id=job_id)

    assert await bank.balance(account_id) == (0, 2)


async def test_the_same_hold_twice_holds_once(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)

    job_id = await bank.hold(account_id, amount=4)
    await bank.hold(account_id, amount=4, job_id=job_id)

    assert await bank.balance(account_id) == (6, 4)
    assert [kind for kind, *_ in await bank.receipts(account_id)] == ["grant", "hold"]
    assert len(await bank.said()) == 2


async def test_another_hold_for_the_same_job_is_refused(bank: Bank) -> None:
    account_id, stranger = await bank.open_account(amount=10), await bank.open_account(amount=10)
    job_id = await bank.hold(account_id, amount=4)

    with pytest.raises(HoldDiffers):
        await bank.hold(account_id, amount=5, job_id=job_id)
    with pytest.raises(HoldDiffers):
        await bank.hold(stranger, amount=4, job_id=job_id)

    assert await bank.balance(account_id) == (6, 4)
    assert await bank.balance(stranger) == (10, 0)


async def test_a_captured_hold_is_spent(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    job_id = await bank.hold(account_id, amount=4)

    await bank.capture(job_id)

    assert await bank.balance(account_id) == (6, 0)
    assert await bank.receipts(account_id) == [
        ("grant", 10, 10, 0),
        ("hold", 4, 6, 4),
        ("capture", 4, 6, 0),
    ]
    assert (await bank.said())[-1][0] == "credits.hold.captured.v1"


async def test_a_released_hold_comes_back(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    job_id = await bank.hold(account_id, amount=4)

    assert await bank.release(job_id)

    assert await bank.balance(account_id) == (10, 0)
    assert (await bank.said())[-1][0] == "credits.hold.released.v1"


async def test_a_hold_ends_as_it_ended_first(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    delivered = await bank.hold(account_id, amount=4)
    failed = await bank.hold(account_id, amount=3)
    await bank.capture(delivered)
    await bank.release(failed)
    before = await bank.said()

    for _ in range(2):
        await bank.capture(failed)
        await bank.capture(delivered)
        assert not await bank.release(delivered)
        assert not await bank.release(failed)
        assert not await bank.expire(delivered)
        assert not await bank.expire(failed)

    assert await bank.balance(account_id) == (6, 0)
    assert (await bank.state(delivered), await bank.state(failed)) == ("captured", "released")
    assert await bank.said() == before


async def test_a_closed_hold_cannot_be_placed_again(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    job_id = await bank.hold(account_id, amount=4)
    await bank.release(job_id)

    with pytest.raises(HoldClosed):
        await bank.hold(account_id, amount=4, job_id=job_id)

    assert await bank.balance(account_id) == (10, 0)


async def test_what_never_was_held_is_neither_spent_nor_returned(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)

    await bank.capture(uuid4())
    assert not await bank.release(uuid4())

    assert await bank.balance(account_id) == (10, 0)


async def test_only_a_hold_older_than_a_day_expires(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    now = datetime.now(UTC)
    old = await bank.hold(account_id, amount=4, at=now - timedelta(hours=24, seconds=1))
    young = await bank.hold(account_id, amount=3, at=now - timedelta(hours=23))

    assert await holds.expire_old(bank.engine, batch=10) == 1

    assert (await bank.state(old), await bank.state(young)) == ("expired", "held")
    assert await bank.balance(account_id) == (7, 3)
    assert (await bank.said())[-1][0] == "credits.hold.expired.v1"


async def test_the_sweep_takes_no_more_than_its_batch(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    yesterday = datetime.now(UTC) - timedelta(days=2)
    for _ in range(3):
        await bank.hold(account_id, amount=1, at=yesterday)

    assert await holds.expire_old(bank.engine, batch=2) == 2
    assert await bank.balance(account_id) == (9, 1)
    assert await holds.expire_old(bank.engine, batch=2) == 1
    assert await bank.balance(account_id) == (10, 0)


async def test_a_result_after_expiry_is_paid_from_what_is_available_once(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    job_id = await bank.hold(account_id, amount=4)
    await bank.expire(job_id)

    for _ in range(2):
        await bank.capture(job_id)

    assert await bank.balance(account_id) == (6, 0)
    assert await bank.state(job_id) == "captured"
    assert [kind for kind, *_ in await bank.receipts(account_id)] == [
        "grant",
        "hold",
        "expire",
        "capture",
    ]


async def test_a_result_after_expiry_that_cannot_be_paid_is_written_off_for_good(
    bank: Bank,
) -> None:
    account_id = await bank.open_account(amount=4)
    job_id = await bank.hold(account_id, amount=4)
    await bank.expire(job_id)
    await bank.hold(account_id, amount=1)

    await bank.capture(job_id)
    await bank.change_plan(account_id, plan="cherish", amount=60, version=2, period="p1")
    await bank.capture(job_id)

    assert await bank.rows("select job_id, amount from uncollected") == [(job_id, 4)]
    assert await bank.balance(account_id) == (63, 1)
    assert await bank.state(job_id) == "expired"
