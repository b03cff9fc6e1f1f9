"""Whose turn it is: tiers get their share, and nobody can take another's turn."""

import asyncio
import time
from collections import Counter
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.processing import accounts, dispatching, jobs
from services.processing.dispatching import runs_max
from tests.processing.rows import (
    PLENTY,
    add_job,
    add_photo,
    attempts_of,
    execute,
    finish_photo,
    job,
    open_account,
    said,
)


async def start(engine: AsyncEngine, slots: int) -> UUID | None:
    async with engine.begin() as connection:
        return await dispatching.start_next(
            connection, slots=slots, endpoint="tests", limits=PLENTY
        )


async def start_all(engine: AsyncEngine, slots: int) -> list[UUID]:
    started = []
    while job_id := await start(engine, slots):
        started.append(job_id)
    return started


async def end(engine: AsyncEngine, *job_ids: UUID) -> None:
    """Those runs are over; only the slots matter here."""
    await execute(
        engine, "update attempts set state = 'FINISHED' where job_id = any(:ids)", ids=job_ids
    )


async def backlog(engine: AsyncEngine, account_id: UUID, count: int) -> list[UUID]:
    photo = await add_photo(engine, account_id)
    return [await add_job(engine, account_id, photo_id=photo) for _ in range(count)]


@pytest.mark.parametrize(
    ("slots", "priority", "standard"),
    [(1, 1, 1), (2, 1, 1), (3, 2, 1), (5, 4, 3), (10, 9, 6), (100, 90, 60)],
)
def test_each_tier_leaves_the_other_its_share(slots: int, priority: int, standard: int) -> None:
    assert runs_max(slots) == {"priority": priority, "standard": standard}


async def test_both_tiers_backlogged_share_nine_to_one(engine: AsyncEngine) -> None:
    tier_of: dict[UUID, str] = {}
    for tier, count in (("standard", 12), ("priority", 12)):
        for _ in range(count):
            account_id = await open_account(engine, tier)  # type: ignore[arg-type]
            tier_of |= dict.fromkeys(await backlog(engine, account_id, 10), tier)

    running = await start_all(engine, 10)
    ended: Counter[str] = Counter()
    assert Counter(tier_of[j] for j in running) == {"priority": 9, "standard": 1}
    for _ in range(8):
        await end(engine, *running)
        ended.update(tier_of[j] for j in running)
        running = await start_all(engine, 10)

    assert ended == {"priority": 72, "standard": 8}


async def test_a_clock_that_was_ahead_takes_no_share_for_long(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [await backlog(engine, await open_account(engine, "standard"), 5) for _ in range(3)]
    for _ in range(9):
        await backlog(engine, await open_account(engine, "priority"), 3)
    free_ids = {job_id for ids in free for job_id in ids}
    two_hours_on = time.time_ns() + 2 * 3600 * 10**9
    with monkeypatch.context() as jumped:
        jumped.setattr("services.kit.db.time.time_ns", lambda: two_hours_on)
        for _ in range(9):
            await end(engine, *await start_all(engine, 1))

    later = []
    for _ in range(10):
        running = await start_all(engine, 1)
        later += running
        await end(engine, *running)

    assert len(free_ids.intersection(later)) == 1


async def test_a_share_that_nobody_asks_for_is_lent(engine: AsyncEngine) -> None:
    free = [await backlog(engine, await open_account(engine, "standard"), 3) for _ in range(5)]
    running = await start_all(engine, 10)
    assert len(running) == 10

    paid = [await backlog(engine, await open_account(engine, "priority"), 4) for _ in range(3)]
    paid_ids = {job_id for ids in paid for job_id in ids}
    await end(engine, *running[:7])
    started = await start_all(engine, 10)

    assert set(started) <= paid_ids
    assert len(started) == 7
    assert len([j for ids in free for j in ids]) == 15


async def test_who_comes_first_is_served_first_and_nobody_is_overtaken_for_ever(
    engine: AsyncEngine,
) -> None:
    """New accounts keep coming; one that was served before still gets its turn in order."""
    regular = await open_account(engine, "standard")
    await backlog(engine, regular, 2)
    order = []
    for _ in range(3):
        await backlog(engine, await open_account(engine, "standard"), 1)
    for _ in range(6):
        (started,) = await start_all(engine, 1)
        await end(engine, started)
        order.append((await job(engine, started)).account_id)
        await backlog(engine, await open_account(engine, "standard"), 1)

    assert [position for position, who in enumerate(order) if who == regular] == [0, 4]


async def test_a_cancelled_job_leaves_no_turn_behind(engine: AsyncEngine) -> None:
    gone, here = await open_account(engine), await open_account(engine)
    (cancelled,) = await backlog(engine, gone, 1)
    (wanted,) = await backlog(engine, here, 1)
    async with engine.begin() as connection:
        await jobs.cancel(connection, cancelled, account_id=gone)

    assert await start_all(engine, 10) == [wanted]
    async with engine.connect() as connection:
        open_lanes = await connection.exec_driver_sql(
            "select account_id from lanes where is_waiting"
        )
        assert open_lanes.all() == []


async def test_a_job_that_joins_while_its_lane_is_closed_is_not_forgotten(
    engine: AsyncEngine,
) -> None:
    account_id = await open_account(engine)
    started = 0
    for _ in range(30):
        _, job_id = await asyncio.gather(start(engine, 10), add_job(engine, account_id))
        while (await job(engine, job_id)).state == "QUEUED":
            assert await start(engine, 10) is not None or (await job(engine, job_id)).attempts
        await end(engine, job_id)
        started += 1
    assert started == 30


async def test_what_a_started_job_says_carries_its_own_id(engine: AsyncEngine) -> None:
    account_id = await open_account(engine, "priority")
    (job_id,) = await backlog(engine, account_id, 1)

    await start(engine, 1)

    ordered = (await said(engine, job_id))[-1]
    assert ordered["type"] == "processing.attempt.start.v1"
    assert ordered["correlationid"] == str(job_id)


async def test_nobody_hogs_a_tier(engine: AsyncEngine) -> None:
    hog = await open_account(engine, "standard")
    others = [await open_account(engine, "standard") for _ in range(5)]
    await backlog(engine, hog, 30)
    for account_id in others:
        await backlog(engine, account_id, 10)

    served: list[UUID] = []
    for _ in range(6):
        started = await start_all(engine, 10)
        served += [(await job(engine, j)).account_id for j in started]
        await end(engine, *started)

    assert Counter(served) == dict.fromkeys([hog, *others], 10)


async def test_who_changes_to_a_paid_plan_leaves_the_free_line(engine: AsyncEngine) -> None:
    for _ in range(3):
        await backlog(engine, await open_account(engine, "standard"), 2)
    upgraded = await open_account(engine, "standard")
    (waiting,) = await backlog(engine, upgraded, 1)
    async with engine.begin() as connection:
        await accounts.change_plan(
            connection, upgraded, plan="remember", tier="priority", version=2
        )

    assert await start(engine, 10) == waiting
    assert (await attempts_of(engine, waiting))[0].tier == "priority"


async def test_an_account_runs_no_more_than_its_cap(engine: AsyncEngine) -> None:
    await backlog(engine, await open_account(engine, "standard"), 5)
    await backlog(engine, await open_account(engine, "priority"), 9)

    assert len(await start_all(engine, 100)) == 2 + 4


async def test_a_single_slot_serves_both_tiers(engine: AsyncEngine) -> None:
    paid = await backlog(engine, await open_account(engine, "priority"), 14)
    free = await backlog(engine, await open_account(engine, "standard"), 14)
    order = []
    for _ in range(12):
        (started,) = await start_all(engine, 1)
        await end(engine, started)
        order.append(started)

    assert sum(started in free for started in order) in (1, 2)
    assert sum(started in paid for started in order) >= 10


async def test_a_job_starts_only_when_its_photo_is_prepared(engine: AsyncEngine) -> None:
    account_id = await open_account(engine)
    photo_id = await add_photo(engine, account_id, "waiting")
    job_id = await add_job(engine, account_id, photo_id=photo_id)

    assert await start(engine, 10) is None
    async with engine.begin() as connection:
        await finish_photo(connection, photo_id)

    assert await start(engine, 10) == job_id


async def test_a_start_is_one_attempt_and_one_command(engine: AsyncEngine) -> None:
    job_id = await add_job(engine, await open_account(engine, "priority"))

    await start(engine, 10)

    started = await job(engine, job_id)
    (attempt,) = await attempts_of(engine, job_id)
    command = (await said(engine, job_id))[-1]
    assert (started.state, started.attempts, started.version) == ("RUNNING", 1, 3)
    assert (attempt.state, attempt.short_side_max, attempt.number) == ("RELEASED", 720, 1)
    assert command["type"] == "processing.attempt.start.v1"
    assert command["data"] == {
        "attempt_id": str(attempt.id),
        "job_id": str(job_id),
        "tier": "priority",
    }


async def test_two_that_start_at_once_start_a_job_once(engine: AsyncEngine) -> None:
    job_id = await add_job(engine, await open_account(engine))

    started = await asyncio.gather(*(start(engine, 10) for _ in range(8)))

    assert [j for j in started if j] == [job_id]
    assert len(await attempts_of(engine, job_id)) == 1
