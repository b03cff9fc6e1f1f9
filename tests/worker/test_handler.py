import asyncio
import hashlib
import json
import logging
import sys
from threading import Event
from typing import Any

import httpx
import pytest

from tests.worker.storage import Bucket, Picture, as_png, from_png, order
from worker import transfer
from worker.engines.cpu import CpuEngine
from worker.handler import Handler

Told = list[dict[str, str]]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def handler(told: Told) -> Handler:
    return Handler(CpuEngine(), lambda _job, progress: told.append(progress))


def failure(answer: dict[str, Any]) -> dict[str, str]:
    failure: dict[str, str] = json.loads(answer["error"])
    return failure


@pytest.mark.parametrize("task", ["restore", "colourize", "restore_colourize"])
async def test_an_attempt_is_stored_and_its_answer_says_what_was_stored(
    task: str, handler: Handler, bucket: Bucket, portrait: Picture
) -> None:
    asked = order(bucket, as_png(portrait), task=task)

    answer = await handler({"id": "1", "input": asked})

    stored = bucket.objects["/result"]
    assert from_png(stored).shape == portrait.shape
    assert answer["attempt_id"] == asked["attempt_id"]
    assert (answer["width"], answer["height"]) == (320, 320)
    assert answer["sha256"] == hashlib.sha256(stored).hexdigest()
    assert answer["bytes"] == len(stored)
    assert answer["media_type"] == "image/png"
    assert (answer["engine"], answer["engine_version"], answer["gpu"]) == ("cpu", "3", "cpu")
    assert {"download", "decode", "encode", "upload"} < set(answer["stages"])
    assert "already_stored" not in answer


async def test_the_answer_never_holds_the_picture_or_an_address(
    handler: Handler, bucket: Bucket, portrait: Picture
) -> None:
    answer = await handler({"id": "1", "input": order(bucket, as_png(portrait))})

    assert len(json.dumps(answer)) < 1_000
    assert "Signature" not in json.dumps(answer)


async def test_the_shorter_side_is_bounded(
    handler: Handler, bucket: Bucket, portrait: Picture
) -> None:
    options = {"seed": 1, "note": None, "short_side_max": 240}

    answer = await handler({"id": "1", "input": order(bucket, as_png(portrait), options=options)})

    assert (answer["width"], answer["height"]) == (240, 240)


async def test_a_result_that_is_there_already_stays(
    handler: Handler, bucket: Bucket, portrait: Picture
) -> None:
    bucket.objects["/result"] = b"the first attempt's"

    answer = await handler({"id": "1", "input": order(bucket, as_png(portrait))})

    assert answer["already_stored"] is True
    assert bucket.objects["/result"] == b"the first attempt's"


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "animate"},
        {"images": []},
        {"images": [{"url": "file:///etc/passwd"}]},
        {"images": [{"url": "ftp://127.0.0.1/photo"}]},
        {"attempt_id": "seven"},
        {"options": {"seed": -1, "short_side_max": 480}},
        {"options": {"seed": 1, "short_side_max": 100_000}},
        {"output": {"url": "http://127.0.0.1/x", "headers": {"Authorization": "stolen"}}},
        {"output": {"url": "http://127.0.0.1/x", "headers": {"Content-Type": "a\r\nHost: b"}}},
    ],
)
async def test_a_wrong_order_fails_before_anything_is_fetched(
    changes: dict[str, Any], handler: Handler, bucket: Bucket
) -> None:
    answer = await handler({"id": "1", "input": order(bucket, b"", **changes)})

    assert failure(answer)["class"] == "input"
    assert bucket.requests == []


async def test_a_missing_input_is_an_input_failure(handler: Handler) -> None:
    assert failure(await handler({"id": "1"}))["class"] == "input"


async def test_a_refusal_does_not_repeat_signed_addresses(handler: Handler, bucket: Bucket) -> None:
    answer = await handler(
        {"id": "1", "input": order(bucket, b"", output={"url": "htp://x/?X-Amz-Signature=secret"})}
    )

    assert "secret" not in answer["error"]


@pytest.mark.parametrize("content", [b"", b"<html>no photo</html>", b"GIF89a" + bytes(40)])
async def test_what_is_no_photo_is_an_input_failure(
    content: bytes, handler: Handler, bucket: Bucket
) -> None:
    answer = await handler({"id": "1", "input": order(bucket, content)})

    assert failure(answer)["class"] == "input"
    assert "/result" not in bucket.objects


async def test_a_truncated_photo_is_an_input_failure(
    handler: Handler, bucket: Bucket, portrait: Picture
) -> None:
    content = as_png(portrait)

    answer = await handler({"id": "1", "input": order(bucket, content[: len(content) // 2])})

    assert failure(answer)["class"] == "input"


async def test_an_endless_download_ends_at_the_limit(
    handler: Handler, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "DOWNLOAD_BYTES_MAX", 5 * 2**20)
    bucket.endless = True

    answer = await handler({"id": "1", "input": order(bucket, b"x")})

    assert failure(answer)["class"] == "input"


async def test_a_slow_download_ends_at_the_deadline(
    handler: Handler, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "DOWNLOAD_SECONDS_MAX", 0.0)

    answer = await handler({"id": "1", "input": order(bucket, b"x")})

    assert failure(answer)["class"] == "infra"


@pytest.mark.parametrize(
    ("status", "failure_class"), [(404, "input"), (403, "infra"), (302, "infra")]
)
async def test_a_photo_that_cannot_be_had_is_classified(
    status: int, failure_class: str, handler: Handler, bucket: Bucket
) -> None:
    bucket.answers = [status]

    answer = await handler({"id": "1", "input": order(bucket, b"x")})

    assert failure(answer)["class"] == failure_class
    assert bucket.requests == ["GET"]


async def test_a_storage_with_bad_moments_is_asked_again(
    handler: Handler, bucket: Bucket, portrait: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PAUSE_SECONDS", 0.01)
    bucket.answers = [503, 500]

    answer = await handler({"id": "1", "input": order(bucket, as_png(portrait))})

    assert answer["width"] == 320
    assert bucket.requests == ["GET", "GET", "GET", "PUT"]


async def test_a_broken_storage_is_given_up(
    handler: Handler, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PAUSE_SECONDS", 0.01)
    bucket.answers = [503] * 9

    answer = await handler({"id": "1", "input": order(bucket, b"x")})

    assert failure(answer)["class"] == "infra"
    assert len(bucket.requests) == transfer.TRIES_MAX


async def test_nobody_listening_is_an_infra_failure_without_the_address(
    handler: Handler, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PAUSE_SECONDS", 0.01)
    images = [{"url": "http://127.0.0.1:9/photo?X-Amz-Signature=secret"}]

    answer = await handler({"id": "1", "input": order(bucket, b"", images=images)})

    assert failure(answer)["class"] == "infra"
    assert "secret" not in answer["error"]


class _Breaking(CpuEngine):
    def __init__(self, error: Exception) -> None:
        self.error = error

    def restore(self, photo: Picture, *, seed: int) -> Picture:
        del photo, seed
        raise self.error


class _Returning(CpuEngine):
    def __init__(self, scale: float, size: int | None = None) -> None:
        self.scale, self.size = scale, size

    def restore(self, photo: Picture, *, seed: int) -> Picture:
        del seed
        return (photo * self.scale).astype(photo.dtype)[: self.size]


@pytest.mark.parametrize(
    ("engine", "failure_class"),
    [
        (_Breaking(MemoryError()), "oom"),
        (_Breaking(RuntimeError("CUDA out of memory")), "oom"),
        (_Breaking(type("OutOfMemoryError", (RuntimeError,), {})("full")), "oom"),
        (_Breaking(ZeroDivisionError()), "model"),
        (_Returning(0.0), "model"),
        (_Returning(1.0, size=10), "model"),
    ],
)
async def test_an_engine_that_fails_stores_nothing(
    engine: CpuEngine, failure_class: str, bucket: Bucket, portrait: Picture
) -> None:
    handler = Handler(engine, lambda _job, _progress: None)

    answer = await handler({"id": "1", "input": order(bucket, as_png(portrait))})

    assert failure(answer)["class"] == failure_class
    assert "/result" not in bucket.objects


async def test_progress_is_told_by_stage_but_not_at_the_end(
    handler: Handler, told: Told, bucket: Bucket, portrait: Picture
) -> None:
    await handler({"id": "1", "input": order(bucket, as_png(portrait), task="restore_colourize")})

    stages = [progress["stage"] for progress in told]
    assert stages == ["download", "decode", "load", "restore", "colourize"]


class _Waiting(CpuEngine):
    def __init__(self) -> None:
        self.started, self.go_on = Event(), Event()

    def restore(self, photo: Picture, *, seed: int) -> Picture:
        del seed
        self.started.set()
        assert self.go_on.wait(10)
        return photo


async def test_a_cancelled_attempt_stores_nothing(bucket: Bucket, portrait: Picture) -> None:
    engine = _Waiting()
    handler = Handler(engine, lambda _job, _progress: None)
    job = {"id": "1", "input": order(bucket, as_png(portrait))}
    attempt = asyncio.create_task(handler(job))
    await asyncio.to_thread(engine.started.wait, 10)

    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    engine.go_on.set()
    answer = await handler({"id": "2"})  # waits for the thread of the first

    assert "error" in answer
    assert "PUT" not in bucket.requests


def test_the_sdk_is_not_imported_with_the_handler() -> None:
    assert "runpod" not in sys.modules


async def test_signed_addresses_are_not_logged_by_the_worker(
    handler: Handler, bucket: Bucket, portrait: Picture, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    await handler({"id": "1", "input": order(bucket, as_png(portrait))})
    await handler({"id": "2", "input": order(bucket, b"")})

    assert "Signature" not in caplog.text


def test_no_redirect_is_followed_and_no_proxy_used() -> None:
    with transfer.open_client() as client:
        assert client.follow_redirects is False
        assert client.trust_env is False
        assert isinstance(client, httpx.Client)
