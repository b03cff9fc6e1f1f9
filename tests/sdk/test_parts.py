"""Large files: a few parts at a time, each tried again alone, and what is refused."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sdk.rekindle import files, parts
from sdk.rekindle.models import PartAddress, PartsUpload
from sdk.rekindle.problems import AddressExpired, Unreachable, UploadRefused
from tests.sdk.scripted import Answer, Request, ScriptedServer, answer, talking

PART, NOW = 1000, "2026-01-02T03:04:05Z"
CONTENT = bytes(n % 256 for n in range(5 * PART + 7))


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PAUSE_S", 0.01)


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    path = tmp_path / "large.png"
    path.write_bytes(CONTENT)
    return path


def document(url: str, *missing: int) -> dict[str, Any]:
    sizes = {n: min(PART, len(CONTENT) - (n - 1) * PART) for n in range(1, 7)}
    return {
        "method": "PUT",
        "part_bytes": PART,
        "parts": [{"number": n, "bytes": sizes[n], "url": f"{url}/s3?part={n}"} for n in missing],
        "stored": [n for n in sizes if n not in missing],
        "expires_at": NOW,
    }


def photo(state: str) -> dict[str, Any]:
    times = {"created_at": NOW, "updated_at": NOW}
    return {"id": str(uuid4()), "state": state, "filename": "large.png", "version": 1, **times}


class Busy(ScriptedServer):
    """Takes everything, slowly, and counts how many come at once."""

    at_once = most = 0

    async def serve(self, reader: Any, writer: Any) -> None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.05)
        await super().serve(reader, writer)

    def next_answer(self, _request: Request) -> Answer:
        self.at_once -= 1
        return answer(200, {})


async def test_the_missing_parts_go_a_few_at_a_time_without_our_token(path: Path) -> None:
    seen: list[tuple[int, int]] = []
    async with talking(server=Busy([]), tokens="secret") as (server, rekindle):
        upload = PartsUpload.model_validate(document(server.url, 1, 2, 4, 5, 6))
        await rekindle.photos.upload(upload, path, on_progress=lambda *told: seen.append(told))

    sent = {request.target.partition("=")[2]: request for request in server.requests}
    assert {n: request.body for n, request in sent.items()} == {
        str(n): CONTENT[(n - 1) * PART : n * PART] for n in (1, 2, 4, 5, 6)
    }
    assert all("authorization" not in request.headers for request in server.requests)
    assert all("transfer-encoding" not in request.headers for request in server.requests)
    assert isinstance(server, Busy)
    assert 1 < server.most <= parts.AT_ONCE
    assert min(done for done, _ in seen) > PART, "what is stored counts as done"
    assert seen[-1] == (len(CONTENT), len(CONTENT))


async def test_only_the_part_that_broke_off_is_sent_again(path: Path) -> None:
    async with talking(answer(200, {}), None, answer(500, {}), answer(200, {})) as (server, client):
        upload = PartsUpload.model_validate(document(server.url, 5, 6))
        await client.photos.upload(upload, path)

    targets = [request.target for request in server.requests]
    assert sorted(targets.count(f"/s3?part={n}") for n in (5, 6)) in ([1, 3], [2, 2])


@pytest.mark.parametrize(
    ("status", "failure"), [(400, UploadRefused), (403, AddressExpired), (404, AddressExpired)]
)
async def test_a_refusal_is_not_sent_again(
    status: int, failure: type[Exception], path: Path
) -> None:
    async with talking(answer(status, {})) as (server, rekindle):
        upload = PartsUpload.model_validate(document(server.url, 6))
        with pytest.raises(failure, match=r"part 6 of large\.png"):
            await rekindle.photos.upload(upload, path)

    assert len(server.requests) == 1


async def test_a_storage_that_is_away_is_given_up_after_a_few_tries(path: Path) -> None:
    address = PartAddress(number=6, bytes=7, url="http://127.0.0.1:9/s3")
    async with talking() as (_, rekindle):
        upload = PartsUpload(
            part_bytes=PART, parts=(address,), stored=(), expires_at=datetime.now(UTC)
        )
        with pytest.raises(Unreachable, match=f"in {files.TRIES_MAX} tries"):
            await rekindle.photos.upload(upload, path)


class Expiring(ScriptedServer):
    """S3 and the gateway in one: the first address of part 6 is out of time."""

    ended = False

    def next_answer(self, request: Request) -> Answer:
        match request.method, request.target.partition("?")[0].rpartition("/")[2]:
            case "POST", "photos":
                return answer(201, {"photo": photo("begun"), "upload": document(self.url, 5, 6)})
            case "PUT", "s3" if request.target.endswith("=6"):
                refused = [one for one in self.requests if one.target == request.target]
                return answer(403 if len(refused) == 1 else 200, {})
            case "GET", "upload" if self.ended:
                return answer(409, {"code": "upload-ended", "detail": "It has arrived."})
            case "GET", "upload":
                return answer(200, document(self.url, 6))
            case "GET", _:
                return answer(200, photo("ready"))
            case _:
                return answer(200, photo("accepted"))


@pytest.mark.parametrize("ended", [False, True])
async def test_addresses_out_of_time_are_renewed_for_what_is_missing(
    path: Path, *, ended: bool
) -> None:
    server = Expiring([])
    server.ended = ended
    async with talking(server=server) as (_, rekindle):
        added = await rekindle.photos.add(path)

    put = [request.target for request in server.requests if request.method == "PUT"]
    assert added.state == "ready"
    assert put.count("/s3?part=5") == 1
    assert put.count("/s3?part=6") == (1 if ended else 2)


async def test_what_has_arrived_before_is_not_sent(path: Path) -> None:
    begun = answer(200, {"photo": photo("ready"), "upload": None})
    ready = answer(200, photo("ready"))
    async with talking(begun, ready, ready) as (server, rekindle):
        await rekindle.photos.add(path)

    assert {request.method for request in server.requests[1:]} == {"GET"}
