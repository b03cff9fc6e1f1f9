"""The unmodified SDK's worker, in its own environment, works for the emulator."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.runpod.conftest import Account
from tests.worker.storage import (
    Bucket,
    Picture,
    as_png,
    from_png,
    open_bucket,
    order,
    read_portrait,
)

STAGES = {"download", "decode", "load", "restore", "colourize", "encode", "upload"}


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with open_bucket() as bucket:
        yield bucket


@pytest.fixture(scope="module")
def portrait() -> Picture:
    return read_portrait()


def submit(emulator: Account, job_input: dict[str, Any]) -> str:
    answer = httpx.post(
        f"{emulator.address}/run", json={"input": job_input}, headers=emulator.headers
    )
    job_id: str = answer.json()["id"]
    return job_id


def follow(emulator: Account, job_id: str) -> list[dict[str, Any]]:
    """Every different answer of /status until the job ends."""
    seen: list[dict[str, Any]] = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        body = httpx.get(f"{emulator.address}/status/{job_id}", headers=emulator.headers).json()
        if not seen or body != seen[-1]:
            seen.append(body)
        if body["status"] not in {"IN_QUEUE", "IN_PROGRESS"}:
            return seen
        time.sleep(0.02)
    raise AssertionError(seen)


def test_a_photo_goes_through_the_real_worker(
    emulator: Account, worker: Path, bucket: Bucket, portrait: Picture
) -> None:
    asked = order(bucket, as_png(portrait), task="restore_colourize")

    seen = follow(emulator, submit(emulator, asked))

    ended = seen[-1]
    assert ended["status"] == "COMPLETED", worker.read_text()
    assert ended["output"]["attempt_id"] == asked["attempt_id"]
    assert ended["output"]["engine"] == "cpu"
    assert from_png(bucket.objects["/result"]).shape == portrait.shape
    stages = [body["output"]["stage"] for body in seen[:-1] if "output" in body]
    # Which of them somebody sees who asks now and then is a matter of luck; none is made up.
    assert stages
    assert set(stages) <= STAGES


def test_a_cancelled_job_is_stopped_in_the_worker_and_the_next_one_runs(
    emulator: Account, worker: Path, bucket: Bucket, portrait: Picture
) -> None:
    large = as_png(portrait.repeat(4, axis=0).repeat(4, axis=1))
    options = {"seed": 1, "note": None, "short_side_max": 1280}
    cancelled = submit(emulator, order(bucket, large, options=options))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and "GET" not in bucket.requests:
        time.sleep(0.01)

    httpx.post(f"{emulator.address}/cancel/{cancelled}", headers=emulator.headers)
    following = submit(emulator, {"attempt_id": "no uuid"})

    assert follow(emulator, following)[-1]["status"] == "FAILED"
    assert follow(emulator, cancelled)[-1]["status"] == "CANCELLED"
    assert "PUT" not in bucket.requests
    assert "Job stopped." in worker.read_text()


def test_no_signed_address_is_in_the_workers_log(
    emulator: Account, worker: Path, bucket: Bucket, portrait: Picture
) -> None:
    follow(emulator, submit(emulator, order(bucket, as_png(portrait))))

    assert "Signature" not in worker.read_text()
