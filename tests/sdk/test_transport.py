"""Asking again: often enough, not for ever, and never so that something is paid for twice."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sdk.rekindle import RekindleProblem, Unreachable, files, transport
from sdk.rekindle.models import FormUpload
from sdk.rekindle.problems import UploadRefused
from tests.sdk.scripted import answer, talking

NOW = "2026-01-02T03:04:05Z"


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "PAUSE_MAX_S", 0.02)
    monkeypatch.setattr(files, "PAUSE_S", 0.01)


def job(**changes: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "kind": "restore",
        "photo_ids": [str(uuid4())],
        "state": "queued",
        "tier": "priority",
        "price": 2,
        "created_at": NOW,
        "version": 1,
        **changes,
    }


def upload(url: str) -> FormUpload:
    fields = {"key": "originals/a/b", "policy": "p", "x-amz-signature": "s"}
    return FormUpload(url=url, fields=fields, expires_at=datetime.now(UTC))


async def test_a_job_is_asked_for_again_with_the_same_key() -> None:
    busy = answer(503, {"code": "unavailable", "detail": "credits is away", "retry_after_s": 1})
    in_flight = answer(409, {"code": "request-in-flight"}, headers={"retry-after": "1"})
    async with talking(busy, None, in_flight, answer(202, job())) as (server, rekindle):
        created = await rekindle.jobs.create("restore", [uuid4()])

    assert created.state == "queued"
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1
    assert len({request.body for request in server.requests}) == 1
    assert len(server.requests) == 4


async def test_two_jobs_have_two_keys() -> None:
    async with talking(answer(202, job()), answer(202, job())) as (server, rekindle):
        photo_id = uuid4()
        await rekindle.jobs.create("restore", [photo_id])
        await rekindle.jobs.create("restore", [photo_id])

    assert len({request.headers["idempotency-key"] for request in server.requests}) == 2


async def test_a_refusal_is_not_asked_for_again_and_carries_its_facts() -> None:
    refusal = {
        "type": "x",
        "title": "Not enough credits",
        "status": 402,
        "detail": "This needs 4 credits and the account has 1.",
        "code": "insufficient-credits",
        "trace_id": "t",
        "needed": 4,
        "available": 1,
    }
    async with talking(answer(402, refusal)) as (server, rekindle):
        with pytest.raises(RekindleProblem) as caught:
            await rekindle.jobs.create("restore_colourize", [uuid4()])

    problem = caught.value
    assert (problem.status, problem.code, problem.trace_id) == (402, "insufficient-credits", "t")
    assert problem.facts == {"needed": 4, "available": 1}
    assert len(server.requests) == 1


async def test_a_plain_conflict_is_not_asked_for_again() -> None:
    async with talking(answer(409, {"code": "job-ended", "detail": "It has ended."})) as (
        server,
        rekindle,
    ):
        with pytest.raises(RekindleProblem, match="ended"):
            await rekindle.jobs.cancel(uuid4())

    assert len(server.requests) == 1


async def test_a_proxys_page_is_a_problem_too() -> None:
    page = b"HTTP/1.1 418 X\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>"
    async with talking(page) as (_, rekindle):
        with pytest.raises(RekindleProblem) as caught:
            await rekindle.plans()

    assert (caught.value.status, caught.value.code) == (418, "http-418")


async def test_nobody_there_is_unreachable_after_a_bounded_number_of_tries() -> None:
    async with talking() as (server, rekindle):
        with pytest.raises(Unreachable, match="does not answer"):
            await rekindle.me()

    assert len(server.requests) == transport.TRIES_MAX


class TwoTokens:
    def __init__(self) -> None:
        self.rejected: list[str] = []

    async def token(self) -> str:
        return "old"

    async def renewed(self, rejected: str) -> str:
        self.rejected.append(rejected)
        return "new"


async def test_a_refused_token_is_renewed_once() -> None:
    tokens = TwoTokens()
    me = {"account_id": str(uuid4()), "email": None}
    async with talking(answer(401, {}), answer(200, me), tokens=tokens) as (server, rekindle):
        await rekindle.me()

    assert tokens.rejected == ["old"]
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Bearer old", "Bearer new"]


async def test_the_file_goes_last_after_the_fields_in_their_order(tmp_path: Path) -> None:
    path, seen = tmp_path / "old.jpg", []
    path.write_bytes(b"\xff\xd8" + bytes(200_000))
    async with talking(answer(204, {}), tokens="secret-token") as (server, rekindle):
        await rekindle.photos.upload(
            upload(server.url), path, on_progress=lambda done, total: seen.append((done, total))
        )

    body = server.requests[0].body
    names = [b'name="%s"' % name for name in (b"key", b"policy", b"x-amz-signature", b"file")]
    places = [body.index(name) for name in names]
    assert places == sorted(places)
    assert path.read_bytes() in body
    assert seen[-1] == (200_002, 200_002)
    assert len(seen) > 2
    assert "authorization" not in server.requests[0].headers, "the storage is given our token"


async def test_an_upload_that_breaks_off_is_sent_again_whole(tmp_path: Path) -> None:
    path = tmp_path / "old.jpg"
    path.write_bytes(b"picture")
    async with talking(None, answer(500, {}), answer(204, {})) as (server, rekindle):
        await rekindle.photos.upload(upload(server.url), path)

    assert all(b"picture" in request.body for request in server.requests)
    assert len(server.requests) == 3


async def test_what_the_storage_refuses_is_not_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "old.jpg"
    path.write_bytes(b"picture")
    body = b"<Error><Code>EntityTooLarge</Code></Error>"
    head = b"HTTP/1.1 400 X\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with talking(head + body) as (server, rekindle):
        with pytest.raises(UploadRefused, match="EntityTooLarge"):
            await rekindle.photos.upload(upload(server.url), path)

    assert len(server.requests) == 1
