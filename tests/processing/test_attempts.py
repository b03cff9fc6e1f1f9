"""Attempts on the emulator: submitted once, followed to their end, whatever goes wrong."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Self
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.runpod.jobs import Policy as TheirPolicy
from services.kit.storage import Storage
from services.processing import attempts, jobs, runpod
from services.processing.attempts import signature
from services.processing.runpod import Policy, RunPod
from services.processing.submitting import ClockOff
from tests.processing import rows
from tests.processing.conftest import ENDPOINT_ID, KEY, WEBHOOK_SECRET, Emulator
from tests.processing.desk import WORKER, Desk, open_desk
from tests.processing.serving import free_port


@pytest.fixture(name="desk")
async def _desk(engine: AsyncEngine, storage: Storage, emulator: Emulator, runpod: RunPod) -> Desk:
    return await open_desk(engine, storage, emulator, runpod)


async def test_a_worker_gets_addresses_and_no_secrets(desk: Desk) -> None:
    attempt_id = await desk.submit()

    run = desk.emulator.endpoint.jobs.take(WORKER)
    attempt = await desk.attempt()
    assert run is not None
    assert (attempt.state, attempt.runpod_job_id) == ("RUNNING", run.id)
    assert run.input["attempt_id"] == str(attempt_id)
    assert run.input["task"] == "restore"
    assert run.input["options"] == {"seed": attempt.seed, "note": None, "short_side_max": 720}
    (image,) = run.input["images"]
    assert f"masters/{desk.account_id}" in image["url"]
    assert f"results/{desk.account_id}/{desk.job_id}/{attempt_id}.png" in run.input["output"]["url"]
    assert run.input["output"]["headers"]["If-None-Match"] == "*"
    assert run.policy == TheirPolicy(execution_seconds=300, ttl_seconds=1500, low_priority=False)
    assert WEBHOOK_SECRET not in str(run)
    assert run.webhook is not None
    assert run.webhook.endswith(f"/{attempt_id}?sig={signature(WEBHOOK_SECRET, attempt_id)}")


async def test_the_master_that_was_sent_is_remembered(desk: Desk) -> None:
    """A photo may be cut otherwise while its job runs; its result is compared with this one."""
    await desk.submit()
    sent = (await desk.attempt()).master_key

    await rows.execute(desk.engine, "update preparations set master_key = 'masters/another.jpg'")

    assert sent.startswith("masters/")
    assert sent != "masters/another.jpg"
    assert (await desk.attempt()).master_key == sent


async def test_a_finished_run_is_ordered_to_be_checked(desk: Desk) -> None:
    await desk.submit()
    await desk.look()
    assert (await desk.attempt()).state == "RUNNING"
    await desk.work()
    await desk.look()

    attempt = await desk.attempt()
    assert (attempt.state, (await desk.job()).state) == ("FINISHED", "CHECKING")
    assert attempt.gpu_seconds >= 0
    assert (await rows.types_said(desk.engine, desk.job_id))[-2:] == [
        "processing.job.checking.v1",
        "processing.result.check.v1",
    ]


async def test_a_second_copy_of_the_order_submits_nothing(desk: Desk) -> None:
    attempt_id = await desk.release()

    await asyncio.gather(*(desk.submitter.submit(attempt_id, desk.delivery()) for _ in range(5)))

    assert desk.emulator.endpoint.health()["jobs"]["inQueue"] == 1


async def test_what_runpod_could_not_take_is_submitted_again_later(desk: Desk) -> None:
    await desk.emulator.fault(answer_429=1)
    attempt_id = await desk.submit()
    refused = await desk.attempt()

    await desk.look()
    await desk.submitter.submit(attempt_id, desk.delivery())

    assert refused.state == "RELEASED"
    assert (await desk.attempt()).state == "RUNNING"
    orders = await rows.types_said(desk.engine, desk.job_id)
    assert orders.count("processing.attempt.start.v1") == 2


@pytest.mark.parametrize("key", ["wrong", KEY])
async def test_while_runpod_is_away_or_locked_a_job_waits(key: str, desk: Desk) -> None:
    api_url = desk.emulator.api_url if key == "wrong" else f"http://127.0.0.1:{free_port()}/v2"
    runpod = RunPod(api_url, endpoint_id=ENDPOINT_ID, api_key=key)
    desk.submitter._runpods = {ENDPOINT_ID: runpod}

    await desk.submit()
    await runpod.close()

    assert ((await desk.attempt()).state, (await desk.job()).state) == ("RELEASED", "RUNNING")


@pytest.mark.parametrize("hours", [-2, 2])
async def test_a_machine_whose_clock_is_off_submits_nothing(
    hours: int, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt_id = await desk.release()
    with monkeypatch.context() as jumped:
        jumped.setattr("services.processing.submitting.datetime", clock_off_by(hours))
        with pytest.raises(ClockOff):
            await desk.submitter.submit(attempt_id, desk.delivery())
    assert (await desk.attempt()).state == "RELEASED"

    await desk.submitter.submit(attempt_id, desk.delivery())

    assert (await desk.attempt()).state == "RUNNING"


def clock_off_by(hours: int) -> type[datetime]:
    class Off(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(hours=hours)

    return Off


async def test_a_lost_answer_is_found_by_its_result(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runpod, "CALL_TIMEOUT_S", 0.2)
    await desk.emulator.fault(hang_submit=1)
    await desk.submit()
    unclear = await desk.attempt()
    await desk.look()  # it waits in RunPod's queue
    still_unclear = await desk.attempt()
    await desk.work()
    await desk.look()

    found = await desk.attempt()
    assert (unclear.state, unclear.runpod_job_id) == ("SUBMITTING", None)
    assert still_unclear.state == "SUBMITTING"
    assert (found.state, (await desk.job()).state) == ("FINISHED", "CHECKING")
    assert found.cost_usd == found.reserved_usd > 0, "nobody knows how long it ran"


async def test_a_webhook_tells_the_id_that_the_answer_did_not(
    desk: Desk, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.submitter._webhook_base = address
    monkeypatch.setattr(runpod, "CALL_TIMEOUT_S", 0.2)
    await desk.emulator.fault(hang_submit=1)
    await desk.submit()
    await desk.work()
    async with asyncio.timeout(5):
        while (await desk.attempt()).hint_at is None:
            await asyncio.sleep(0.02)

    assert await desk.poller.look() == 1, "a hint makes an attempt due at once"

    attempt = await desk.attempt()
    assert (attempt.state, attempt.output["engine"]) == ("FINISHED", "cpu")


async def test_webhooks_are_hints_and_forged_ones_nothing(
    desk: Desk, address: str, client_of: Callable[[UUID], httpx.AsyncClient]
) -> None:
    attempt_id = await desk.submit()
    client = client_of(uuid4())
    body = {"id": "forged", "status": "COMPLETED", "output": {"attempt_id": str(attempt_id)}}
    path = f"/hooks/runpod/{attempt_id}"
    good = signature(WEBHOOK_SECRET, attempt_id)

    refused = [
        (await client.post(f"{path}{query}", json=body)).status_code
        for query in (
            "",
            "?sig=",
            "?sig=0",
            f"?sig={signature('other', attempt_id)}",
            "?sig=%C3%A4",
        )
    ]
    other = await client.post(f"/hooks/runpod/{uuid4()}?sig={good}", json=body)
    assert (await desk.attempt()).hint_at is None
    heard = [await client.post(f"{path}?sig={good}", json=body) for _ in range(3)]

    assert refused == [404] * 5
    assert other.status_code == 404
    assert [h.status_code for h in heard] == [200] * 3
    attempt = await desk.attempt()
    assert attempt.hint_at is not None
    assert (attempt.state, (await desk.job()).state) == ("RUNNING", "RUNNING")
    assert attempt.runpod_job_id != "forged"


async def test_a_webhook_that_comes_too_late_changes_nothing(
    desk: Desk, client_of: Callable[[UUID], httpx.AsyncClient]
) -> None:
    attempt_id = await desk.submit()
    await desk.work()
    await desk.look()
    ended = await desk.attempt()
    path = f"/hooks/runpod/{attempt_id}?sig={signature(WEBHOOK_SECRET, attempt_id)}"

    answer = await client_of(uuid4()).post(path, json={"id": ended.runpod_job_id})

    assert answer.status_code == 200
    assert await desk.attempt() == ended


async def test_what_runpod_refuses_ends_the_job_with_a_reason(desk: Desk) -> None:
    desk.submitter._webhook_base = "ftp://nowhere"
    await desk.submit()

    attempt, ended = await desk.attempt(), await desk.job()
    assert (attempt.state, attempt.cost_usd) == ("FAILED", 0)
    assert attempt.error.startswith("bad-request: HTTP 400")
    assert (ended.state, ended.problem_code) == ("FAILED", "internal")


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        ('{"class": "input", "detail": "no face"}', "FAILED", "photo-not-workable"),
        ('{"class": "oom", "detail": "cuda"}', "QUEUED", None),
        ("Traceback", "QUEUED", None),
    ],
)
async def test_a_workers_failure_is_believed_by_its_class(
    error: str, state: str, code: str | None, desk: Desk
) -> None:
    await desk.submit()
    await desk.work(error=error)
    await desk.look()

    ended = await desk.job()
    assert (ended.state, ended.problem_code) == (state, code)
    assert (await desk.attempt()).state == "FAILED"


async def test_a_run_that_timed_out_is_tried_once_more(desk: Desk) -> None:
    for state in ("QUEUED", "FAILED"):
        await desk.emulator.fault(time_out_next=1)
        await desk.submit()
        assert desk.emulator.endpoint.jobs.take(WORKER) is None
        await desk.look()
        assert (await desk.job()).state == state

    assert (await desk.job()).problem_code == "timed-out"


async def test_garbage_is_no_result(desk: Desk) -> None:
    await desk.submit()
    await desk.emulator.fault(garbage_output=1)
    await desk.work()
    await desk.look()

    assert ((await desk.attempt()).state, (await desk.job()).state) == ("FAILED", "QUEUED")


@pytest.mark.parametrize(
    ("results", "states"), [(1, ("FINISHED", "CHECKING")), (0, ("LOST", "QUEUED"))]
)
async def test_of_a_run_that_is_gone_the_result_decides(
    results: int, states: tuple[str, str], desk: Desk
) -> None:
    await desk.submit()
    for _ in range(results):
        await desk.work()
    await desk.emulator.fault(expire_job=(await desk.attempt()).runpod_job_id)
    await desk.look()

    assert ((await desk.attempt()).state, (await desk.job()).state) == states


async def test_a_run_without_an_end_is_cancelled_and_tried_again(desk: Desk) -> None:
    desk.emulator.endpoint.see_worker(WORKER)
    await desk.submit()
    await desk.look(late=True)

    attempt = await desk.attempt()
    assert (attempt.state, (await desk.job()).state) == ("LOST", "QUEUED")
    assert desk.state_at_runpod(attempt) == "CANCELLED"


@pytest.mark.parametrize("trouble", ["stuck_runs", "answer_500"])
async def test_at_its_deadline_a_stored_result_counts_whatever_runpod_says(
    desk: Desk, trouble: str
) -> None:
    """The SDK tells progress from a thread of its own, which can reopen a run that has ended."""
    await desk.submit()
    await desk.emulator.fault(stuck_runs=1)
    await desk.work()
    await desk.look()
    assert (await desk.attempt()).state == "RUNNING"

    await desk.emulator.fault(**{trouble: 3})
    await desk.look(late=True)

    found = await desk.attempt()
    assert (found.state, (await desk.job()).state) == ("FINISHED", "CHECKING")
    assert found.cost_usd == found.reserved_usd


async def test_an_attempt_that_is_never_submitted_is_lost_at_its_deadline(desk: Desk) -> None:
    await desk.release()
    await desk.look(late=True)

    assert ((await desk.attempt()).state, (await desk.job()).state) == ("LOST", "QUEUED")


async def test_a_submit_that_died_in_the_middle_keeps_its_slot_till_its_deadline(
    desk: Desk,
) -> None:
    attempt_id = await desk.release()
    async with desk.engine.begin() as connection:
        await attempts.begin_submit(connection, [attempt_id])
    await desk.submitter.submit(attempt_id, desk.delivery())
    assert desk.emulator.endpoint.health()["jobs"]["inQueue"] == 0
    await somebody_elses_run(desk)
    await desk.look()
    assert (await desk.attempt()).state == "SUBMITTING", "RunPod has something: it may be this"

    await desk.look(late=True)

    assert ((await desk.attempt()).state, (await desk.job()).state) == ("LOST", "QUEUED")


async def test_a_submit_that_died_is_lost_when_runpod_has_nothing_to_do(desk: Desk) -> None:
    attempt_id = await desk.release()
    async with desk.engine.begin() as connection:
        await attempts.begin_submit(connection, [attempt_id])

    await desk.look()

    assert ((await desk.attempt()).state, (await desk.job()).state) == ("LOST", "QUEUED")


async def test_a_cancelled_jobs_run_is_stopped_and_its_slot_freed(desk: Desk) -> None:
    await desk.submit()
    async with desk.engine.begin() as connection:
        await jobs.cancel(connection, desk.job_id, account_id=desk.account_id)

    assert await desk.poller.look() == 1, "it is due at once"

    attempt = await desk.attempt()
    assert attempt.state == "FAILED"
    assert desk.state_at_runpod(attempt) == "CANCELLED"
    assert (await desk.job()).state == "CANCELLED"


async def test_a_cancelled_job_that_waits_for_its_submit_is_never_submitted(desk: Desk) -> None:
    attempt_id = await desk.release()
    async with desk.engine.begin() as connection:
        await jobs.cancel(connection, desk.job_id, account_id=desk.account_id)

    await desk.submitter.submit(attempt_id, desk.delivery())
    assert await desk.poller.look() == 1

    assert desk.emulator.endpoint.health()["jobs"]["inQueue"] == 0
    assert ((await desk.attempt()).state, (await desk.job()).state) == ("FAILED", "CANCELLED")


async def test_a_result_that_comes_after_the_cancel_is_deleted(desk: Desk) -> None:
    await desk.submit()
    await desk.work()
    async with desk.engine.begin() as connection:
        await jobs.cancel(connection, desk.job_id, account_id=desk.account_id)
    attempt = await desk.attempt()
    assert await desk.stored(attempt.result_key)

    await desk.poller.look()

    assert (await desk.attempt()).state == "FINISHED"
    assert not await desk.stored(attempt.result_key)
    assert (await desk.job()).state == "CANCELLED"


async def test_polls_come_less_and_less_often_until_a_hint(desk: Desk) -> None:
    await desk.submit()
    pauses = []
    for _ in range(10):
        await desk.look()
        attempt = await desk.attempt()
        async with desk.engine.connect() as connection:
            now = (await connection.exec_driver_sql("select now()")).scalar_one()
        pauses.append(round((attempt.next_poll_at - now).total_seconds()))

    assert pauses == [1, 1, 2, 3, 5, 8, 13, 20, 30, 30]


async def somebody_elses_run(desk: Desk) -> None:
    policy = Policy(execution_timeout_s=60, ttl_s=60)
    await desk.submitter._runpods[ENDPOINT_ID].run(
        {"x": 1}, webhook="http://127.0.0.1:9", policy=policy
    )
