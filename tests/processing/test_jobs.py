"""A job ends once, and says so once, whatever happens at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.processing.v1 import PreparePhoto
from contracts.uploads.v1 import PhotoAccepted
from services.kit.db import Connection
from services.kit.problems import NotFound
from services.processing import accounts, attempts, jobs, preparation
from services.processing.attempts import Run
from services.processing.dispatching import start_next
from services.processing.errors import JobEnded
from services.processing.models import _metadata
from services.processing.outcomes import WorkerOutput
from tests.processing.rows import (
    add_job,
    add_photo,
    attempts_of,
    execute,
    finish_photo,
    job,
    open_account,
    types_said,
)

RESULT: dict[str, Any] = {
    "width": 640,
    "height": 480,
    "media_type": "image/png",
    "bytes": 1000,
    "sha256": "ab" * 32,
    "engine": "cpu",
    "gpu_seconds": 1.5,
}
ENDS = ("completed", "failed", "cancelled", "rejected")


async def started(engine: AsyncEngine, account_id: UUID) -> tuple[UUID, Any]:
    job_id = await add_job(engine, account_id)
    async with engine.begin() as connection:
        assert await start_next(connection, slots=100, endpoint="tests") == job_id
    (attempt,) = await attempts_of(engine, job_id)
    return job_id, attempt


async def running(engine: AsyncEngine, account_id: UUID) -> tuple[UUID, Any]:
    job_id, attempt = await started(engine, account_id)
    async with engine.begin() as connection:
        (begun,) = await attempts.begin_submit(connection, [attempt.id])
        await attempts.submitted(connection, [(begun, "runpod-1")])
    return job_id, (await attempts_of(engine, job_id))[-1]


async def in_own_transaction(
    engine: AsyncEngine, rule: Callable[[Connection], Awaitable[object]]
) -> object:
    async with engine.begin() as connection:
        return await rule(connection)


def good_result(job_id: UUID) -> jobs.Result:
    return jobs.Result(job_id, "results/x", RESULT)


def output_of(attempt: Any) -> WorkerOutput:
    return WorkerOutput(
        attempt_id=attempt.id,
        engine="cpu",
        width=640,
        height=480,
        bytes=1000,
        sha256="ab" * 32,
        media_type="image/png",
    )


async def test_tables_and_migrations_agree(engine: AsyncEngine) -> None:
    def columns(connection: sa.Connection) -> dict[str, set[str]]:
        inspector = sa.inspect(connection)
        return {
            table: {column["name"] for column in inspector.get_columns(table, "processing")}
            for table in inspector.get_table_names("processing")
        }

    async with engine.connect() as connection:
        made = await connection.run_sync(columns)

    known = {table.name: {column.name for column in table.c} for table in _metadata.sorted_tables}
    assert {name: made[name] for name in known} == known


async def test_the_whole_way_says_each_step_once(engine: AsyncEngine) -> None:
    job_id, attempt = await running(engine, await open_account(engine))
    async with engine.begin() as connection:
        assert not await attempts.finish(connection, [Run(attempt, output_of(attempt), 1.5)])
        assert await jobs.complete(connection, [good_result(job_id)]) == {job_id}

    done = await job(engine, job_id)
    assert (done.state, done.version) == ("COMPLETED", 6)
    assert [name.removeprefix("processing.") for name in await types_said(engine, job_id)] == [
        "job.queued.v1",
        "attempt.start.v1",
        "job.started.v1",
        "job.checking.v1",
        "result.check.v1",
        "job.completed.v1",
    ]


@pytest.mark.parametrize("seed", range(6))
async def test_a_job_that_ends_in_several_ways_at_once_ends_once(
    seed: int, engine: AsyncEngine
) -> None:
    account_id = await open_account(engine)
    job_id, attempt = await running(engine, account_id)

    async def finished(connection: Connection) -> None:
        await attempts.finish(connection, [Run(attempt, output_of(attempt), 1)])
        await jobs.complete(connection, [good_result(job_id)])

    async def cancelled(connection: Connection) -> None:
        await jobs.cancel(connection, job_id, account_id=account_id)

    async def failed(connection: Connection) -> None:
        await attempts.fail(connection, attempt, "input", "no photo")

    async def expired(connection: Connection) -> None:
        await jobs.fail(connection, job_id, code="hold-expired", detail="too late")

    rules = [finished, cancelled, failed, expired, finished, cancelled]
    outcomes = await asyncio.gather(
        *(in_own_transaction(engine, rule) for rule in rules[seed:] + rules[:seed]),
        return_exceptions=True,
    )

    assert {type(o) for o in outcomes} <= {type(None), JobEnded}
    said = await types_said(engine, job_id)
    assert len([name for name in said if name.split(".")[2] in ENDS]) == 1
    state = (await job(engine, job_id)).state
    assert f"processing.job.{state.lower()}.v1" in said


async def test_terminal_states_never_change(engine: AsyncEngine) -> None:
    account_id = await open_account(engine)
    job_id, attempt = await running(engine, account_id)
    async with engine.begin() as connection:
        await jobs.cancel(connection, job_id, account_id=account_id)
    ended = await job(engine, job_id)
    said = await types_said(engine, job_id)

    async with engine.begin() as connection:
        assert not await jobs.queue(connection, [ended])
        assert not await jobs.move_all(connection, [job_id], to="CHECKING", among="RUNNING")
        assert await jobs.try_again(connection, job_id, avoid_endpoint=None) is None
        assert await jobs.fail(connection, job_id, code="x", detail="x") is None
        assert await jobs.reject(connection, job_id, code="abandoned", detail="x") is None
        assert not await jobs.complete(connection, [good_result(job_id)])
        finished = await attempts.finish(connection, [Run(attempt, output_of(attempt), 1)])
        assert finished == {attempt.id}
    with pytest.raises(JobEnded):
        async with engine.begin() as connection:
            await jobs.cancel(connection, job_id, account_id=account_id)

    assert await job(engine, job_id) == ended
    assert await types_said(engine, job_id) == said


async def test_a_completed_job_without_a_result_is_impossible(engine: AsyncEngine) -> None:
    job_id = await add_job(engine, await open_account(engine))

    with pytest.raises(IntegrityError):
        await execute(
            engine,
            "update jobs set state = 'COMPLETED', finished_at = now() where id = :id",
            id=job_id,
        )


async def test_somebody_elses_job_cannot_be_cancelled(engine: AsyncEngine) -> None:
    job_id = await add_job(engine, await open_account(engine))

    with pytest.raises(NotFound):
        async with engine.begin() as connection:
            await jobs.cancel(connection, job_id, account_id=uuid4())

    assert (await job(engine, job_id)).state == "QUEUED"


@pytest.mark.parametrize("fault", ["oom", "infra", "model", "lost", "cancelled"])
async def test_trouble_of_the_machine_is_tried_three_times(fault: Any, engine: AsyncEngine) -> None:
    account_id = await open_account(engine)
    job_id, attempt = await running(engine, account_id)
    seeds = {attempt.seed}
    for _ in range(2):
        async with engine.begin() as connection:
            await attempts.fail(connection, attempt, fault, "trouble")
            assert (await jobs.find(connection, job_id, account_id=account_id)).state == "QUEUED"
            await start_next(connection, slots=10, endpoint="tests")
        attempt = (await attempts_of(engine, job_id))[-1]
        seeds.add(attempt.seed)

    async with engine.begin() as connection:
        await attempts.fail(connection, attempt, fault, "trouble")

    ended = await job(engine, job_id)
    assert (ended.state, ended.problem_code, ended.attempts) == ("FAILED", "gpu-failed", 3)
    assert len(seeds) == 3


@pytest.mark.parametrize(
    ("fault", "tries", "code"),
    [
        ("input", 1, "photo-not-workable"),
        ("bad-request", 1, "internal"),
        ("timed-out", 2, "timed-out"),
    ],
)
async def test_other_faults_end_a_job_sooner(
    fault: Any, tries: int, code: str, engine: AsyncEngine
) -> None:
    job_id, attempt = await running(engine, await open_account(engine))
    for number in range(tries):
        if number:
            async with engine.begin() as connection:
                await start_next(connection, slots=10, endpoint="tests")
            attempt = (await attempts_of(engine, job_id))[-1]
        async with engine.begin() as connection:
            await attempts.fail(connection, attempt, fault, "trouble")

    ended = await job(engine, job_id)
    assert (ended.state, ended.problem_code) == ("FAILED", code)


async def test_a_second_run_may_take_longer_than_the_first(engine: AsyncEngine) -> None:
    job_id, attempt = await running(engine, await open_account(engine))
    async with engine.begin() as connection:
        await attempts.fail(connection, attempt, "timed-out", "trouble")
        await start_next(connection, slots=10, endpoint="tests")

    first, second = await attempts_of(engine, job_id)
    assert second.runs_at_most_s == 2 * first.runs_at_most_s


async def test_stale_and_doubled_messages_about_an_attempt_change_nothing(
    engine: AsyncEngine,
) -> None:
    job_id, attempt = await running(engine, await open_account(engine))
    async with engine.begin() as connection:
        await attempts.fail(connection, attempt, "infra", "trouble")
        await attempts.fail(connection, attempt, "infra", "trouble again")
        assert not await attempts.begin_submit(connection, [attempt.id])
        assert not await attempts.finish(connection, [Run(attempt, output_of(attempt), 1)])

    assert (await job(engine, job_id)).state == "QUEUED"
    assert [a.state for a in await attempts_of(engine, job_id)] == ["FAILED"]


async def test_a_change_of_plan_moves_what_waits_and_nothing_else(engine: AsyncEngine) -> None:
    account_id = await open_account(engine, "standard")
    running_id, _ = await running(engine, account_id)
    waiting_id = await add_job(engine, account_id)

    async with engine.begin() as connection:
        await accounts.change_plan(
            connection, account_id, plan="remember", tier="priority", version=3
        )
        await accounts.change_plan(connection, account_id, plan="free", tier="standard", version=2)

    waiting, run = await job(engine, waiting_id), await job(engine, running_id)
    assert (waiting.tier, waiting.short_side_max) == ("priority", 720)
    assert (run.tier, run.short_side_max) == ("standard", 480)


async def test_a_job_queued_in_the_instant_of_a_change_of_plan_gets_the_new_one(
    engine: AsyncEngine,
) -> None:
    account_id = await open_account(engine, "standard")
    async with engine.begin() as connection:
        await accounts.change_plan(
            connection, account_id, plan="remember", tier="priority", version=3
        )
        queueing = asyncio.create_task(add_job(engine, account_id))
        await asyncio.wait([queueing], timeout=1)

    assert (await job(engine, await queueing)).tier == "priority"


async def test_jobs_wait_for_their_photo_and_fail_with_it(engine: AsyncEngine) -> None:
    account_id = await open_account(engine)
    photo_id = await add_photo(engine, account_id, "waiting")
    job_id = await add_job(engine, account_id, photo_id=photo_id)
    assert (await job(engine, job_id)).ready_at is None

    async with engine.begin() as connection:
        await preparation.forget(connection, photo_id, account_id=account_id)

    ended = await job(engine, job_id)
    assert (ended.state, ended.problem_code) == ("FAILED", "photo-deleted")
    assert (await types_said(engine, job_id))[-1] == "processing.job.failed.v1"


async def test_a_photo_deleted_before_it_was_heard_of_is_never_prepared(
    engine: AsyncEngine,
) -> None:
    account_id, photo_id = uuid4(), uuid4()
    event = PhotoAccepted(
        photo_id=photo_id,
        account_id=account_id,
        version=2,
        object_key="originals/x",
        media_type="image/jpeg",
        size_bytes=1,
        width=1,
        height=1,
    )
    async with engine.begin() as connection:
        await preparation.forget(connection, photo_id, account_id=account_id)
        await preparation.accept(connection, event)

    assert PreparePhoto.type not in await types_said(engine, photo_id)


async def test_a_photo_prepared_while_its_job_is_queued_wakes_the_job(engine: AsyncEngine) -> None:
    account_id = await open_account(engine)
    for _ in range(10):
        photo_id = await add_photo(engine, account_id, "waiting")

        job_id, _ = await asyncio.gather(
            add_job(engine, account_id, photo_id=photo_id),
            in_own_transaction(engine, partial(finish_photo, photo_id=photo_id)),
        )

        assert (await job(engine, job_id)).ready_at is not None
