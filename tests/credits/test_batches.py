"""One hold for many jobs: all or nothing when it is placed, each part by itself when it ends."""

import asyncio
from uuid import UUID, uuid4

import httpx
import pytest

from services.credits import batches
from services.credits.errors import HoldDiffers, InsufficientCredits
from tests.credits.bank import Bank
from tests.credits.conftest import Caller


async def place(
    bank: Bank, account_id: UUID, jobs: list[UUID], *, batch_id: UUID | None = None, amount: int = 2
) -> str:
    async with bank.engine.begin() as connection:
        return await batches.place(
            connection,
            account_id=account_id,
            batch_id=batch_id or uuid4(),
            job_ids=jobs,
            amount=amount,
            reason="Restore",
        )


def some(count: int) -> list[UUID]:
    return [uuid4() for _ in range(count)]


async def test_a_batch_holds_for_all_its_jobs_and_says_so_once(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    batch_id = uuid4()

    assert await place(bank, account_id, some(3), batch_id=batch_id) == "placed"

    assert await bank.balance(account_id) == (4, 6)
    assert (await bank.receipts(account_id))[1:] == [
        ("hold", 2, 8, 2), ("hold", 2, 6, 4), ("hold", 2, 4, 6),
    ]  # fmt: skip
    assert (await bank.said())[-1] == (
        "credits.batch.placed.v1",
        {
            "account_id": str(account_id),
            "batch_id": str(batch_id),
            "version": 4,
            "amount": 6,
            "available": 4,
            "jobs": 3,
        },
    )


async def test_each_job_closes_its_own_part(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    delivered, failed, expired, open_ = jobs = some(4)
    await place(bank, account_id, jobs)

    await bank.capture(delivered)
    await bank.release(failed)
    await bank.expire(expired)
    await bank.release(delivered)

    assert await bank.balance(account_id) == (6, 2)
    assert [await bank.state(job) for job in jobs] == ["captured", "released", "expired", "held"]
    await bank.capture(open_)
    assert await bank.balance(account_id) == (6, 0)


async def test_too_few_credits_for_all_hold_nothing(bank: Bank) -> None:
    account_id = await bank.open_account(amount=5)
    batch_id, jobs = uuid4(), some(3)

    with pytest.raises(InsufficientCredits) as refusal:
        await place(bank, account_id, jobs, batch_id=batch_id)

    assert refusal.value.facts == {"needed": 6, "available": 5, "missing": 1}
    assert await bank.balance(account_id) == (5, 0)
    await bank.change_plan(account_id, plan="cherish", amount=1, version=2, period="p1")
    assert await place(bank, account_id, jobs, batch_id=batch_id) == "placed"


async def test_the_same_batch_again_changes_nothing_and_another_is_refused(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    batch_id, jobs = uuid4(), some(2)
    answers = await asyncio.gather(
        *(place(bank, account_id, jobs, batch_id=batch_id) for _ in range(8))
    )

    assert sorted(answers) == ["placed", *["same"] * 7]
    assert await bank.balance(account_id) == (6, 4)
    with pytest.raises(HoldDiffers):
        await place(bank, account_id, some(3), batch_id=batch_id)


async def test_batches_and_jobs_at_once_never_spend_what_is_not_there(bank: Bank) -> None:
    account_id = await bank.open_account(amount=20)
    await asyncio.gather(
        *(place(bank, account_id, some(3)) for _ in range(5)),
        *(bank.hold(account_id, amount=1) for _ in range(10)),
        return_exceptions=True,
    )

    available, held = await bank.balance(account_id)
    assert available + held == 20
    assert available < 6


async def test_a_free_account_gets_its_month_before_a_batch(bank: Bank) -> None:
    account_id = uuid4()
    assert await place(bank, account_id, some(1)) == "placed"
    assert await bank.balance(account_id) == (1, 2)


async def test_two_hundred_jobs_are_held_by_one_request(
    bank: Bank, client: httpx.AsyncClient, called_for: Caller
) -> None:
    account_id = await bank.open_account(amount=400)
    body = {"job_ids": [str(job) for job in some(200)], "amount": 2, "reason": "Restore"}
    path, headers = f"/v1/holds/batches/{uuid4()}", called_for(account_id)

    first = await client.put(path, json=body, headers=headers)
    again = await client.put(path, json=body, headers=headers)
    one_more = {**body, "job_ids": [*body["job_ids"], str(uuid4())]}  # type: ignore[misc]

    assert (first.status_code, again.status_code) == (201, 200)
    assert await bank.balance(account_id) == (0, 400)
    assert (await client.put(path, json=one_more, headers=headers)).status_code == 422
    twice = {**body, "job_ids": [str(UUID(int=1))] * 2}
    assert (await client.put(path, json=twice, headers=headers)).status_code == 422
