"""A worker that answers nonsense: the attempt fails, the reason is kept, nothing is charged."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.storage import NoSuchObject, Storage
from services.processing.results import RESULT_BYTES_MAX, Checker
from services.processing.runpod import RunPod
from services.processing.sandbox import Sandbox
from tests.processing import pictures
from tests.processing.conftest import Emulator
from tests.processing.desk import WORKER, Desk, open_desk

HUGE = 500 * 1024 * 1024
assert HUGE > RESULT_BYTES_MAX


@pytest.fixture(name="desk")
async def _desk(engine: AsyncEngine, storage: Storage, emulator: Emulator, runpod: RunPod) -> Desk:
    return await open_desk(engine, storage, emulator, runpod)


@pytest.fixture(name="sandbox")
def _sandbox() -> Iterator[Sandbox]:
    box = Sandbox(workers=1)
    yield box
    box.close()


def facts(desk: Desk, **lies: Any) -> dict[str, Any]:
    return {
        "attempt_id": "",
        "engine": "cpu",
        "width": 640,
        "height": 480,
        "bytes": 1,
        "sha256": hashlib.sha256(b"").hexdigest(),
        "media_type": "image/png",
    } | lies


async def answer(desk: Desk, output: Any, *, content: bytes | None = None) -> Any:
    """The attempt, after a worker stored `content` and handed in `output`."""
    attempt_id = await desk.submit()
    run = desk.emulator.endpoint.jobs.take(WORKER)
    assert run is not None
    if content is not None:
        to = run.input["output"]
        async with httpx.AsyncClient(trust_env=False, timeout=60) as s3:
            put = await s3.put(to["url"], content=content, headers=to["headers"])
            assert put.status_code == 200, put.text
    if isinstance(output, dict) and output.get("attempt_id") == "":
        output = {**output, "attempt_id": str(attempt_id)}
    desk.emulator.endpoint.finish(WORKER, run.id, output=output, error=None)
    await desk.look()
    return await desk.attempt()


@pytest.mark.parametrize(
    "lies",
    [
        {"width": "NaN"},
        {"bytes": -1},
        {"width": 10**9},
        {"sha256": "../../etc/passwd"},
        {"media_type": "text/html"},
        {"engine": "x" * 10_000},
        {"attempt_id": str(uuid4())},
    ],
    ids=str,
)
async def test_facts_that_make_no_sense_fail_the_attempt(desk: Desk, lies: dict[str, Any]) -> None:
    failed = await answer(desk, facts(desk, **lies))

    assert failed.state == "FAILED"
    assert failed.error.startswith("infra:")
    assert (await desk.job()).state == "QUEUED"


@pytest.mark.parametrize("output", [None, [], "done", 7, {"a": {"b": ["c"] * 1000}}], ids=repr)
async def test_an_answer_that_is_no_result_fails_the_attempt(desk: Desk, output: Any) -> None:
    failed = await answer(desk, output)

    assert (failed.state, (await desk.job()).state) == ("FAILED", "QUEUED")


async def test_somebody_elses_key_is_neither_read_nor_written(desk: Desk) -> None:
    """The worker may name any key it likes: ours is the one that counts, and that is empty."""
    attempt = await answer(desk, facts(desk, result_key="originals/somebody/else", key="x"))
    assert attempt.state == "FINISHED"

    run_input = desk.emulator.endpoint.jobs.find(attempt.runpod_job_id).input  # type: ignore[union-attr]
    address = httpx.URL(run_input["output"]["url"])
    elsewhere = address.copy_with(path=address.path.replace("/results/", "/originals/"))
    async with httpx.AsyncClient(trust_env=False) as s3:
        put = await s3.put(elsewhere, content=b"x", headers=run_input["output"]["headers"])
    assert put.status_code == 403


async def check(desk: Desk, attempt: Any, sandbox: Sandbox) -> Any:
    await Checker(desk.engine, desk.storage, sandbox).check(attempt.id, desk.delivery())
    return await desk.attempt()


async def test_a_result_of_500_mb_is_refused_unread_and_deleted(
    desk: Desk, sandbox: Sandbox
) -> None:
    content = bytes(HUGE)
    attempt = await answer(desk, facts(desk, bytes=HUGE), content=content)

    refused = await check(desk, attempt, sandbox)

    assert refused.state == "QC_FAILED"
    assert str(RESULT_BYTES_MAX) in refused.error
    assert (await desk.job()).state == "QUEUED"
    with pytest.raises(NoSuchObject):
        await desk.storage.size(attempt.result_key)


@pytest.mark.parametrize(
    "content_of",
    [
        lambda: b"",
        lambda: b"<html>" * 100,
        lambda: pictures.png(pictures.textured(480, 640)),
        lambda: pictures.png(pictures.textured(640, 480))[:5000],
    ],
    ids=["empty", "html", "sideways", "half"],
)
async def test_garbage_in_the_right_place_is_refused_three_times_and_then_given_back(
    desk: Desk, sandbox: Sandbox, content_of: Callable[[], bytes]
) -> None:
    content = content_of()
    honest = facts(desk, bytes=max(1, len(content)), sha256=hashlib.sha256(content).hexdigest())
    for _ in range(3):
        attempt = await answer(desk, honest, content=content)
        assert (await check(desk, attempt, sandbox)).state == "QC_FAILED"

    ended = await desk.job()
    assert (ended.state, ended.problem_code, ended.result_key) == ("FAILED", "quality", None)
