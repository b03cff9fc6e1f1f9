"""Many connections at once: never negative, never twice, and nothing waits for ever."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from services.credits import accounts, holds
from services.credits.errors import InsufficientCredits
from services.kit.db import create_engine
from tests.credits.bank import Bank

CONNECTIONS = 64
RACES = 100
SWEEPS = int(os.environ.get("REKINDLE_LEDGER_SWEEPS", "200"))


async def test_a_thousand_holds_on_a_hundred_credits_give_a_hundred(
    bank: Bank, database_url: Callable[[str], str]
) -> None:
    account_id = await bank.open_account(amount=100)
    url = bank.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    crowd = Bank(create_engine(url, name="crowd", pool_size=CONNECTIONS))

    async def ask() -> str:
        try:
            await crowd.hold(account_id, amount=1)
        except InsufficientCredits:
            return "refused"
        return "held"

    async def ask_for_a_while(share: int) -> Counter[str]:
        return Counter([await ask() for _ in range(share)])

    shares = [1000 // CONNECTIONS + (n < 1000 % CONNECTIONS) for n in range(CONNECTIONS)]
    answers = await asyncio.gather(*map(ask_for_a_while, shares))
    await crowd.engine.dispose()

    assert sum(answers, Counter()) == {"held": 100, "refused": 900}
    assert await bank.balance(account_id) == (0, 100)


async def test_a_double_click_holds_once(bank: Bank) -> None:
    account_id = await bank.open_account(amount=100)
    job_id = uuid4()

    await asyncio.gather(*(bank.hold(account_id, amount=4, job_id=job_id) for _ in range(20)))

    assert await bank.balance(account_id) == (96, 4)
    assert len(await bank.rows("select 1 from movements where job_id = :id", id=job_id)) == 1


async def test_a_double_click_that_cannot_be_paid_is_refused_each_time(bank: Bank) -> None:
    account_id = await bank.open_account(amount=3)
    job_id = uuid4()

    answers = await asyncio.gather(
        *(bank.hold(account_id, amount=4, job_id=job_id) for _ in range(20)),
        return_exceptions=True,
    )

    assert {type(answer) for answer in answers} == {InsufficientCredits}
    assert await bank.balance(account_id) == (3, 0)


async def test_the_sweeper_and_a_capture_never_both_have_their_way(bank: Bank) -> None:
    account_id = await bank.open_account(amount=SWEEPS)
    old = datetime.now(UTC) - timedelta(days=2)
    jobs = [uuid4() for _ in range(SWEEPS)]
    async with bank.engine.begin() as connection:
        for n, job_id in enumerate(jobs):
            # The sweeper begins with the oldest, and so meets the capture at the same hold.
            at = old + timedelta(seconds=n)
            await holds.place(
                connection, account_id=account_id, job_id=job_id, amount=1, reason="race", at=at
            )

    async def capture_after(pause_s: float, job_id: UUID) -> None:
        await asyncio.sleep(pause_s)
        await bank.capture(job_id)

    # Now the one comes first, now the other.
    for n, job_id in enumerate(jobs):
        await asyncio.gather(
            capture_after(n % 8 / 1000, job_id), holds.expire_old(bank.engine, batch=1)
        )

    # A capture that came second was paid from what had just come back.
    assert await bank.balance(account_id) == (0, 0)
    captures = await bank.rows(
        "select job_id from movements where kind = 'capture' group by job_id having count(*) = 1"
    )
    assert len(captures) == SWEEPS
    ((swept,),) = await bank.rows("select count(*) from movements where kind = 'expire'")
    assert 0 < swept < SWEEPS


async def test_a_capture_and_a_release_never_both_have_their_way(bank: Bank) -> None:
    account_id = await bank.open_account(amount=RACES)
    jobs = [await bank.hold(account_id, amount=1) for _ in range(RACES)]

    for n, job_id in enumerate(jobs):
        first, second = bank.capture(job_id), bank.release(job_id)
        await asyncio.gather(*((first, second) if n % 2 else (second, first)))

    states = Counter([await bank.state(job_id) for job_id in jobs])
    assert await bank.balance(account_id) == (states["released"], 0)
    assert states["released"] + states["captured"] == RACES


async def test_two_sweepers_expire_each_hold_once(bank: Bank) -> None:
    account_id = await bank.open_account(amount=30)
    old = datetime.now(UTC) - timedelta(days=2)
    for _ in range(30):
        await bank.hold(account_id, amount=1, at=old)

    await asyncio.gather(*(holds.expire_old(bank.engine, batch=100) for _ in range(2)))

    assert await bank.balance(account_id) == (30, 0)
    assert len(await bank.rows("select 1 from movements where kind = 'expire'")) == 30


async def test_a_month_that_begins_for_all_at_once_is_added_once(bank: Bank) -> None:
    account_id = uuid4()

    async def spend() -> UUID | None:
        try:
            return await bank.hold(account_id, amount=1)
        except InsufficientCredits:
            return None

    answers = await asyncio.gather(
        *(bank.read(account_id) for _ in range(6)),
        *(spend() for _ in range(6)),
        accounts.add_free_credits(bank.engine, batch=10),
    )

    assert sum(isinstance(answer, UUID) for answer in answers) == 3
    assert await bank.balance(account_id) == (0, 3)
