"""Jobs that nothing moves any more are ended, and only those."""

from sqlalchemy.ext.asyncio import AsyncEngine

from services.processing import jobs, reconciling
from tests.processing.rows import (
    MASTER_RECORDED,
    add_job,
    add_photo,
    execute,
    job,
    open_account,
    types_said,
)


async def test_a_job_whose_photo_never_comes_ends_after_ten_minutes(engine: AsyncEngine) -> None:
    account_id = await open_account(engine)
    photo_id = await add_photo(engine, account_id, "waiting")
    young, old = [await add_job(engine, account_id, photo_id=photo_id) for _ in range(2)]
    ready = await add_job(engine, account_id)
    await execute(
        engine,
        "update jobs set queued_at = now() - interval '601 s' where id = any(:ids)",
        ids=[old, ready],
    )

    await reconciling.end_waiting(engine)

    states = [(await job(engine, job_id)).state for job_id in (young, old, ready)]
    assert states == ["QUEUED", "FAILED", "QUEUED"]
    assert (await types_said(engine, old))[-1] == "processing.job.failed.v1"


async def test_a_job_that_missed_its_photo_is_woken(engine: AsyncEngine) -> None:
    account_id = await open_account(engine)
    photo_id = await add_photo(engine, account_id, "waiting")
    job_id = await add_job(engine, account_id, photo_id=photo_id)
    await execute(engine, MASTER_RECORDED)

    await reconciling.end_waiting(engine)

    assert (await job(engine, job_id)).ready_at is not None


async def test_a_result_that_is_never_checked_is_refunded(engine: AsyncEngine) -> None:
    account_id = await open_account(engine)
    old, young = [await add_job(engine, account_id) for _ in range(2)]
    for job_id, minutes in ((old, 61), (young, 59)):
        async with engine.begin() as connection:
            await jobs.move(connection, job_id, to="CHECKING", among=("QUEUED",), attempts=1)
        await execute(
            engine,
            "insert into attempts (id, job_id, account_id, tier, number, state, endpoint, seed,"
            " short_side_max, runs_at_most_s, result_key, next_poll_at, deadline, finished_at)"
            " values (gen_random_uuid(), :job_id, :account_id, 'standard', 1, 'FINISHED', 'x', 1,"
            " 480, 300, 'x', now(), now(), now() - make_interval(mins => :minutes))",
            job_id=job_id,
            account_id=account_id,
            minutes=minutes,
        )

    await reconciling.end_unchecked(engine)

    assert [(await job(engine, j)).state for j in (old, young)] == ["FAILED", "CHECKING"]
