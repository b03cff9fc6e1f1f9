"""A result that does not look like them costs nothing: once, in time, and within bounds."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from contracts.billing.v1 import SubscriptionEnded
from services.credits import money, refunds
from services.credits.errors import NothingToRefund, TooLateToRefund, TooManyRefunds
from services.kit.problems import NotFound
from tests.credits.bank import Bank
from tests.credits.conftest import Caller


async def end(bank: Bank, account_id: UUID, ended_at: datetime) -> None:
    news = SubscriptionEnded(account_id=account_id, cause="forfeit:1", ended_at=ended_at)
    async with bank.engine.begin() as connection:
        await money.ended(connection, news)


async def test_the_spent_credits_come_back_once(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    job_id = await bank.delivered(account_id)

    answers = [await bank.refund(account_id, job_id) for _ in range(2)]

    assert answers == [refunds.Refund(amount=4, available=10)] * 2
    assert (await bank.receipts(account_id))[-1] == ("refund", 4, 10, 0)
    (told,) = [facts for said, facts in await bank.said() if said == "credits.hold.refunded.v1"]
    assert (told["job_id"], told["reason"], told["available"]) == (str(job_id), "likeness", 10)


async def test_two_taps_at_once_give_back_once(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    job_id = await bank.delivered(account_id)

    await asyncio.gather(*(bank.refund(account_id, job_id) for _ in range(8)))

    assert await bank.balance(account_id) == (10, 0)


async def test_only_the_owner_of_a_delivered_result_can_reject_it(bank: Bank) -> None:
    account_id, other_id = [await bank.open_account(amount=10) for _ in range(2)]
    held, delivered = await bank.hold(account_id, amount=1), await bank.delivered(account_id)
    returned = await bank.hold(account_id, amount=1)
    await bank.release(returned)

    for stranger, job_id in ((other_id, delivered), (account_id, uuid4())):
        with pytest.raises(NotFound):
            await bank.refund(stranger, job_id)
    for job_id in (held, returned):
        with pytest.raises(NothingToRefund):
            await bank.refund(account_id, job_id)

    assert await bank.balance(account_id) == (5, 1)


async def test_a_week_is_the_limit(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    early, late = await bank.delivered(account_id), await bank.delivered(account_id)
    now = datetime.now(UTC)

    await bank.refund(account_id, early, at=now + timedelta(days=6, hours=23))
    with pytest.raises(TooLateToRefund):
        await bank.refund(account_id, late, at=now + timedelta(days=7, minutes=5))

    assert await bank.balance(account_id) == (6, 0)


async def test_five_a_month_and_as_many_in_the_next(bank: Bank) -> None:
    account_id = await bank.open_account(amount=100)
    end_of_june = datetime(2031, 6, 30, 12, tzinfo=UTC)
    jobs = [await bank.delivered(account_id, at=end_of_june) for _ in range(7)]
    for job_id in jobs[:5]:
        await bank.refund(account_id, job_id, at=end_of_june)

    with pytest.raises(TooManyRefunds):
        await bank.refund(account_id, jobs[5], at=end_of_june)
    await bank.refund(account_id, jobs[5], at=end_of_june + timedelta(days=1))

    assert await bank.balance(account_id) == (96, 0)


async def test_of_many_at_once_five_get_through(bank: Bank) -> None:
    account_id = await bank.open_account(amount=100)
    jobs = [await bank.delivered(account_id) for _ in range(8)]

    answers = await asyncio.gather(
        *(bank.refund(account_id, job_id) for job_id in jobs), return_exceptions=True
    )

    assert sum(isinstance(answer, TooManyRefunds) for answer in answers) == 3


async def test_over_http(client: httpx.AsyncClient, bank: Bank, called_for: Caller) -> None:
    account_id = await bank.open_account(amount=10)
    path = f"/v1/jobs/{await bank.delivered(account_id)}/refund"

    strange = await client.post(path, json={"reason": "no"}, headers=called_for(account_id))
    done = await client.post(path, json={"reason": "likeness"}, headers=called_for(account_id))
    foreign = await client.post(path, json={"reason": "other"}, headers=called_for(uuid4()))

    assert (strange.status_code, done.status_code, foreign.status_code) == (422, 200, 404)
    assert done.json()["available"] == 10


@pytest.mark.parametrize("ends_in_hours", [0, 1])
async def test_what_came_back_before_the_end_is_lost_with_the_rest(
    bank: Bank, ends_in_hours: int
) -> None:
    account_id = await bank.open_account(amount=10)
    await bank.refund(account_id, await bank.delivered(account_id, amount=4))
    shown = (await bank.read(account_id)).lost_at_end

    await end(bank, account_id, datetime.now(UTC) + timedelta(hours=ends_in_hours))

    assert await bank.balance(account_id) == (0, 0)
    assert await bank.rows("select past from accounts") == [(shown,)] == [(10,)]


async def test_what_comes_back_after_the_end_may_be_spent_but_not_before_it(bank: Bank) -> None:
    """By a clock that is behind Stripe's, the end is still to come."""
    account_id = await bank.open_account(amount=10)
    jobs = [await bank.delivered(account_id, amount=2) for _ in range(2)]
    now = datetime.now(UTC)
    await end(bank, account_id, now + timedelta(hours=1))

    await bank.refund(account_id, jobs[0], at=now)
    assert await bank.balance(account_id) == (0, 0)
    await bank.refund(account_id, jobs[1], at=now + timedelta(hours=2))

    assert await bank.balance(account_id) == (2, 0)
