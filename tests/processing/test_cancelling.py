"""A job can be cancelled in every state: it says so once, keeps nothing and frees its slot."""

from collections.abc import Iterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.storage import Storage
from services.processing import attempts, jobs
from services.processing.errors import JobEnded
from services.processing.results import Checker
from services.processing.runpod import Policy, RunPod
from services.processing.sandbox import Sandbox
from tests.processing import rows
from tests.processing.conftest import Emulator
from tests.processing.desk import WORKER, Desk, open_desk

CANCELLED = "processing.job.cancelled.v1"


@pytest.fixture(name="desk")
async def _desk(engine: AsyncEngine, storage: Storage, emulator: Emulator, runpod: RunPod) -> Desk:
    return await open_desk(engine, storage, emulator, runpod)


@pytest.fixture(name="sandbox")
def _sandbox() -> Iterator[Sandbox]:
    box = Sandbox(workers=1)
    yield box
    box.close()


async def cancel(desk: Desk) -> None:
    async with desk.engine.begin() as connection:
        await jobs.cancel(connection, desk.job_id, account_id=desk.account_id)
    assert (await desk.job()).state == "CANCELLED"
    assert (await rows.types_said(desk.engine, desk.job_id)).count(CANCELLED) == 1


async def test_while_its_credits_are_being_held(desk: Desk) -> None:
    await rows.execute(desk.engine, "update jobs set state = 'PENDING_HOLD', queued_at = null")
    pending = await desk.job()
    await cancel(desk)
    async with desk.engine.begin() as connection:
        assert not await jobs.queue(connection, [pending])


async def test_while_its_photo_is_being_prepared(desk: Desk) -> None:
    photo_id = await rows.add_photo(desk.engine, desk.account_id, "waiting")
    desk.job_id = await rows.add_job(desk.engine, desk.account_id, photo_id=photo_id)
    await cancel(desk)
    async with desk.engine.begin() as connection:
        await rows.finish_photo(connection, photo_id)
    assert (await desk.job()).ready_at is None


async def test_while_it_waits_in_line(desk: Desk) -> None:
    await cancel(desk)
    with pytest.raises(AssertionError):
        await desk.release()
    assert await rows.attempts_of(desk.engine, desk.job_id) == []


async def test_while_its_attempt_waits_to_be_submitted(desk: Desk) -> None:
    attempt_id = await desk.release()
    await cancel(desk)
    await desk.submitter.submit(attempt_id, desk.delivery())
    await desk.look()
    assert (await desk.attempt()).state == "FAILED"
    assert desk.emulator.endpoint.health()["jobs"]["inQueue"] == 0


async def test_while_a_submit_is_on_its_way(desk: Desk, runpod: RunPod) -> None:
    attempt_id = await desk.release()
    async with desk.engine.begin() as connection:
        (begun,) = await attempts.begin_submit(connection, [attempt_id])
    await cancel(desk)
    policy = Policy(execution_timeout_s=60, ttl_s=600)
    webhook = "http://127.0.0.1:9/hooks"
    accepted = await runpod.run({"attempt_id": str(attempt_id)}, webhook=webhook, policy=policy)
    async with desk.engine.begin() as connection:
        await attempts.submitted(connection, [(begun, accepted)])
    assert await desk.poller.look() == 1, "it is due at once"
    attempt = await desk.attempt()
    assert (attempt.state, desk.state_at_runpod(attempt)) == ("FAILED", "CANCELLED")


async def test_while_nobody_knows_whether_it_was_submitted(desk: Desk) -> None:
    await desk.emulator.fault(fail_accepted=1)
    await desk.submit()
    await cancel(desk)
    await desk.work()
    await desk.look()
    attempt = await desk.attempt()
    assert attempt.state == "FINISHED"
    assert not await desk.stored(attempt.result_key)


@pytest.mark.parametrize("is_taken", [False, True])
async def test_while_it_is_at_runpod(desk: Desk, *, is_taken: bool) -> None:
    await desk.submit()
    if is_taken:
        desk.emulator.endpoint.jobs.take(WORKER)
    await cancel(desk)
    assert await desk.poller.look() == 1, "it is due at once"
    attempt = await desk.attempt()
    assert (attempt.state, desk.state_at_runpod(attempt)) == ("FAILED", "CANCELLED")


async def test_while_runpod_has_no_ear_for_it(desk: Desk) -> None:
    """A cancel that was refused is asked for again at the next look."""
    await desk.submit()
    await cancel(desk)
    await desk.emulator.fault(answer_500=1)
    await desk.look()
    assert (await desk.attempt()).state == "RUNNING"
    await desk.look()
    assert desk.state_at_runpod(await desk.attempt()) == "CANCELLED"


async def test_while_its_result_is_being_checked(desk: Desk, sandbox: Sandbox) -> None:
    await desk.submit()
    await desk.work()
    await desk.look()
    attempt = await desk.attempt()
    assert (await desk.job()).state == "CHECKING"
    await cancel(desk)

    checker = Checker(desk.engine, desk.storage, sandbox)
    await checker.check(attempt.id, desk.delivery())

    assert (await desk.job()).result_key is None
    assert not await desk.stored(attempt.result_key)


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "REJECTED"])
async def test_what_has_ended_stays_as_it_ended(desk: Desk, state: str) -> None:
    await rows.execute(
        desk.engine,
        "update jobs set state = :state, problem_code = 'x', finished_at = now()",
        state=state,
    )
    with pytest.raises(JobEnded):
        await cancel(desk)
    assert (await desk.job()).state == state
