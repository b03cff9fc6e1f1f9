"""Misfortunes on request."""

import asyncio

import httpx
import pytest
from httpx import AsyncClient

from deploy.local.runpod import client_routes
from deploy.local.runpod.app import create_app
from deploy.local.runpod.endpoint import GARBAGE, Endpoint
from tests.runpod.scripted import JOB, KEY, Clock, Worker, fault, run, status


async def test_the_next_job_can_be_made_to_fail_or_time_out(
    client: AsyncClient, scripted: Worker
) -> None:
    await fault(client, fail_next='{"class": "oom"}', time_out_next=1)
    failing, timing_out, normal = [await run(client) for _ in range(3)]

    assert await scripted.work() == normal

    failed = await status(client, failing)
    assert (failed["status"], failed["error"]) == ("FAILED", '{"class": "oom"}')
    assert (await status(client, timing_out))["status"] == "TIMED_OUT"


async def test_calls_can_be_made_to_fail(client: AsyncClient) -> None:
    await fault(client, answer_429=1, answer_500=1)

    answers = [(await client.post("/run", json=JOB)).status_code for _ in range(3)]

    assert answers == [429, 500, 200]
    assert (await client.get("/health")).json()["jobs"]["inQueue"] == 1


async def test_output_can_be_garbage(client: AsyncClient, scripted: Worker) -> None:
    await fault(client, garbage_output=1)
    job_id = await run(client)

    await scripted.work()

    assert (await status(client, job_id))["output"] == GARBAGE


async def test_jobs_can_be_delayed(client: AsyncClient, scripted: Worker, clock: Clock) -> None:
    await fault(client, delay_seconds=30)
    await run(client)
    assert await scripted.take() is None

    clock.now += 30

    assert await scripted.take() is not None


async def test_a_job_can_vanish(client: AsyncClient) -> None:
    job_id = await run(client)

    await fault(client, expire_job=job_id)

    assert (await status(client, job_id))["status"] == 404


async def test_a_submission_can_hang_though_the_job_was_accepted(
    client: AsyncClient, scripted: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_routes, "HANG_SECONDS", 5.0)
    await fault(client, hang_submit=1)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await client.post("/run", json=JOB)

    assert await scripted.take() is not None


async def test_faults_are_shown_cleared_and_checked(client: AsyncClient) -> None:
    await fault(client, lose_webhook=2)
    shown = (await client.get("http://runpod/__faults")).json()
    cleared = (await client.delete("http://runpod/__faults")).json()
    wrong = await client.post("http://runpod/__faults", json={"set_on_fire": 1})

    assert shown["lose_webhook"] == 2
    assert cleared["lose_webhook"] == 0
    assert wrong.status_code == 422


async def test_faults_are_for_this_machine_only(endpoint: Endpoint) -> None:
    app = create_app(endpoint=endpoint, api_key=KEY)
    transport = httpx.ASGITransport(app, client=("192.0.2.1", 1))
    async with AsyncClient(transport=transport, base_url="http://runpod") as stranger:
        assert (await stranger.post("/__faults", json={})).status_code == 403


@pytest.mark.parametrize(
    ("asked", "code"),
    [("answer_401", 401), ("answer_404", 404), ("answer_429", 429), ("answer_500", 500)],
)
async def test_a_call_can_be_refused_in_every_documented_way(
    client: AsyncClient, asked: str, code: int
) -> None:
    await fault(client, **{asked: 1})
    refused = await client.get("/health")

    assert refused.status_code == code
    assert ("retry-after" in refused.headers) == (code == 429)
    assert (await client.get("/health")).status_code == 200


async def test_answers_can_be_cut_and_states_unknown(client: AsyncClient) -> None:
    await fault(client, truncate_answer=1, unknown_state=1)
    cut = await client.post("/run", json=JOB)

    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        cut.json()
    job_id = await run(client)
    assert (await status(client, job_id))["status"] == "REBALANCING"
    assert (await status(client, job_id))["status"] == "IN_QUEUE"


async def test_a_failure_can_be_told_of_a_job_that_was_accepted(
    client: AsyncClient, scripted: Worker
) -> None:
    await fault(client, fail_accepted=1)

    assert (await client.post("/run", json=JOB)).status_code == 500
    assert await scripted.take() is not None


async def test_a_finished_job_can_stay_in_progress(client: AsyncClient, scripted: Worker) -> None:
    await fault(client, stuck_runs=1)
    job_id = await run(client)
    await scripted.work()

    assert (await status(client, job_id))["status"] == "IN_PROGRESS"


async def test_an_output_can_be_about_another_attempt(
    client: AsyncClient, scripted: Worker
) -> None:
    await fault(client, others_output=1)
    job_id = await run(client)
    await scripted.work({"output": {"attempt_id": "mine", "width": 3}})

    output = (await status(client, job_id))["output"]
    assert output["width"] == 3
    assert output["attempt_id"] != "mine"


async def test_chances_are_the_same_for_the_same_seed(client: AsyncClient) -> None:
    async def codes(seed: int) -> list[int]:
        await fault(client, seed=seed, chances={"answer_500": 0.3, "answer_429": 0.2})
        return [(await client.get("/health")).status_code for _ in range(60)]

    first, again, other = await codes(1), await codes(1), await codes(2)

    assert first == again != other
    assert set(first) == {200, 429, 500}


@pytest.mark.parametrize("chances", [{"set_on_fire": 0.1}, {"answer_500": 1.5}, {"seed": 0.5}])
async def test_a_chance_is_one_of_a_fault_that_can_happen_often(
    client: AsyncClient, chances: dict[str, float]
) -> None:
    refused = await client.post("http://runpod/__faults", json={"chances": chances})
    assert refused.status_code == 422


async def test_an_endpoint_can_be_cold(client: AsyncClient, scripted: Worker) -> None:
    assert await scripted.take() is None  # the worker is seen
    await fault(client, no_workers=True)
    assert set((await client.get("/health")).json()["workers"].values()) == {0}
