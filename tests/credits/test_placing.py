"""Holds that are asked for at the same time: placed by one statement, answered as if alone."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.credits import batches
from services.credits.errors import HoldClosed, HoldDiffers, InsufficientCredits
from services.credits.placing import Placer
from services.kit.problems import Problem
from tests.credits.bank import Bank


@pytest.fixture
def placer(bank: Bank) -> Iterator[Placer]:
    with closing(Placer(bank.engine)) as placer:
        yield placer


@contextmanager
def processes(bank: Bank, count: int) -> Iterator[list[Placer]]:
    with ExitStack() as opened:
        yield [opened.enter_context(closing(Placer(bank.engine))) for _ in range(count)]


async def answer(
    placer: Placer, account_id: UUID, *, amount: int = 1, job_id: UUID | None = None
) -> str:
    try:
        return await placer.place(
            account_id=account_id, job_id=job_id or uuid4(), amount=amount, reason="restore"
        )
    except Problem as refusal:
        return type(refusal).__name__


async def test_many_of_one_account_are_one_change_of_its_row(bank: Bank, placer: Placer) -> None:
    account_id = await bank.open_account(amount=100)

    answers = await asyncio.gather(*(answer(placer, account_id, amount=2) for _ in range(40)))

    assert Counter(answers) == {"placed": 40}
    assert await bank.balance(account_id) == (20, 80)
    # Each has its own receipt with the balance after it, and its own event that says the same.
    receipts = (await bank.receipts(account_id))[1:]
    assert receipts == [("hold", 2, 100 - 2 * n, 2 * n) for n in range(1, 41)]
    told = [facts for said, facts in await bank.said() if said == "credits.hold.placed.v1"]
    assert [(facts["version"], facts["available"]) for facts in told] == [
        (n + 1, 100 - 2 * n) for n in range(1, 41)
    ]
    # The first went alone, the others together: fewer transactions than holds.
    writers = await bank.rows("select distinct xmin::text from movements where kind = 'hold'")
    assert len(writers) < 40


async def test_many_of_many_accounts(bank: Bank, placer: Placer) -> None:
    accounts = [await bank.open_account(amount=10) for _ in range(8)]

    answers = await asyncio.gather(*(answer(placer, accounts[n % 8]) for n in range(48)))

    assert Counter(answers) == {"placed": 48}
    assert [await bank.balance(account_id) for account_id in accounts] == [(4, 6)] * 8


async def test_as_many_as_can_be_paid_are_placed(bank: Bank, placer: Placer) -> None:
    account_id = await bank.open_account(amount=7)

    answers = await asyncio.gather(*(answer(placer, account_id) for _ in range(30)))

    assert Counter(answers) == {"placed": 7, "InsufficientCredits": 23}
    assert await bank.balance(account_id) == (0, 7)
    assert len(await bank.rows("select 1 from holds")) == 7


async def test_one_that_cannot_be_paid_harms_nobody_else(bank: Bank, placer: Placer) -> None:
    rich, poor, new = await bank.open_account(amount=50), await bank.open_account(amount=1), uuid4()
    plenty = [answer(placer, rich) for _ in range(20)]

    *others, too_much, first = await asyncio.gather(
        *plenty, answer(placer, poor, amount=2), answer(placer, new, amount=3)
    )

    assert (set(others), too_much, first) == ({"placed"}, "InsufficientCredits", "placed")
    assert await bank.balance(new) == (0, 3)


async def test_a_double_click_is_one_hold(bank: Bank, placer: Placer) -> None:
    account_id, job_id = await bank.open_account(amount=50), uuid4()
    clicks = [answer(placer, account_id, amount=4, job_id=job_id) for _ in range(20)]

    answers = await asyncio.gather(*clicks, *(answer(placer, account_id) for _ in range(10)))

    assert Counter(answers) == {"placed": 11, "same": 19}
    assert await bank.balance(account_id) == (36, 14)


async def test_what_was_asked_for_before_is_answered_as_ever(bank: Bank, placer: Placer) -> None:
    account_id, job_id = await bank.open_account(amount=50), uuid4()
    await placer.place(account_id=account_id, job_id=job_id, amount=2, reason="restore")

    assert await answer(placer, account_id, amount=2, job_id=job_id) == "same"
    assert await answer(placer, account_id, amount=3, job_id=job_id) == HoldDiffers.__name__
    await bank.release(job_id)
    assert await answer(placer, account_id, amount=2, job_id=job_id) == HoldClosed.__name__
    assert await answer(placer, account_id, amount=51) == InsufficientCredits.__name__


async def test_two_processes_and_their_double_clicks(bank: Bank) -> None:
    accounts = [await bank.open_account(amount=30) for _ in range(4)]
    jobs = [(accounts[n % 4], uuid4()) for n in range(60)]

    with processes(bank, 2) as placers:
        answers = await asyncio.gather(
            *(answer(placer, who, job_id=job_id) for placer in placers for who, job_id in jobs)
        )

    assert Counter(answers) == {"placed": 60, "same": 60}
    assert [await bank.balance(account_id) for account_id in accounts] == [(15, 15)] * 4


async def test_many_processes_on_one_account_do_not_wait_for_each_other_for_ever(
    bank: Bank,
) -> None:
    account_id = await bank.open_account(amount=200)

    with processes(bank, 24) as placers:
        answers = await asyncio.gather(
            *(answer(one, account_id) for one in placers for _ in range(8))
        )

    assert Counter(answers) == {"placed": 192}
    assert await bank.balance(account_id) == (8, 192)


async def place_alone(bank: Bank, _: Placer, account_id: UUID) -> None:
    await bank.hold(account_id, amount=1)


async def place_with_others(_: Bank, placer: Placer, account_id: UUID) -> None:
    assert await answer(placer, account_id) == "placed"


async def place_a_batch(bank: Bank, _: Placer, account_id: UUID) -> None:
    async with bank.engine.begin() as connection:
        await batches.place(
            connection,
            account_id=account_id,
            batch_id=uuid4(),
            job_ids=[uuid4(), uuid4()],
            amount=1,
            reason="Restore",
        )


@pytest.mark.parametrize("place", [place_alone, place_with_others, place_a_batch])
async def test_whoever_waits_for_an_account_has_no_lock_on_it_yet(
    bank: Bank,
    placer: Placer,
    place: Callable[[Bank, Placer, UUID], Coroutine[Any, Any, None]],
) -> None:
    account_id = await bank.open_account(amount=10)
    waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and state = 'active'"
    lock = "select 1 from accounts where id = :id for "

    async with bank.engine.begin() as connection, asyncio.TaskGroup() as group:
        await connection.execute(text(lock + "no key update"), {"id": account_id})
        group.create_task(place(bank, placer, account_id))
        while not await bank.rows(waiting + " and datname = current_database()"):
            await asyncio.sleep(0.01)
        # It would fail if those who wait held the row against deletion already.
        await connection.execute(text(lock + "update nowait"), {"id": account_id})
        await connection.rollback()


async def test_a_connection_that_the_database_closed_is_replaced(
    bank: Bank, placer: Placer
) -> None:
    account_id = await bank.open_account(amount=50)
    assert await answer(placer, account_id) == "placed"

    async with bank.engine.begin() as connection:
        await connection.execute(
            text(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        )
    await asyncio.sleep(0.2)  # until the driver has heard of it

    assert await answer(placer, account_id) == "placed"
