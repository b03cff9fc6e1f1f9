"""Waiting and downloading: with the feed, without it, not for ever, and never half a file."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sdk.rekindle import TookTooLong, waiting
from sdk.rekindle.files import fetch_result
from sdk.rekindle.models import JobResult
from sdk.rekindle.problems import DownloadDamaged, Unreachable
from tests.sdk.scripted import Request, ScriptedServer, answer, scripted, stream, talking

NOW = "2026-01-02T03:04:05Z"
PICTURE = b"\x89PNG picture"
TOO_MANY_STREAMS = answer(429, {"code": "too-many-streams", "detail": "Close one."})


def photo(state: str) -> bytes:
    document = {
        "id": str(uuid4()),
        "state": state,
        "filename": "old.jpg",
        "created_at": NOW,
        "updated_at": NOW,
        "version": 1,
    }
    return answer(200, document)


class TwoDoors(ScriptedServer):
    """Answers for the feed apart from those for everything else."""

    def __init__(self, feed: Any, answers: list[Any]) -> None:
        super().__init__(answers)
        self.feed = feed

    def next_answer(self, _request: Request) -> Any:
        return self.feed if _request.target == "/v1/events" else super().next_answer(_request)


@pytest.mark.parametrize("feed", [TOO_MANY_STREAMS, None], ids=["refused", "cut"])
async def test_without_the_feed_asking_again_is_enough(
    feed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "ASK_EVERY_S", 0.02)
    seen: list[str] = []
    server = TwoDoors(feed, [photo("begun"), photo("accepted"), photo("accepted"), photo("ready")])
    async with talking(server=server) as (_, rekindle):
        ready = await rekindle.photos.wait_ready(
            uuid4(), on_change=lambda one: seen.append(one.state)
        )

    assert ready.state == "ready"
    assert seen[0] == "begun"
    assert seen[-1] == "ready"


async def test_the_feed_wakes_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "ASK_EVERY_S", 60.0)
    monkeypatch.setattr(waiting, "ASK_EVERY_WHILE_TOLD_S", 60.0)
    event = b"id: 1\nevent: uploads.photo.ready\ndata: {}\n\n"
    server = TwoDoors(stream(b": here\n\n" * 20, event), [photo("accepted"), photo("ready")])
    async with talking(server=server) as (_, rekindle):
        assert (await rekindle.photos.wait_ready(uuid4(), timeout_s=10)).state == "ready"


async def test_waiting_ends_even_if_nothing_does() -> None:
    server = TwoDoors(TOO_MANY_STREAMS, [photo("accepted")] * 50)
    async with talking(server=server) as (_, rekindle):
        with pytest.raises(TookTooLong):
            await rekindle.photos.wait_ready(uuid4(), timeout_s=0.1)


def result(url: str, *, digest: str = sha256(PICTURE).hexdigest()) -> JobResult:
    return JobResult(
        url=url,
        expires_at=datetime.now(UTC),
        width=1,
        height=1,
        media_type="image/png",
        bytes=len(PICTURE),
        sha256=digest,
        engine="cpu",
        gpu_seconds=1,
    )


def bytes_of_the_picture(*, claimed: int = len(PICTURE)) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {claimed}\r\nconnection: close\r\n\r\n"
    return head.encode() + PICTURE


def names_in(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


async def fetch(content: bytes, target: Path, **changes: str) -> None:
    async with scripted(content) as server, talking() as (_, rekindle):
        await fetch_result(rekindle._transport.http, result(server.url, **changes), target)


async def test_a_result_is_saved_whole(tmp_path: Path) -> None:
    await fetch(bytes_of_the_picture(), tmp_path / "new.png")

    assert (tmp_path / "new.png").read_bytes() == PICTURE
    assert names_in(tmp_path) == ["new.png"]


async def test_a_damaged_result_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(DownloadDamaged):
        await fetch(bytes_of_the_picture(), tmp_path / "new.png", digest="0" * 64)

    assert names_in(tmp_path) == []


async def test_a_result_that_stops_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "new.png").write_bytes(b"earlier")

    with pytest.raises(Unreachable):
        await fetch(bytes_of_the_picture(claimed=999), tmp_path / "new.png")

    assert (tmp_path / "new.png").read_bytes() == b"earlier"
    assert names_in(tmp_path) == ["new.png"]
