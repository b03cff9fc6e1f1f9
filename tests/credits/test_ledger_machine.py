"""Random histories of two accounts: every answer and every balance is what the model predicts.

REKINDLE_LEDGER_STEPS says how many steps are taken (a soak takes a million), REKINDLE_LEDGER_SEED
where they begin. A step is a rule that was tried and all that was checked after it. Who looks has a
connection of their own, and so sees what is committed and nothing else.
"""

import os
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from contracts.billing.v1 import (
    CreditsBlocked,
    CreditsPurchased,
    CreditsRestored,
    CreditsRevoked,
    CreditsUnblocked,
    PlanChanged,
    SubscriptionEnded,
)
from services.credits import accounts, audit, consumers, holds, refunds
from services.kit.db import Connection
from services.kit.problems import Problem
from services.kit.telemetry import Cause
from tests.credits import model
from tests.credits.machine_database import Database

STEPS = int(os.environ.get("REKINDLE_LEDGER_STEPS", "25000"))
STEPS_PER_HISTORY = 50
HISTORIES_PER_ROUND = 50
"""Then the tables are emptied: every history has all of the books audited."""

BATCH = 50
BEGIN = datetime(2030, 1, 30, 12, tzinfo=UTC)
PLANS = {"free": 3, "remember": 25, "cherish": 60}

MONEY: dict[str, Any] = {
    "purchased": CreditsPurchased,
    "revoked": CreditsRevoked,
    "restored": CreditsRestored,
    "blocked": CreditsBlocked,
}

STANDING = """
    select id, available, held, blocked, owed, greatest(past, 0), version
    from credits.accounts where id = any($1)
"""

Result = TypeVar("Result")
Work = Callable[[Connection], Awaitable[Result]]

who = st.integers(0, 1)
job = st.integers(0, 5)
amount = st.integers(1, 30)


class Crash(Exception):  # noqa: N818  # not a fault of ours: the machine throws it
    """The process ends before its transaction commits."""


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database
        self._now = BEGIN
        self._ids = [uuid4(), uuid4()]
        self._models = [model.Account(), model.Account()]
        self._jobs = [uuid4() for _ in range(6)]
        self._owners: dict[int, int] = {}
        self._said: list[PlanChanged] = []
        self._heard: list[tuple[str, Any]] = []

    @property
    def _engine(self) -> AsyncEngine:
        return self._database.engine

    @initialize(credits_given=st.lists(st.sampled_from([0, 10, 40]), min_size=2, max_size=2))
    def begin(self, credits_given: list[int]) -> None:
        for number, given in enumerate(credits_given):
            if given:
                self._hear(self._plan(number, "cherish", given, f"start-{number}"))

    @rule(number=who)
    def read(self, number: int) -> None:
        found = self._do(lambda c: accounts.read(c, self._ids[number], at=self._now))
        expected = self._models[number]
        assert found.available == expected.read(self._now)
        assert (found.held, found.plan) == (expected.held, expected.plan)

    @rule(number=who, job=job, amount=amount)
    def hold(self, number: int, job: int, amount: int) -> None:
        owner = self._owners.get(job, number)
        if owner == number:
            expected = self._models[number].hold(job, amount, self._now)
        else:
            expected = "HoldDiffers"
        assert self._hold(number, job, amount) == expected
        if expected == "placed":
            self._owners[job] = number

    @precondition(lambda self: self._owners)
    @rule(data=st.data())
    def hold_again(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self._owners)))
        number = self._owners[job]
        amount = self._models[number].holds[job].amount
        expected = self._models[number].hold(job, amount, self._now)
        assert self._hold(number, job, amount) == expected

    @rule(job=job, times=st.integers(1, 3))
    def capture(self, job: int, times: int) -> None:
        for _ in range(times):
            self._do(lambda c: holds.capture(c, {self._jobs[job]: Cause()}, at=self._now))
        self._owner(job).capture(job, self._now)

    @rule(job=job)
    def release(self, job: int) -> None:
        done = self._do(lambda c: holds.release(c, job_id=self._jobs[job], at=self._now))
        assert done == self._owner(job).give_back(job, "released")

    @rule(number=who, job=job)
    def release_for(self, number: int, job: int) -> None:
        answer = self._answer(
            lambda c: holds.release_for(c, account_id=self._ids[number], job_id=self._jobs[job])
        )
        hold = self._models[number].holds.get(job)
        assert answer == ("HoldClosed" if hold and hold.state == "captured" else None)
        self._models[number].give_back(job, "released")

    @rule(number=who, job=job)
    def refund(self, number: int, job: int) -> None:
        async def work(connection: Connection) -> str:
            await refunds.refund(
                connection,
                account_id=self._ids[number],
                job_id=self._jobs[job],
                reason="likeness",
                at=self._now,
            )
            return "refunded"

        assert self._answer(work) == self._models[number].refund(job, self._now)

    @rule(
        number=who,
        what=st.sampled_from(["purchased", "purchased", "revoked", "restored", "blocked"]),
        cause=st.integers(0, 9),
        amount=amount,
        days=st.sampled_from([-40, -1, 0]),
    )
    def hear_of_money(self, number: int, what: str, cause: int, amount: int, days: int) -> None:
        kind = MONEY[what]
        news = kind(
            account_id=self._ids[number],
            cause=f"{what}:{cause}",
            amount=amount,
            reason=what,
            paid_at=self._now + timedelta(days=days),
        )
        self._hear_of_money(what, news)

    @rule(number=who, dispute=st.integers(0, 9), amount=amount, is_won=st.booleans())
    def decide_a_dispute(self, number: int, dispute: int, amount: int, *, is_won: bool) -> None:
        facts: dict[str, Any] = {
            "account_id": self._ids[number],
            "blocked_by": f"blocked:{dispute}",
        }
        if is_won:
            news: Any = CreditsUnblocked(cause=f"won:{dispute}", reason="won", **facts)
            self._hear_of_money("won", news)
        else:
            news = CreditsRevoked(cause=f"lost:{dispute}", reason="lost", amount=amount, **facts)
            self._hear_of_money("revoked", news)

    @rule(number=who, days=st.sampled_from([-30, -1, 0]))
    def end(self, number: int, days: int) -> None:
        ended_at = self._now + timedelta(days=days)
        news = SubscriptionEnded(
            account_id=self._ids[number], cause=f"forfeit:{ended_at}", ended_at=ended_at
        )
        self._hear_of_money("ended", news)

    @precondition(lambda self: self._heard)
    @rule(data=st.data())
    def hear_of_money_again(self, data: st.DataObject) -> None:
        self._hear_of_money(*data.draw(st.sampled_from(self._heard)))

    @rule(job=job)
    def expire(self, job: int) -> None:
        done = self._do(lambda c: holds.expire(c, job_id=self._jobs[job], at=self._now))
        assert done == self._owner(job).give_back(job, "expired")

    @rule()
    def sweep(self) -> None:
        async def sweep() -> None:
            while await holds.expire_old(self._engine, batch=BATCH, at=self._now) == BATCH:
                pass
            while await accounts.add_free_credits(self._engine, batch=BATCH, at=self._now):
                pass

        self._database.run(sweep())
        for expected in self._models:
            expected.sweep(self._now)

    @rule(number=who, plan=st.sampled_from(sorted(PLANS)), period=st.sampled_from("abc"))
    def change_plan(self, number: int, plan: str, period: str) -> None:
        self._hear(self._plan(number, plan, PLANS[plan], "" if plan == "free" else period))

    @precondition(lambda self: self._said)
    @rule(data=st.data())
    def hear_an_old_plan_again(self, data: st.DataObject) -> None:
        self._hear(data.draw(st.sampled_from(self._said)))

    @rule(number=who, period=st.sampled_from("xyz"))
    def hear_a_late_plan(self, number: int, period: str) -> None:
        change = self._plan(number, "remember", 25, period)
        self._hear(change.model_copy(update={"version": 1}))

    @rule(hours=st.sampled_from([-2, 1, 23, 25]))
    def jump_hours(self, hours: int) -> None:
        self._now += timedelta(hours=hours)

    @rule(days=st.sampled_from([1, 20, 40]))
    def jump_days(self, days: int) -> None:
        self._now += timedelta(days=days)

    @rule(
        number=who,
        job=job,
        amount=amount,
        kind=st.sampled_from(["hold", "capture", "read"]),
        is_connected_anew=st.integers(0, 7).map(lambda drawn: drawn == 7),
    )
    def crash(
        self, number: int, job: int, amount: int, kind: str, *, is_connected_anew: bool
    ) -> None:
        async def work(connection: Connection) -> None:
            if kind == "hold":
                await self._place(connection, number, job, amount)
            elif kind == "capture":
                await holds.capture(connection, {self._jobs[job]: Cause()}, at=self._now)
            else:
                await accounts.read(connection, self._ids[number], at=self._now)
            raise Crash

        with suppress(Crash, Problem):
            self._do(work)
        if is_connected_anew:
            self._database.run(self._engine.dispose())

    @invariant()
    def rows_are_as_predicted(self) -> None:
        self._database.steps += 1
        found = self._database.run(self._database.looking.fetch(STANDING, self._ids))
        rows = {row["id"]: tuple(row)[1:] for row in found}
        for account_id, expected in zip(self._ids, self._models, strict=True):
            if not expected.known:
                assert account_id not in rows
                continue
            *standing, version = rows[account_id]
            assert standing == [
                *(expected.free, expected.held, expected.blocked, expected.owed, expected.lost)
            ]
            # One piece of news of money may move credits several times, or not at all.
            assert expected.news or version == expected.moves

    def teardown(self) -> None:
        """Prove the books, then put these accounts out of the next history's way."""

        async def retire(connection: Connection) -> None:
            ids = {"ids": self._ids}
            await connection.execute(
                text("update accounts set plan = 'retired' where id = any(:ids)"), ids
            )
            await connection.execute(
                text("update holds set expires_at = 'infinity' where account_id = any(:ids)"), ids
            )

        findings = self._database.run(audit.audit(self._engine))
        self._do(retire)
        # The first two checks are of the beginning, and are no steps.
        self._database.steps -= 2
        assert [finding for finding in findings if finding.drift] == []

    def _plan(self, number: int, plan: str, monthly: int, period: str) -> PlanChanged:
        return PlanChanged(
            account_id=self._ids[number],
            version=len(self._said) + 1,
            plan=plan,
            tier="standard" if plan == "free" else "priority",
            credits_monthly=monthly,
            period=period,
        )

    def _hear(self, change: PlanChanged) -> None:
        self._said.append(change)
        self._do(lambda c: accounts.change_plan(c, change, at=self._now))
        self._models[self._ids.index(change.account_id)].change_plan(
            change.version, change.plan, change.credits_monthly, change.period, self._now
        )

    def _hear_of_money(self, what: str, news: Any) -> None:
        self._heard.append((what, news))
        self._do(lambda c: consumers.RARE[type(news)](c, news))
        at = getattr(news, "paid_at", None) or getattr(news, "ended_at", None) or model.EVER
        closes = getattr(news, "blocked_by", None) or ""
        self._models[self._ids.index(news.account_id)].hear(
            what, news.cause, getattr(news, "amount", 0), at, closes
        )

    def _hold(self, number: int, job: int, amount: int) -> str | None:
        return self._answer(lambda c: self._place(c, number, job, amount))

    async def _place(self, connection: Connection, number: int, job: int, amount: int) -> str:
        return await holds.place(
            connection,
            account_id=self._ids[number],
            job_id=self._jobs[job],
            amount=amount,
            reason="restore",
            at=self._now,
        )

    def _owner(self, job: int) -> model.Account:
        return self._models[self._owners.get(job, 0)]

    def _do(self, work: Work[Result]) -> Result:
        async def transaction() -> Result:
            async with self._engine.begin() as connection:
                return await work(connection)

        return self._database.run(transaction())

    def _answer(self, work: Work[str | None]) -> str | None:
        try:
            return self._do(work)
        except Problem as problem:
            return type(problem).__name__


@pytest.mark.timeout(600 + STEPS // 25)
def test_the_ledger_does_what_the_model_predicts(database_url: Callable[[str], str]) -> None:
    first = int(os.environ.get("REKINDLE_LEDGER_SEED", "0"))
    if "REKINDLE_LEDGER_STEPS" in os.environ and not first:
        first = random.randrange(1, 2**32)
    bounded = settings(
        max_examples=HISTORIES_PER_ROUND,
        stateful_step_count=STEPS_PER_HISTORY,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    began = time.monotonic()
    rounds = 0
    with closing(Database(database_url("credits"))) as database, capture_logs():
        while database.steps < STEPS:
            database.empty()
            _play_a_round(database, bounded, first + rounds)
            rounds += 1
    rate = database.steps / (time.monotonic() - began)
    print(f"{database.steps} steps from seed {first}, {rate:.0f} a second")  # noqa: T201


def _play_a_round(database: Database, bounded: settings, number: int) -> None:
    class Machine(LedgerMachine):
        def __init__(self) -> None:
            super().__init__(database)

    run_state_machine_as_test(seed(number)(Machine), settings=bounded)
