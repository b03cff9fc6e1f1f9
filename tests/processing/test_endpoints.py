"""Several endpoints, one of which may be locked, away, cold, or the wrong one for a photo."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.client import ServiceClient
from services.kit.storage import Storage
from services.processing import attempts, dispatcher, dispatching, endpoints, pace, sweeping
from services.processing.dispatcher import Duties
from services.processing.endpoints import Breaker
from services.processing.holds import Holds
from services.processing.pace import Pace, TooFast
from services.processing.polling import Poller
from services.processing.runpod import RateLimited, RunPod, Unauthorized, Unreachable
from services.processing.submitting import Submitter
from tests.processing import rows
from tests.processing.conftest import ENDPOINT_ID, WEBHOOK_SECRET, Emulator
from tests.processing.desk import WORKER, Desk
from tests.processing.serving import free_port

OTHER = "other-endpoint"


@pytest.fixture(name="desk")
async def _desk(engine: AsyncEngine, storage: Storage, emulator: Emulator, runpod: RunPod) -> Desk:
    async with engine.begin() as connection:
        await endpoints.lead(connection, ENDPOINT_ID, slots=5)
    account_id = await rows.open_account(engine, "priority")
    submitter = Submitter(
        engine,
        storage,
        {ENDPOINT_ID: runpod},
        webhook_base="http://127.0.0.1:9",
        webhook_secret=WEBHOOK_SECRET,
    )
    poller = Poller(engine, runpod, storage, known=[OTHER])
    job_id = await rows.add_job(engine, account_id)
    return Desk(engine, storage, emulator, submitter, poller, account_id, job_id)


async def lead_other(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await endpoints.lead(connection, OTHER, slots=5)


async def is_paused(engine: AsyncEngine) -> bool:
    async with engine.connect() as connection:
        return await endpoints.is_paused(connection, ENDPOINT_ID)


def away() -> str:
    return f"http://127.0.0.1:{free_port()}"


@asynccontextmanager
async def led(desk: Desk, runpod: RunPod) -> AsyncIterator[Duties]:
    holds = Holds(ServiceClient(away(), caller="processing", service="credits", secret="x" * 24))
    yield Duties(desk.engine, runpod, desk.storage, holds, slots=5)
    await holds.close()


async def put(desk: Desk, key: str) -> None:
    """What a worker does whose run we gave up on."""
    url = desk.storage.sign_put(key, media_type="image/png", expires_s=60)
    async with httpx.AsyncClient(trust_env=False) as s3:
        headers = {"content-type": "image/png", "if-none-match": "*"}
        assert (await s3.put(url, content=b"late", headers=headers)).status_code == 200


@pytest.mark.parametrize("answer", ["answer_401", "answer_404"])
async def test_a_locked_endpoint_is_paused_and_costs_no_attempt(
    desk: Desk, runpod: RunPod, answer: str
) -> None:
    await desk.emulator.fault(**{answer: 2})
    await desk.submit()
    second = await rows.add_job(desk.engine, desk.account_id)
    async with desk.engine.begin() as connection:
        started = await dispatching.start_next(connection, slots=5, endpoint=ENDPOINT_ID)

    assert started is None
    assert await is_paused(desk.engine)
    await desk.look(late=True)
    assert ((await desk.attempt()).state, (await desk.job()).attempts) == ("RELEASED", 1)

    async with led(desk, runpod) as duties:
        await dispatcher._probe(duties)
        assert await is_paused(desk.engine)  # it is still locked
        await dispatcher._probe(duties)
    assert not await is_paused(desk.engine)
    await desk.look()
    await desk.submitter.submit((await desk.attempt()).id, desk.delivery())
    assert (await desk.attempt()).state == "RUNNING"
    async with desk.engine.begin() as connection:
        assert await dispatching.start_next(connection, slots=5, endpoint=ENDPOINT_ID) == second


async def test_what_was_released_to_a_paused_endpoint_goes_to_another(desk: Desk) -> None:
    await desk.emulator.fault(answer_401=1)
    await lead_other(desk.engine)
    await desk.submit()

    await desk.look()

    moved = await desk.attempt()
    orders = [said["type"] for said in await rows.said(desk.engine, desk.job_id)]
    assert (moved.state, moved.endpoint, moved.number) == ("RELEASED", OTHER, 1)
    assert orders.count("processing.attempt.start.v1") == 2


async def test_who_leads_no_more_is_no_other_choice(desk: Desk) -> None:
    await desk.emulator.fault(answer_401=1)
    await lead_other(desk.engine)
    await rows.execute(
        desk.engine, "update endpoints set led_at = now() - interval '1 min' where id = :id",
        id=OTHER,
    )  # fmt: skip
    await desk.submit()
    await desk.look()

    assert (await desk.attempt()).endpoint == ENDPOINT_ID


@pytest.mark.parametrize(("fault", "avoids"), [("oom", True), ("model", False)])
async def test_an_attempt_without_memory_is_followed_by_one_elsewhere(
    desk: Desk, *, fault: str, avoids: bool
) -> None:
    await lead_other(desk.engine)
    await desk.submit()
    await desk.work(error=json.dumps({"class": fault, "detail": "planned"}))
    await desk.look()

    async with desk.engine.begin() as connection:
        here = await dispatching.start_next(connection, slots=5, endpoint=ENDPOINT_ID)
    async with desk.engine.begin() as connection:
        there = await dispatching.start_next(connection, slots=5, endpoint=OTHER)

    assert (here, there) == ((None, desk.job_id) if avoids else (desk.job_id, None))


async def test_a_result_that_fails_its_check_is_made_again_elsewhere(desk: Desk) -> None:
    await lead_other(desk.engine)
    await desk.submit()
    await desk.work()
    await desk.look()
    async with desk.engine.begin() as connection:
        await attempts.fail(connection, await desk.attempt(), "quality", "blank")
        assert await dispatching.start_next(connection, slots=5, endpoint=ENDPOINT_ID) is None
        again = await dispatching.start_next(connection, slots=5, endpoint=OTHER)

    assert again == desk.job_id


async def test_a_key_that_is_refused_while_looking_pauses_the_endpoint(desk: Desk) -> None:
    await desk.submit()
    await desk.emulator.fault(answer_401=1)
    await desk.look()

    assert await is_paused(desk.engine)
    assert (await desk.attempt()).state == "RUNNING", "it goes on there, whoever may ask"


async def test_an_endpoint_that_is_away_is_paused_and_loses_nobody(desk: Desk) -> None:
    await desk.release()
    gone = RunPod(away(), endpoint_id=ENDPOINT_ID, api_key="x")
    desk.submitter._runpods = {ENDPOINT_ID: gone}
    attempt_id = (await desk.attempt()).id
    for _ in range(endpoints.FAILURES_MAX):
        assert not await is_paused(desk.engine)
        await desk.submitter.submit(attempt_id, desk.delivery())
    await gone.close()

    assert await is_paused(desk.engine)
    assert ((await desk.attempt()).state, (await desk.job()).attempts) == ("RELEASED", 1)


async def test_submits_without_an_answer_pause_the_endpoint_too(desk: Desk) -> None:
    await desk.emulator.fault(answer_500=endpoints.FAILURES_MAX)
    await desk.submit()
    for _ in range(endpoints.FAILURES_MAX - 1):
        await rows.execute(desk.engine, "update attempts set state = 'RELEASED'")
        assert not await is_paused(desk.engine)
        await desk.submitter.submit((await desk.attempt()).id, desk.delivery())

    assert await is_paused(desk.engine)


async def test_with_no_other_endpoint_it_is_tried_again_on_the_same(desk: Desk) -> None:
    await desk.submit()
    await desk.work(error='{"class": "oom", "detail": "planned"}')
    await desk.look()

    async with desk.engine.begin() as connection:
        again = await dispatching.start_next(connection, slots=5, endpoint=ENDPOINT_ID)
    assert again == desk.job_id


async def test_an_attempt_of_an_endpoint_given_up_is_not_forgotten(desk: Desk) -> None:
    await desk.submit()
    await rows.execute(desk.engine, "update attempts set endpoint = 'given-up'")

    await desk.look(late=True)

    assert ((await desk.attempt()).state, (await desk.job()).state) == ("LOST", "QUEUED")


@pytest.mark.parametrize("is_cold", [True, False])
async def test_a_cold_endpoint_may_take_longer(desk: Desk, *, is_cold: bool) -> None:
    desk.emulator.endpoint.see_worker(WORKER)
    await desk.emulator.fault(no_workers=is_cold)
    await desk.submit()

    await desk.look(late=True)
    assert (await desk.attempt()).state == ("RUNNING" if is_cold else "LOST")

    if is_cold:
        await rows.execute(desk.engine, "update attempts set deadline = now() - interval '1 hour'")
        await desk.look(late=False)
        assert (await desk.attempt()).state == "LOST"


async def test_an_unknown_state_is_not_an_end(desk: Desk) -> None:
    await desk.emulator.fault(unknown_state=1)
    await desk.submit()
    await desk.look()
    assert (await desk.attempt()).state == "RUNNING"


async def test_half_an_answer_to_a_submit_is_unclear_and_is_found(desk: Desk) -> None:
    await desk.emulator.fault(truncate_answer=1)
    await desk.submit()
    assert ((await desk.attempt()).state, (await desk.attempt()).runpod_job_id) == (
        "SUBMITTING",
        None,
    )
    await desk.work()
    await desk.look()
    assert (await desk.attempt()).state == "FINISHED"


@pytest.mark.parametrize(
    ("tier", "workers", "is_low"),
    [
        ("standard", 1, True),
        ("standard", 0, False),  # scaled to zero: without a first machine it would wait for ever
        ("priority", 1, False),
    ],
)
async def test_free_work_starts_no_machine_but_the_first(
    desk: Desk, *, tier: str, workers: int, is_low: bool
) -> None:
    await rows.execute(desk.engine, "update jobs set tier = :tier", tier=tier)
    for _ in range(workers):
        desk.emulator.endpoint.see_worker(WORKER)
    await desk.submit()

    run = desk.emulator.endpoint.jobs.take(WORKER)
    assert run is not None
    assert run.policy.low_priority == is_low


async def test_a_result_that_came_too_late_is_swept(desk: Desk) -> None:
    await desk.submit()
    attempt = await desk.attempt()
    await desk.look(late=True)
    await rows.execute(desk.engine, "update attempts set state = 'LOST'")
    await put(desk, attempt.result_key)
    await rows.execute(
        desk.engine,
        "update jobs set state = 'FAILED', problem_code = 'x', finished_at = now()",
    )

    assert await sweeping.sweep(desk.engine, desk.storage) == 0  # it could still be stored
    await rows.execute(desk.engine, "update attempts set finished_at = now() - interval '3 hours'")
    assert await sweeping.sweep(desk.engine, desk.storage) == 1
    assert not await desk.stored(attempt.result_key)
    assert await sweeping.sweep(desk.engine, desk.storage) == 0


async def test_a_leader_forgets_messages_that_nobody_can_repeat(desk: Desk, runpod: RunPod) -> None:
    await rows.execute(
        desk.engine,
        "insert into inbox select 'tests', gen_random_uuid(), now() - make_interval(days => days)"
        " from unnest(array[13, 30]) days",
    )
    async with led(desk, runpod) as duties:
        await dispatcher._forget(duties)

    async with desk.engine.connect() as connection:
        left = await connection.exec_driver_sql("select count(*) from inbox")
        assert left.scalar_one() == 1


def test_a_breaker_trips_at_once_for_a_key_and_late_for_a_cable() -> None:
    breaker = Breaker()
    assert breaker.trips(Unauthorized("HTTP 401"))
    assert not breaker.trips(RateLimited(1))
    for _ in range(endpoints.FAILURES_MAX - 1):
        assert not breaker.trips(Unreachable("away"))
    assert breaker.trips(Unreachable("away"))
    breaker.succeed()
    assert not breaker.trips(Unreachable("away"))


async def test_calls_are_paced_below_the_documented_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "LIMITS", {"run": (20, 4)})
    monkeypatch.setattr(pace, "WINDOW_S", 1.0)
    monkeypatch.setattr(pace, "WAIT_MAX_S", 0.5)
    limit, at_once, most = Pace("run", part=0.5), 0, 0
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def call() -> None:
        nonlocal at_once, most
        async with limit.call():
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.01)
            at_once -= 1

    made = await asyncio.gather(*(call() for _ in range(50)), return_exceptions=True)

    refused = [error for error in made if isinstance(error, TooFast)]
    assert all(error.wait_s > pace.WAIT_MAX_S for error in refused)
    assert made.count(None) == 15  # ten at once, five in half a second, and no more
    assert loop.time() - began >= 0.4
    assert most <= 2
