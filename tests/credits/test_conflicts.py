"""Whichever statement the database aborts, nothing is half done, and trying again does it all."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.billing.v1 import CreditsPurchased, CreditsRevoked
from contracts.message import Event
from contracts.processing.v1 import JobFailed
from services.credits import consumers
from services.kit import inbox, together
from services.kit.db import is_transient
from tests.credits.bank import Bank
from tests.credits.conftest import Caller
from tests.credits.test_consumers import completed, ended, envelope, plan_changed

CONFLICTS = ("40001", "40P01")  # serialization failure, deadlock
STATEMENTS_MAX = 60
PAID = datetime(2030, 1, 1, tzinfo=UTC)

Story = Callable[[Bank], Awaitable[Event]]


@contextmanager
def aborted(engine: AsyncEngine, number: int, state: str) -> Iterator[list[str]]:
    """Let the database abort the transaction at this statement, and note what was asked before."""
    asked: list[str] = []

    def abort(
        _: Any, cursor: Any, statement: str, parameters: Any, __: Any, ___: Any
    ) -> tuple[str, Any]:
        asked.append(statement)
        if len(asked) != number:
            return statement, parameters
        fault = f"do $$ begin raise exception 'a conflict' using errcode = '{state}'; end $$"
        return fault, ()

    event.listen(engine.sync_engine, "before_cursor_execute", abort, retval=True)
    try:
        yield asked
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", abort)


async def fault_of(work: Awaitable[object]) -> DBAPIError | None:
    try:
        await work
    except DBAPIError as error:
        return error
    return None


async def everything(bank: Bank) -> list[Any]:
    """The books without what is made anew each time: ids and moments."""
    queries = (
        "select available, held, blocked, owed, version from accounts order by id",
        "select version, kind, amount, available, held, reason from movements order by 1, 2",
        "select bucket, amount from entries order by 1, 2",
        "select amount, state from holds order by 1, 2",
        "select payload -> 'data' ->> 'version', routing_key from outbox order by id",
        "select count(*) from inbox",
        "select kind, amount from causes order by 1, 2",
    )
    return [await bank.rows(query) for query in queries]


async def delivered(bank: Bank) -> Event:
    account_id = await bank.open_account(amount=10)
    return completed(await bank.hold(account_id, amount=4), account_id)


async def delivered_late(bank: Bank) -> Event:
    account_id = await bank.open_account(amount=10)
    job_id = await bank.hold(account_id, amount=4)
    await bank.expire(job_id)
    return completed(job_id, account_id)


async def failed(bank: Bank) -> Event:
    account_id = await bank.open_account(amount=10)
    return ended(JobFailed, await bank.hold(account_id, amount=4), account_id)


async def paid(_: Bank) -> Event:
    return plan_changed(uuid4())


async def bought(bank: Bank) -> Event:
    account_id = await bank.open_account(amount=0)
    return CreditsPurchased(
        account_id=account_id, cause="topup:1", amount=50, reason="Bought", paid_at=PAID
    )


async def taken_back(bank: Bank) -> Event:
    account_id = await bank.open_account(amount=10)
    return CreditsRevoked(
        account_id=account_id, cause="claw:1", amount=15, reason="Refunded", paid_at=PAID
    )


@pytest.mark.parametrize("state", CONFLICTS)
@pytest.mark.parametrize("story", [delivered, delivered_late, failed, paid, bought, taken_back])
async def test_a_message_is_acted_on_whole_whichever_statement_conflicts(
    bank: Bank, story: Story, state: str
) -> None:
    heard = await story(bank)
    delivery = inbox.Delivery(bank.engine, consumers.QUEUE, envelope(heard))
    before = await everything(bank)

    for number in count(1):
        handle = together.handler(bank.engine, size_max=1, act=consumers.act)
        with aborted(bank.engine, number, state) as asked:
            fault = await fault_of(handle(heard, delivery))
        if not fault:
            break
        # What the bus tries again, after a pause and so many times.
        assert is_transient(fault)
        assert await everything(bank) == before
        assert number < STATEMENTS_MAX

    assert len(asked) == number - 1 >= 3
    after = await everything(bank)
    assert after != before
    await handle(heard, delivery)
    assert await everything(bank) == after


@pytest.mark.parametrize("state", CONFLICTS)
async def test_a_hold_is_placed_whole_whichever_statement_conflicts(bank: Bank, state: str) -> None:
    account_id, job_id = uuid4(), uuid4()

    for number in count(1):
        with aborted(bank.engine, number, state):
            fault = await fault_of(bank.hold(account_id, amount=2, job_id=job_id))
        if not fault:
            break
        assert is_transient(fault)
        assert await bank.rows("select 1 from accounts") == []
        assert number < STATEMENTS_MAX

    assert number > 3
    assert await bank.balance(account_id) == (1, 2)


@pytest.mark.parametrize("state", CONFLICTS)
async def test_who_asks_over_http_is_told_to_ask_again_and_then_has_it_once(
    bank: Bank, client: httpx.AsyncClient, called_for: Caller, state: str
) -> None:
    account_id = await bank.open_account(amount=10)
    jobs: list[UUID] = []
    engine: AsyncEngine = client._transport.app.state.engine  # type: ignore[attr-defined]

    async def give_back(job_id: UUID) -> int:
        path = f"/v1/holds/{job_id}"
        return (await client.delete(path, headers=called_for(account_id))).status_code

    for number in count(1):
        jobs.append(await bank.hold(account_id, amount=1))
        with aborted(engine, number, state):
            first = await give_back(jobs[-1])
        if first == 204:
            break
        assert first == 503
        assert await bank.state(jobs[-1]) == "held"
        assert await give_back(jobs[-1]) == 204

    assert number > 3
    assert await bank.balance(account_id) == (10, 0)
