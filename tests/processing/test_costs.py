"""What attempts cost, and that nobody spends more than a day's budget and one job."""

import asyncio
import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args
from uuid import UUID

import pytest
import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.message import Tier
from services.processing import attempts, budgets, costs
from services.processing.attempts import Run
from services.processing.budgets import Limits
from services.processing.dispatching import start_next
from services.processing.outcomes import Fault, WorkerOutput
from tests.processing.rows import (
    PLENTY,
    add_job,
    add_photo,
    attempts_of,
    execute,
    job,
    open_account,
    said,
    types_said,
)

DEAREST, RUN_S = Decimal("0.0024"), 300
WORST = DEAREST * RUN_S
PAUSED, RESUMED = "processing.account.paused.v1", "processing.account.resumed.v1"


def free(usd: str, *, account: str = "1000") -> Limits:
    return Limits(free=Decimal(usd), free_account=Decimal(account))


async def ask(engine: AsyncEngine, statement: str) -> list[Any]:
    async with engine.connect() as connection:
        return list(await connection.execute(sa.text(statement)))


async def start(
    engine: AsyncEngine, endpoint: str = "tests", *, limits: Limits = PLENTY
) -> UUID | None:
    async with engine.begin() as connection:
        return await start_next(connection, slots=500, endpoint=endpoint, limits=limits)


async def running(engine: AsyncEngine, *, limits: Limits = PLENTY) -> Any:
    """An attempt of a free account that RunPod has."""
    job_id = await add_job(engine, await open_account(engine))
    assert await start(engine, limits=limits) == job_id
    await execute(engine, "update attempts set state = 'RUNNING', runpod_job_id = id::text")
    return (await attempts_of(engine, job_id))[-1]


async def fail(engine: AsyncEngine, attempt: Any, fault: Fault, seconds: float | None) -> Any:
    async with engine.begin() as connection:
        await attempts.fail(connection, attempt, fault, "as planned", gpu_seconds=seconds)
    return next(a for a in await attempts_of(engine, attempt.job_id) if a.id == attempt.id)


async def spend(engine: AsyncEngine, *, limits: Limits, fault: Fault = "lost") -> Any:
    """One run of unknown length: it costs what was reserved for it, $0.72."""
    return await fail(engine, await running(engine, limits=limits), fault, None)


async def audit(engine: AsyncEngine) -> None:
    """The counters are what the attempts say."""
    wrong = await ask(
        engine,
        """
        with said as (
            select cost_day as day, scope, sum(coalesce(cost_usd, 0)) as spent,
                coalesce(sum(reserved_usd) filter (where cost_usd is null), 0) as reserved
            from attempts cross join lateral (values ('total'), ('tier:' || tier),
                ('account:' || tier || ':' || account_id)) counted (scope)
            group by cost_day, scope
        )
        select * from budgets full join said using (day, scope)
        where coalesce(spent, 0) is distinct from spent_usd
            or coalesce(reserved, 0) is distinct from reserved_usd
        """,
    )
    assert wrong == []


@pytest.mark.parametrize(
    ("gpu", "rate"),
    [
        ("NVIDIA GeForce RTX 4090", "0.00031"),
        ("NVIDIA L40S", "0.00053"),
        ("NVIDIA L4", "0.00019"),
        ("NVIDIA A40", "0.00034"),
        ("NVIDIA RTX A4000", "0.00016"),
        ("cpu", "0.00002"),
        ("Voodoo 3", "0.0024"),
        ("", "0.0024"),
        (None, "0.0024"),
    ],
)
async def test_the_rate_is_that_of_the_gpu_or_the_dearest(
    engine: AsyncEngine, gpu: str | None, rate: str
) -> None:
    async with engine.connect() as connection:
        query = sa.select(sa.func.usd_per_gpu_s(gpu))
        assert (await connection.execute(query)).scalar_one() == Decimal(rate)


async def test_a_new_rate_counts_from_its_moment_on(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        for moment, rate in (("now() - interval '1 s'", "9"), ("now() + interval '1 h'", "99")):
            await connection.execute(
                sa.text(f"insert into gpu_rates values ('4090', {moment}, {rate})")
            )
        query = sa.select(sa.func.usd_per_gpu_s("NVIDIA GeForce RTX 4090"))
        assert (await connection.execute(query)).scalar_one() == 9
        await connection.rollback()


async def test_the_longest_run_is_reserved_and_every_begun_second_is_paid(
    engine: AsyncEngine,
) -> None:
    attempt = await running(engine)
    assert (attempt.reserved_usd, attempt.cost_usd) == (WORST, None)

    ended = await fail(engine, attempt, "infra", 9.2)

    assert ended.cost_usd == 10 * DEAREST
    await audit(engine)


@pytest.mark.parametrize("fault", [fault for fault in get_args(Fault) if fault != "quality"])
async def test_however_an_attempt_ends_it_is_settled(engine: AsyncEngine, fault: Fault) -> None:
    """Nobody knows how long this one took: it costs what was reserved."""
    ended = await fail(engine, await running(engine), fault, None)

    assert ended.cost_usd == WORST
    await audit(engine)


async def test_what_never_reached_runpod_costs_nothing(engine: AsyncEngine) -> None:
    attempt = await running(engine)
    await execute(engine, "update attempts set state = 'SUBMITTING', runpod_job_id = null")

    assert (await fail(engine, attempt, "bad-request", None)).cost_usd == 0
    await audit(engine)


async def test_what_an_endpoint_ran_last_tells_what_to_reserve(engine: AsyncEngine) -> None:
    await execute(
        engine,
        "insert into endpoints (id, slots, led_at, gpu) values ('tests', 5, now(), 'NVIDIA L4')",
    )

    assert (await running(engine)).reserved_usd == Decimal("0.00019") * RUN_S


async def test_a_spent_tier_waits_and_is_told_and_the_other_goes_on(engine: AsyncEngine) -> None:
    limits = free("0.7")
    waiting = await add_job(engine, await open_account(engine))
    assert await start(engine, limits=limits) == waiting
    late = await open_account(engine)
    late_job = await add_job(engine, late)
    assert await start(engine, limits=limits) is None  # all that is left is reserved
    assert await types_said(engine, late) == []

    await execute(engine, "update attempts set state = 'RUNNING', runpod_job_id = id::text")
    await fail(engine, (await attempts_of(engine, waiting))[0], "lost", None)

    assert await start(engine, limits=limits) is None
    assert (await job(engine, late_job)).state == "QUEUED"
    assert await types_said(engine, late) == [PAUSED]
    nearly_used, paused = await said(engine, budgets.subject_of("tier:standard"))
    assert nearly_used["type"] == "processing.budget.warned.v1"
    assert paused["type"] == "processing.budget.paused.v1"
    assert (paused["data"]["scope"], paused["data"]["limit_usd"]) == ("tier:standard", "0.7")
    assert Decimal(paused["data"]["spent_usd"]) == WORST
    paid = await add_job(engine, await open_account(engine, "priority"))
    assert await start(engine, limits=limits) == paid


async def test_a_budget_warns_once_at_four_fifths(engine: AsyncEngine) -> None:
    limits = free("1.75")
    # Not by what is printed: where that goes depends on who configured the logs before.
    with structlog.testing.capture_logs() as logged:
        for _ in range(2):
            await spend(engine, limits=limits, fault="bad-request")
    assert [entry["event"] for entry in logged].count("budget.nearly_used") == 1
    rows = await ask(engine, "select scope from budgets where warned_at is not null")
    assert [row.scope for row in rows] == ["tier:standard"]


async def test_a_new_day_goes_on_by_itself_and_says_so_once(engine: AsyncEngine) -> None:
    limits = free("0.7")
    waiting = await spend(engine, limits=limits)
    assert await start(engine, limits=limits) is None
    await execute(engine, "update budgets set day = day - 1")
    await execute(engine, "update attempts set cost_day = cost_day - 1")

    for _ in range(2):
        async with engine.begin() as connection:
            await budgets.begin_day(connection)

    assert (await types_said(engine, waiting.account_id)).count(RESUMED) == 1
    to_operators = await types_said(engine, budgets.subject_of("tier:standard"))
    assert to_operators.count("processing.budget.resumed.v1") == 1
    assert await start(engine, limits=limits) == waiting.job_id
    await audit(engine)


async def test_what_ends_after_midnight_pauses_nobody(engine: AsyncEngine) -> None:
    limits = free("0.7")
    late = await running(engine, limits=limits)
    await execute(engine, "update budgets set day = day - 1")
    await execute(engine, "update attempts set cost_day = cost_day - 1")
    (late,) = await attempts_of(engine, late.job_id)

    await fail(engine, late, "lost", None)

    assert PAUSED not in await types_said(engine, late.account_id)
    assert await start(engine, limits=limits) == late.job_id
    await audit(engine)


async def test_a_finished_run_costs_the_rate_of_the_gpu_that_its_worker_names(
    engine: AsyncEngine,
) -> None:
    attempt = await running(engine)
    output = WorkerOutput(
        attempt_id=attempt.id,
        engine="qwen",
        gpu="NVIDIA L4",
        width=1,
        height=1,
        bytes=1,
        sha256="ab" * 32,
        media_type="image/png",
    )
    async with engine.begin() as connection:
        await attempts.finish(connection, [Run(attempt, output, 19.1)])

    (ended,) = await attempts_of(engine, attempt.job_id)
    assert ended.cost_usd == 20 * Decimal("0.00019")
    await audit(engine)


async def test_an_operator_raises_a_budget_and_signs_for_it(engine: AsyncEngine) -> None:
    limits = free("0.7")
    waiting = await spend(engine, limits=limits)
    assert await start(engine, limits=limits) is None

    async with engine.begin() as connection:
        await budgets.raise_today(
            connection, "tier:standard", usd=Decimal(10), by="ada", why="a campaign"
        )

    assert await start(engine, limits=limits) == waiting.job_id
    assert (await types_said(engine, waiting.account_id)).count(RESUMED) == 1
    resumed = (await said(engine, budgets.subject_of("tier:standard")))[-1]
    assert resumed["type"] == "processing.budget.resumed.v1"
    assert resumed["data"]["limit_usd"] == "10.7"
    (signed,) = await ask(engine, "select * from budget_raises")
    assert (signed.by_whom, signed.why, signed.raised_usd) == ("ada", "a campaign", 10)


async def test_only_a_budget_of_today_can_be_raised(engine: AsyncEngine) -> None:
    with pytest.raises(budgets.NoSuchBudget):
        async with engine.begin() as connection:
            await budgets.raise_today(connection, "tier:gold", usd=Decimal(1), by="ada", why="?")
    assert await ask(engine, "select * from budget_raises") == []


async def test_a_spent_account_waits_alone_and_sees_until_when(engine: AsyncEngine) -> None:
    limits = free("1000", account="0.7")
    spent = await spend(engine, limits=limits)
    other = await add_job(engine, await open_account(engine))

    assert await start(engine, limits=limits) == other
    assert await start(engine, limits=limits) is None
    assert await types_said(engine, spent.account_id) == [PAUSED]
    async with engine.connect() as connection:
        until = await budgets.paused_until(connection, spent.account_id, "standard")
        other_account = (await job(engine, other)).account_id
        assert await budgets.paused_until(connection, other_account, "standard") is None
    assert until is not None
    assert 0 < (until - datetime.now(UTC)).total_seconds() <= 24 * 3600
    assert until.astimezone(UTC).hour == 0


async def test_a_hundred_starts_at_once_pass_the_limit_by_one_job_at_most(
    engine: AsyncEngine,
) -> None:
    for _ in range(40):
        account_id = await open_account(engine)
        photo = await add_photo(engine, account_id)
        for _ in range(2):
            await add_job(engine, account_id, photo_id=photo)

    started = await asyncio.gather(
        *(start(engine, f"gpu-{n % 5}", limits=free("7")) for n in range(100))
    )

    reserved = WORST * sum(job_id is not None for job_id in started)
    assert 7 <= reserved < 7 + WORST
    await audit(engine)


async def test_counters_stay_true_whatever_happens_at_once(engine: AsyncEngine) -> None:
    chance = random.Random(20261123)
    for _ in range(6):
        account_id = await open_account(engine, chance.choice(get_args(Tier)))
        photo = await add_photo(engine, account_id)
        for _ in range(6):
            await add_job(engine, account_id, photo_id=photo)

    async def act() -> None:
        if chance.random() < 0.5:
            await start(engine, chance.choice(("one", "two")), limits=free("10"))
            return
        on_gpu = await ask(
            engine, "select * from attempts where state in ('RELEASED', 'RUNNING') limit 5"
        )
        if on_gpu:
            faults: tuple[Fault, ...] = ("oom", "lost", "infra", "timed-out")
            seconds = chance.choice((None, 0.0, 0.3, 299.5))
            await fail(engine, chance.choice(on_gpu), chance.choice(faults), seconds)

    for _ in range(20):
        await asyncio.gather(*(act() for _ in range(8)))
        await audit(engine)
    assert len(await ask(engine, "select id from attempts where cost_usd is not null")) > 20


async def test_the_bill_corrects_what_is_reckoned_from_then_on(engine: AsyncEngine) -> None:
    await fail(engine, await running(engine), "bad-request", 100.0)  # $0.24 by our own count

    async with engine.begin() as connection:
        assert await costs.reconcile(connection, "tests", Decimal("0.36")) == Decimal("1.5")

    corrected = await fail(engine, await running(engine), "infra", 100.0)
    assert corrected.cost_usd == Decimal("0.36")
    # The next bill is compared with seconds times rates again, not with what was corrected.
    async with engine.begin() as connection:
        factor = await costs.reconcile(connection, "tests", Decimal("0.72"))
        assert factor == Decimal("1.5")


@pytest.mark.parametrize(("billed", "factor"), [("100", "5"), ("0.001", "0.5"), ("0", None)])
async def test_a_bill_beyond_belief_moves_the_factor_only_so_far(
    engine: AsyncEngine, billed: str, factor: str | None
) -> None:
    await fail(engine, await running(engine), "infra", 100.0)

    async with engine.begin() as connection:
        found = await costs.reconcile(connection, "tests", Decimal(billed))
    assert found == (Decimal(factor) if factor else None)
