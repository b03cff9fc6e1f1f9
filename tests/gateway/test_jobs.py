"""The job door: what spends credits happens once per key, on the caller's own photos."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.gateway import idempotency
from services.gateway.errors import IdempotencyKeyReused, RequestInFlight
from services.gateway.idempotency import Attempt, StoredAnswer
from tests.gateway.conftest import OpenDoor
from tests.gateway.doors import Door, free_port

NOBODY_ANSWERS = "http://127.0.0.1:9"


def wanted(*photo_ids: object) -> dict[str, Any]:
    return {"kind": "restore", "photo_ids": [str(photo_id) for photo_id in photo_ids]}


async def ask(
    visitor: httpx.AsyncClient, job: dict[str, Any], key: str = "first"
) -> httpx.Response:
    return await visitor.post("/v1/jobs", json=job, headers={"idempotency-key": key})


async def begun_photo(visitor: httpx.AsyncClient) -> str:
    new = {"filename": "aunt.jpg", "size": 1_000}
    answer = await visitor.post("/v1/photos", json=new)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["photo"]["id"])


@pytest.mark.parametrize("key", [None, "", "k" * 256, "k\té"])
async def test_without_a_key_nothing_is_done(door: Door, key: str | None) -> None:
    headers = [] if key is None else [(b"idempotency-key", key.encode("latin-1"))]
    async with door.visit() as visitor:
        answer = await visitor.post("/v1/jobs", json=wanted(uuid4()), headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-required")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"kind":1,"photo_ids":["x"]}', b"[" * 5000])
async def test_a_body_that_is_no_job_is_a_422_problem(door: Door, body: bytes) -> None:
    async with door.visit() as visitor:
        answer = await visitor.post("/v1/jobs", content=body, headers={"idempotency-key": "k"})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


async def test_a_body_without_end_is_refused(door: Door) -> None:
    async with door.visit() as visitor:
        answer = await visitor.post("/v1/photos", content=b" " * 70_000)

    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


async def test_somebody_elses_photo_and_no_photo_get_the_same_answer(door: Door) -> None:
    async with door.visit() as visitor, door.visit() as owner:
        photo_id = await begun_photo(owner)
        foreign = await ask(visitor, wanted(photo_id), "foreign")
        absent = await ask(visitor, wanted(uuid4()), "absent")

    assert foreign.status_code == absent.status_code == 404
    varying = ("instance", "trace_id")
    bodies = [
        {name: value for name, value in answer.json().items() if name not in varying}
        for answer in (foreign, absent)
    ]
    assert bodies[0] == bodies[1]


async def test_a_refused_photo_is_a_409_problem(
    door: Door, stack: dict[str, Any], s3: dict[str, str]
) -> None:
    async with door.visit() as visitor:
        begun = await visitor.post("/v1/photos", json={"filename": "page.jpg", "size": 20})
        upload, photo = begun.json()["upload"], begun.json()["photo"]
        async with httpx.AsyncClient(trust_env=False) as storage:
            file = {"file": ("page.jpg", b"<html><body></body>\n")}
            sent = await storage.post(upload["url"], data=upload["fields"], files=file)
        assert sent.status_code < 300, sent.text
        refused = await visitor.post(f"/v1/photos/{photo['id']}/complete", json={})
        answer = await ask(visitor, wanted(photo["id"]))

    assert refused.status_code == 415
    assert (answer.status_code, answer.json()["code"]) == (409, "photo-unusable")
    assert answer.json()["photo_id"] == photo["id"]
    assert answer.json()["problem"]["code"] == "not-a-photo"


async def test_the_same_request_again_gets_the_same_answer(door: Door) -> None:
    async with door.visit() as visitor:
        job = wanted(uuid4())
        first = await ask(visitor, job)
        again = await ask(visitor, job)

    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["content-type"] == first.headers["content-type"]


async def test_the_key_with_another_body_is_refused(door: Door) -> None:
    async with door.visit() as visitor:
        await ask(visitor, wanted(uuid4()))
        answer = await ask(visitor, wanted(uuid4()))

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")


async def test_a_key_is_its_owners_alone(door: Door) -> None:
    async with door.visit() as visitor, door.visit() as other:
        await ask(visitor, wanted(uuid4()))
        answer = await ask(other, wanted(uuid4()))

    assert answer.status_code == 404


async def test_no_answer_is_not_kept_so_that_the_key_continues(
    open_door: OpenDoor, engine: AsyncEngine
) -> None:
    broken, whole = open_door(uploads_url=NOBODY_ANSWERS), open_door()
    subject, job = "auth0|patient", wanted(uuid4())

    async with broken.visit(subject) as visitor:
        away = await ask(visitor, job)
    async with whole.visit(subject) as visitor:
        answered = await ask(visitor, job)

    assert (away.status_code, away.json()["code"]) == (503, "unavailable")
    assert "retry-after" in away.headers
    assert answered.status_code == 404
    assert "idempotent-replayed" not in answered.headers


@pytest.fixture
async def sleeping_uploads(
    stack: dict[str, Any], database_url: Callable[[str], str], s3: dict[str, str]
) -> AsyncIterator[str]:
    """An uploads service that has stopped in its tracks: it takes connections, and says nothing."""
    port = free_port()
    environment = stack["environments"]["uploads"] | s3 | {"DATABASE_URL": database_url("uploads")}
    command = ("-m", "uvicorn", "services.uploads.app:create_app", "--factory")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command, "--port", str(port), "--log-level", "warning"),
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(20), httpx.AsyncClient(trust_env=False) as client:
            await _until_alive(client, f"http://127.0.0.1:{port}/livez")
        process.send_signal(signal.SIGSTOP)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


async def _until_alive(client: httpx.AsyncClient, url: str) -> None:
    while True:
        try:
            if (await client.get(url)).status_code == 200:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.1)


async def test_a_request_still_being_answered_is_not_done_twice(
    open_door: OpenDoor, sleeping_uploads: str, engine: AsyncEngine
) -> None:
    door = open_door(uploads_url=sleeping_uploads)
    async with door.visit("auth0|eager") as visitor, door.visit("auth0|eager") as again:
        job = wanted(uuid4())
        first = asyncio.create_task(ask(visitor, job))
        async with asyncio.timeout(5):
            await _until_claimed(engine)
        second = await ask(again, job)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    assert (second.status_code, second.json()["code"]) == (409, "request-in-flight")
    assert second.headers["retry-after"] == "1"


async def _until_claimed(engine: AsyncEngine) -> None:
    claimed = 0
    while not claimed:
        await asyncio.sleep(0.02)
        async with engine.begin() as connection:
            found = await connection.execute(text("select count(*) from idempotency"))
            claimed = found.scalar_one()


async def test_a_claim_belongs_to_one_of_many(engine: AsyncEngine) -> None:
    attempt = Attempt(uuid4(), "POST /v1/jobs", "k")

    async def claim() -> str:
        try:
            async with engine.begin() as connection:
                await idempotency.claim(connection, attempt, body=b"{}")
        except RequestInFlight:
            return "in flight"
        return "mine"

    outcomes = await asyncio.gather(*(claim() for _ in range(10)))

    assert sorted(outcomes) == ["in flight"] * 9 + ["mine"]


async def test_a_claim_outlives_its_process_only_for_the_same_request(
    engine: AsyncEngine,
) -> None:
    attempt = Attempt(uuid4(), "POST /v1/jobs", "k")
    async with engine.begin() as connection:
        await idempotency.claim(connection, attempt, body=b"{}")
        await connection.execute(
            text("update idempotency set created_at = now() - interval '61 seconds'")
        )
    with pytest.raises(IdempotencyKeyReused):
        async with engine.begin() as connection:
            await idempotency.claim(connection, attempt, body=b"[]")
    async with engine.begin() as connection:
        assert await idempotency.claim(connection, attempt, body=b"{}") is None
        await idempotency.keep(connection, attempt, StoredAnswer(202, {"a": "b"}, b"yes"))
    async with engine.begin() as connection:
        kept = await idempotency.claim(connection, attempt, body=b"{}")

    assert kept == StoredAnswer(202, {"a": "b"}, b"yes")


async def test_a_key_is_free_again_after_a_day(engine: AsyncEngine) -> None:
    attempt = Attempt(uuid4(), "POST /v1/jobs", "k")
    async with engine.begin() as connection:
        await idempotency.claim(connection, attempt, body=b"{}")
        await idempotency.keep(connection, attempt, StoredAnswer(202, {}, b"yes"))
        await connection.execute(
            text("update idempotency set created_at = now() - interval '25 hours'")
        )
    async with engine.begin() as connection:
        assert await idempotency.claim(connection, attempt, body=b"other") is None


async def test_a_kept_answer_is_not_forgotten_by_a_late_failure(engine: AsyncEngine) -> None:
    attempt = Attempt(uuid4(), "POST /v1/jobs", "k")
    async with engine.begin() as connection:
        await idempotency.claim(connection, attempt, body=b"{}")
        await idempotency.keep(connection, attempt, StoredAnswer(202, {}, b"yes"))
        await idempotency.give_up(connection, attempt)
        assert await idempotency.claim(connection, attempt, body=b"{}") is not None
