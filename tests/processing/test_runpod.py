"""The RunPod client against the emulator, and against a server that keeps no promise."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from deploy.local.runpod.limits import CALLS_AND_CONCURRENT
from services.processing import pace
from services.processing import runpod as runpod_module
from services.processing.runpod import (
    Ambiguous,
    BadRequest,
    Gone,
    Policy,
    RateLimited,
    RunPod,
    RunPodError,
    Unauthorized,
    Unreachable,
)
from tests.processing.conftest import ENDPOINT_ID, KEY, Emulator
from tests.processing.serving import free_port

WEBHOOK = "http://127.0.0.1:9/hooks"
POLICY = Policy(execution_timeout_s=60, ttl_s=600)

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def submit(runpod: RunPod, **given: object) -> str:
    return await runpod.run(given or {"attempt_id": "a"}, webhook=WEBHOOK, policy=POLICY)


@asynccontextmanager
async def scripted(answer: Answer) -> AsyncIterator[RunPod]:
    """A client of a server that answers as a test wants."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    runpod = RunPod(f"http://127.0.0.1:{port}/v2", endpoint_id="x", api_key="x")
    try:
        yield runpod
    finally:
        await runpod.close()
        server.close()


def says(status: int, body: bytes, headers: str = "") -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(
            f"HTTP/1.1 {status} X\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body
        )
        writer.close()

    return answer


async def test_a_run_is_submitted_seen_and_cancelled(runpod: RunPod, emulator: Emulator) -> None:
    job_id = await submit(runpod)
    submitted = emulator.endpoint.jobs.find(job_id)
    waiting = await runpod.status(job_id)
    await runpod.cancel(job_id)
    await runpod.health()

    assert submitted is not None
    assert submitted.webhook == WEBHOOK
    assert (submitted.policy.execution_seconds, submitted.policy.ttl_seconds) == (60, 600)
    assert waiting.status == "IN_QUEUE"
    assert (await runpod.status(job_id)).status == "CANCELLED"


async def test_a_run_that_nobody_knows_is_gone(runpod: RunPod) -> None:
    with pytest.raises(Gone):
        await runpod.status("nobody-knows")


async def test_a_wrong_key_is_unauthorized(emulator: Emulator) -> None:
    stranger = RunPod(emulator.api_url, endpoint_id=ENDPOINT_ID, api_key="wrong")
    with pytest.raises(Unauthorized):
        await submit(stranger)
    await stranger.close()


async def test_a_wrong_endpoint_is_a_fault_of_the_settings(emulator: Emulator) -> None:
    lost = RunPod(emulator.api_url, endpoint_id="elsewhere", api_key=KEY)
    with pytest.raises(Unauthorized):
        await submit(lost)
    await lost.close()


async def test_too_many_calls_are_rate_limited_and_nothing_was_sent(
    runpod: RunPod, emulator: Emulator
) -> None:
    await emulator.fault(answer_429=1)

    with pytest.raises(RateLimited) as limited:
        await submit(runpod)

    assert limited.value.retry_after_s > 0
    assert emulator.endpoint.health()["jobs"]["inQueue"] == 0


async def test_a_submit_that_is_never_answered_is_ambiguous(
    runpod: RunPod, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runpod_module, "CALL_TIMEOUT_S", 0.2)
    await emulator.fault(hang_submit=1)

    with pytest.raises(Ambiguous):
        await submit(runpod)

    assert emulator.endpoint.health()["jobs"]["inQueue"] == 1


async def test_a_failure_of_their_side_is_ambiguous_for_a_submit_only(
    runpod: RunPod, emulator: Emulator
) -> None:
    await emulator.fault(answer_500=1)
    with pytest.raises(Ambiguous):
        await submit(runpod)

    await emulator.fault(answer_500=1)
    with pytest.raises(Unreachable):
        await runpod.status("any")


async def test_a_server_that_is_not_there_got_nothing() -> None:
    runpod = RunPod(f"http://127.0.0.1:{free_port()}/v2", endpoint_id="x", api_key="x")
    for call in (submit(runpod), runpod.status("x"), runpod.cancel("x"), runpod.health()):
        with pytest.raises(Unreachable):
            await call
    await runpod.close()


async def test_a_refused_body_is_a_bad_request(runpod: RunPod) -> None:
    with pytest.raises(BadRequest):
        await runpod.run({}, webhook="not an address", policy=POLICY)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"id": 5}',
        b'{"id": "../../x"}',
        b'{"id": ""}',
        b'{"id":"' + b"x" * 200,
    ],
)
async def test_an_accepted_submit_with_a_useless_answer_is_ambiguous(body: bytes) -> None:
    async with scripted(says(200, body)) as runpod:
        with pytest.raises(Ambiguous):
            await submit(runpod)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"status": 5}', b'{"status":"' + b"x" * 99 + b'"}'])
async def test_a_useless_status_tells_nothing(body: bytes) -> None:
    async with scripted(says(200, body)) as runpod:
        with pytest.raises(Unreachable):
            await runpod.status("x")


async def test_an_endless_answer_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runpod_module, "ANSWER_BYTES_MAX", 10_000)
    async with scripted(says(200, b"x" * 1_000_000)) as runpod:
        with pytest.raises(Unreachable):
            await runpod.status("x")


async def test_a_connection_that_breaks_after_the_request_is_ambiguous() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.close()

    async with scripted(hang_up) as runpod:
        with pytest.raises(Ambiguous):
            await submit(runpod)


@pytest.mark.parametrize(
    ("header", "pause_s"), [("5", 5.0), ("9999", 60.0), ("-1", 0.0), ("soon", 2.0), ("nan", 0.0)]
)
async def test_the_pause_they_ask_for_is_kept_within_reason(header: str, pause_s: float) -> None:
    async with scripted(says(429, b"", f"retry-after: {header}\r\n")) as runpod:
        with pytest.raises(RateLimited) as limited:
            await submit(runpod)

    assert limited.value.retry_after_s == pause_s


async def test_a_pause_they_ask_for_is_everybodys(runpod: RunPod, emulator: Emulator) -> None:
    await emulator.fault(answer_429=1)
    with pytest.raises(RateLimited):
        await runpod.health()
    began = asyncio.get_running_loop().time()

    await asyncio.gather(*(runpod.health() for _ in range(5)))

    assert asyncio.get_running_loop().time() - began >= 0.9, "a second, as the emulator asks"
    await submit(runpod)  # other operations have limits of their own


@pytest.mark.parametrize("operation", ["run", "status", "cancel"])
def test_what_all_processes_may_call_together_is_within_the_documented_limit(
    operation: str,
) -> None:
    calls, at_once = pace.LIMITS[operation]
    assert (calls, at_once) == CALLS_AND_CONCURRENT[operation]
    assert pace.PART * 4 <= 1, "two consumers and two leaders"


async def test_cancelling_two_hundred_runs_stays_within_the_limit(runpod: RunPod) -> None:
    """Whoever finds no call free is told so, and nothing is sent."""
    asked = [runpod.cancel(f"run-{n}") for n in range(200)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)

    sent = sum(isinstance(outcome, Gone) for outcome in outcomes)
    calls, _ = CALLS_AND_CONCURRENT["cancel"]
    assert {type(outcome) for outcome in outcomes} == {Gone, RateLimited}
    assert calls * pace.PART <= sent <= calls * pace.PART * 1.5 + 1


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, BadRequest), (422, BadRequest), (302, Ambiguous), (500, Ambiguous), (204, Ambiguous)],
)
async def test_every_status_has_its_meaning(status: int, error: type[RunPodError]) -> None:
    async with scripted(says(status, b"")) as runpod:
        with pytest.raises(error):
            await submit(runpod)
