"""The emulator over HTTP, with a scripted worker."""

import asyncio
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from httpx import AsyncClient

from deploy.local.runpod import endpoint as endpoint_module
from deploy.local.runpod import worker_routes
from deploy.local.runpod.app import create_app
from deploy.local.runpod.billing_routes import USD_PER_S
from deploy.local.runpod.limits import RateLimits, TooManyCalls
from services.processing.bills import Bills
from tests.runpod.scripted import JOB, KEY, Clock, Worker, run, status

BILLING = "http://runpod/v2/billing/serverless"


async def test_it_says_that_it_is_ready_without_a_key(client: AsyncClient) -> None:
    answer = await client.get("http://runpod/ready", headers={"Authorization": ""})

    assert answer.status_code == 200


async def test_a_worker_takes_a_job_tells_progress_and_hands_it_in(
    client: AsyncClient, scripted: Worker
) -> None:
    job_id = await run(client)
    assert await scripted.take() == {"id": job_id, "input": {"n": 1}}

    await scripted.done(job_id, {"status": "IN_PROGRESS", "output": {"stage": "restore"}})
    running = await status(client, job_id)
    await scripted.done(job_id, {"output": {"ok": True}})
    await scripted.done(job_id, {"status": "IN_PROGRESS", "output": "late news"})

    assert (running["status"], running["output"]) == ("IN_PROGRESS", {"stage": "restore"})
    ended = await status(client, job_id)
    assert (ended["status"], ended["output"]) == ("COMPLETED", {"ok": True})


async def test_an_idle_worker_waits_a_little_and_hears_of_nothing(scripted: Worker) -> None:
    assert await scripted.take() is None


async def test_a_waiting_worker_gets_a_job_the_moment_it_comes(
    client: AsyncClient, scripted: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_routes, "TAKE_WAIT_SECONDS", 5.0)
    waiting = asyncio.create_task(scripted.take())
    await asyncio.sleep(0.05)

    job_id = await run(client)

    async with asyncio.timeout(0.2):
        taken = await waiting
    assert taken is not None
    assert taken["id"] == job_id


async def test_several_jobs_are_taken_at_once(client: AsyncClient) -> None:
    expected = [await run(client) for _ in range(3)]

    answer = await client.get("/job-take-batch/w?batch_size=5&job_in_progress=1")

    assert [job["id"] for job in answer.json()] == expected
    assert (await client.get("/job-take-batch/w?batch_size=5")).status_code == 204


async def test_a_restarted_worker_gets_its_lost_job_again(
    client: AsyncClient, scripted: Worker
) -> None:
    job_id = await run(client)
    await scripted.take(in_progress=0)

    again = await scripted.take(in_progress=0)

    assert again is not None
    assert again["id"] == job_id


async def test_a_ping_keeps_a_job_from_being_given_away(
    client: AsyncClient, scripted: Worker, clock: Clock
) -> None:
    job_id = await run(client)
    await scripted.take()
    clock.now += 14
    await client.get(f"/ping/w?gpu=cpu&job_id={job_id}&runpod_version=1")
    clock.now += 14

    assert (await status(client, job_id))["status"] == "IN_PROGRESS"
    clock.now += 1
    assert (await status(client, job_id))["status"] == "IN_QUEUE"


async def test_a_cancelled_jobs_worker_hears_of_it_on_its_stop_channel(
    client: AsyncClient, scripted: Worker
) -> None:
    job_id = await run(client)
    await scripted.take()

    await client.post(f"/cancel/{job_id}")

    assert (await client.get("/job-stop/w")).json() == {"jobsToStop": [job_id]}
    assert (await client.get("/job-stop/w")).status_code == 204


async def test_streamed_chunks_are_given_once(client: AsyncClient, scripted: Worker) -> None:
    job_id = await run(client)
    await scripted.take()
    await client.post(f"/job-stream/w/{job_id}?gpu=cpu", content=b'{"output": "half"}')

    first = (await client.get(f"/stream/{job_id}")).json()
    second = (await client.get(f"/stream/{job_id}")).json()

    assert first == {"status": "IN_PROGRESS", "stream": [{"output": "half"}]}
    assert second["stream"] == []


async def test_runsync_is_answered_at_once_when_the_job_ends_but_does_not_wait_for_ever(
    client: AsyncClient, scripted: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_module, "SWEEP_SECONDS", 60.0)
    waiting = asyncio.create_task(client.post("/runsync", json=JOB))
    await asyncio.sleep(0.02)
    await scripted.work()
    async with asyncio.timeout(1):
        assert (await waiting).json()["status"] == "COMPLETED"

    unfinished = await client.post("/runsync?wait=1000", json=JOB)

    assert unfinished.json()["status"] == "IN_QUEUE"


async def test_a_failed_job_is_retried_and_a_completed_one_is_not(
    client: AsyncClient, scripted: Worker
) -> None:
    failed, completed = await run(client), await run(client)
    await scripted.work({"error": "boom"})
    await scripted.work()

    assert (await client.post(f"/retry/{failed}")).json()["status"] == "IN_QUEUE"
    assert (await client.post(f"/retry/{completed}")).status_code == 400


async def test_the_queue_can_be_purged(client: AsyncClient) -> None:
    await run(client)

    assert (await client.post("/purge-queue")).json() == {"removed": 1, "status": "completed"}


async def test_policies_are_in_milliseconds(
    client: AsyncClient, scripted: Worker, clock: Clock
) -> None:
    job_id = await run(client, policy={"executionTimeout": 5_000, "ttl": 10_000})
    await scripted.take()
    clock.now += 5
    assert (await status(client, job_id))["status"] == "TIMED_OUT"

    gone = await run(client, policy={"ttl": 10_000})
    clock.now += 10
    assert (await status(client, gone))["status"] == 404


async def test_a_status_call_can_shorten_how_long_a_result_is_kept(
    client: AsyncClient, scripted: Worker, clock: Clock
) -> None:
    job_id = await run(client)
    await scripted.work()
    await client.get(f"/status/{job_id}?ttl=6000")
    clock.now += 6

    assert (await status(client, job_id))["status"] == 404


@pytest.mark.parametrize(
    "body",
    [
        {**JOB, "policy": {"ttl": 1}},
        {**JOB, "policy": {"executionTimeout": "soon"}},
        {**JOB, "webhook": "ftp://x"},
        {"input": "not an object"},
    ],
)
async def test_a_wrong_submission_is_refused(client: AsyncClient, body: Any) -> None:
    assert (await client.post("/run", json=body)).status_code == 400


@pytest.mark.parametrize("path", ["job-take/w", "job-stop/w", "ping/w"])
async def test_a_worker_needs_the_key_too_in_the_header_or_the_address(
    client: AsyncClient, path: str
) -> None:
    wrong = {"Authorization": "another account's"}

    assert (await client.get(path, headers=wrong)).status_code == 401
    assert (await client.get(f"{path}?key={KEY}", headers=wrong)).status_code < 300
    assert (await client.get(path, headers={"Authorization": KEY})).status_code < 300


async def test_too_many_cancellations_are_refused_until_the_window_has_passed(
    client: AsyncClient, clock: Clock
) -> None:
    answers = [(await client.post("/cancel/x")).status_code for _ in range(101)]
    assert answers.count(404) == 100
    assert answers[-1] == 429
    assert (await client.get("/health")).status_code == 200

    clock.now += 10

    assert (await client.post("/cancel/x")).status_code == 404


@pytest.mark.parametrize(
    ("operation", "calls", "at_once"),
    [
        ("run", 1000, 200),
        ("runsync", 2000, 400),
        ("status", 2000, 400),
        ("stream", 2000, 400),
        ("cancel", 100, 20),
        ("purge-queue", 2, 2),
    ],
)
def test_each_operation_has_its_documented_rate(operation: str, calls: int, at_once: int) -> None:
    """https://docs.runpod.io/serverless/endpoints/operation-reference, per endpoint and 10 s."""
    clock = Clock()
    limits = RateLimits(clock)

    def call_often(times: int) -> int:
        accepted = 0
        for _ in range(times):
            with suppress(TooManyCalls), limits.call(operation):
                accepted += 1
        return accepted

    assert call_often(calls + 5) == calls
    clock.now += 10
    with ExitStack() as running:
        for _ in range(at_once):
            running.enter_context(limits.call(operation))
        with pytest.raises(TooManyCalls):
            running.enter_context(limits.call(operation))


async def test_a_synchronous_body_may_be_twice_as_large(client: AsyncClient) -> None:
    fifteen, over_twenty = ({"input": {"x": "x" * (size << 20)}} for size in (15, 20))

    assert (await client.post("/run", json=fifteen)).status_code == 400
    assert (await client.post("/runsync?wait=1000", json=fifteen)).status_code == 200
    assert (await client.post("/runsync", json=over_twenty)).status_code == 400


def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNPOD_EMULATOR_API_KEY", raising=False)

    with pytest.raises(SystemExit, match="RUNPOD_EMULATOR_API_KEY"):
        create_app()


async def test_every_second_of_work_is_billed_whatever_came_of_it(
    client: AsyncClient, scripted: Worker, clock: Clock
) -> None:
    await run(client)
    done = await scripted.take()
    assert done
    clock.now += 100
    await scripted.done(done["id"], {"error": "no"})
    cancelled = await run(client)
    await scripted.take()
    clock.now += 50
    await client.post(f"/cancel/{cancelled}")

    answer = await client.get(BILLING, params={"bucketSize": "hour", "lastN": 24})
    other = await client.get(BILLING, params={"serverlessId": "another"})

    (record,) = answer.json()["records"]
    assert record["serverlessId"] == "ep"
    assert record["totalAmount"] == pytest.approx(150 * USD_PER_S)
    assert answer.json()["metadata"]["totalAmount"] == record["totalAmount"]
    assert other.json()["records"] == []


async def test_processing_reads_the_bill_it_is_given(
    client: AsyncClient, scripted: Worker, clock: Clock
) -> None:
    await run(client)
    taken = await scripted.take()
    assert taken
    clock.now += 100
    await scripted.done(taken["id"], {"output": {"ok": True}})

    billed = await Bills(client, BILLING).of_last_day("ep")

    assert float(billed) == pytest.approx(100 * USD_PER_S)


@pytest.mark.parametrize("query", [{"bucketSize": "second"}, {"lastN": 0}, {"lastN": 9_999}])
async def test_a_bill_is_asked_for_in_documented_terms(
    client: AsyncClient, query: dict[str, Any]
) -> None:
    assert (await client.get(BILLING, params=query)).status_code == 422
    assert (await client.get(BILLING, headers={"Authorization": "Bearer x"})).status_code == 401
