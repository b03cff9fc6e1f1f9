"""What every answer carries, the first page, and what passes through to the services."""

import asyncio
import signal
import subprocess
import sys
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.gateway.limits import BUCKETS_MAX, Limit, Limiter, network_of
from tests.gateway.conftest import OpenDoor
from tests.gateway.doors import Door, free_port, listening

EVERYWHERE = (
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "x-frame-options",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "cache-control",
)


@pytest.mark.parametrize("path", ["/", "/v1/me", "/nowhere", "/livez", "/style.css", "/v1/plans"])
async def test_every_answer_carries_the_security_headers(door: Door, path: str) -> None:
    async with door.browse() as visitor:
        answer = await visitor.get(path)

    assert not [name for name in EVERYWHERE if name not in answer.headers]
    assert "server" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "strict-transport-security" not in answer.headers


async def test_a_failure_of_ours_carries_them_too(open_door: OpenDoor) -> None:
    door = open_door(database_url="postgresql://nobody:none@127.0.0.1:9/none")
    async with door.visit() as visitor:
        answer = await visitor.get("/v1/me")

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert not [name for name in EVERYWHERE if name not in answer.headers]


async def test_the_page_lives_without_scripts_or_inline_styles(door: Door) -> None:
    async with door.browse() as visitor:
        page = await visitor.get("/")
        files = [await visitor.get(path) for path in ("/style.css", "/icon.svg")]

    assert page.headers["content-type"].startswith("text/html")
    assert '<html lang="en">' in page.text
    assert 'href="/login"' in page.text
    assert "0.1.0" in page.text
    assert "<script" not in page.text
    assert "style=" not in page.text
    assert [answer.status_code for answer in files] == [200, 200]
    policy = page.headers["content-security-policy"]
    # Chromium holds the redirect that follows a form against this too.
    assert f"form-action 'self' {door.issuer_url}" in policy


async def test_plans_and_kinds_need_no_account(door: Door) -> None:
    async with door.browse() as visitor:
        plans = await visitor.get("/v1/plans")
        kinds = await visitor.get("/v1/kinds")

    assert plans.status_code == 200
    assert {plan["plan"] for plan in plans.json()["plans"]} >= {"free", "remember"}
    assert kinds.status_code == 200
    assert "restore" in {kind["kind"] for kind in kinds.json()["items"]}


async def test_a_list_names_its_next_page(door: Door) -> None:
    async with door.visit() as visitor:
        for _ in range(3):
            new = {"filename": "aunt.jpg", "size": 1_000}
            assert (await visitor.post("/v1/photos", json=new)).status_code == 201
        first = await visitor.get("/v1/photos", params={"limit": 2, "state": "begun"})
        rest = await visitor.get(first.links["next"]["url"])

    assert len(first.json()["items"]) == 2
    assert len(rest.json()["items"]) == 1
    assert "next" not in rest.links
    assert "state=begun" in first.links["next"]["url"]


async def test_who_has_the_newest_answer_gets_a_304_until_it_changes(door: Door) -> None:
    new = {"filename": "aunt.jpg", "size": 1_000}
    async with door.visit() as visitor:
        await visitor.post("/v1/photos", json=new)
        first = await visitor.get("/v1/photos")
        known = {"if-none-match": f'"else", W/{first.headers["etag"]}'}
        again = await visitor.get("/v1/photos", headers=known)
        await visitor.post("/v1/photos", json=new)
        changed = await visitor.get("/v1/photos", headers=known)

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


async def test_a_refusal_has_no_etag(door: Door) -> None:
    async with door.visit() as visitor:
        answer = await visitor.get(f"/v1/photos/{uuid4()}", headers={"if-none-match": "*"})

    assert answer.status_code == 404
    assert "etag" not in answer.headers


async def test_a_refusal_of_a_service_passes_through_as_it_is(door: Door) -> None:
    async with door.visit() as visitor:
        new = {"filename": "aunt.jpg", "size": 51 * 1024 * 1024}
        answer = await visitor.post("/v1/photos", json=new)

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["bytes_max"]) == ("photo-too-large", 52_428_800)


async def test_a_service_that_refuses_our_own_token_is_our_fault(open_door: OpenDoor) -> None:
    door = open_door(uploads_secret="not the secret that uploads was told")
    async with door.visit() as visitor:
        answer = await visitor.get("/v1/photos")

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_an_unsigned_webhook_finds_nothing(door: Door) -> None:
    async with door.browse() as visitor:
        answer = await visitor.post(f"/hooks/runpod/{uuid4()}?sig=wrong", json={"id": "x"})

    assert answer.status_code == 404


async def test_open_streams_do_not_keep_the_server_from_stopping(
    stack: dict[str, Any], settings: dict[str, Any], door: Door
) -> None:
    port = free_port()
    told = {name.upper(): str(value) for name, value in settings.items()}
    command = ("-m", "uvicorn", "services.gateway.app:create_app", "--factory")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command, "--port", str(port), "--timeout-graceful-shutdown", "30"),
        env=stack["environments"]["gateway"] | told | {"PUBLIC_URL": f"http://127.0.0.1:{port}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(20), door.visit() as visitor:
            visitor.base_url = httpx.URL(f"http://127.0.0.1:{port}")
            await _until_alive(visitor)
            async with listening(visitor) as events:
                process.send_signal(signal.SIGTERM)
                farewell = await anext(events)
            async with asyncio.timeout(3):
                await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert farewell.name == "reconnect"


async def _until_alive(visitor: httpx.AsyncClient) -> None:
    while True:
        try:
            if (await visitor.get("/livez")).status_code == 200:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.1)


def test_a_bucket_fills_again_with_time() -> None:
    now = [0.0]
    limiter, limit = Limiter(clock=lambda: now[0]), Limit("few", quota=2, window_s=10)

    first = [limiter.charge(limit, "a").retry_after_s for _ in range(3)]
    now[0] = 5.0
    later = [limiter.charge(limit, "a").retry_after_s for _ in range(2)]

    assert first == [None, None, 5]
    assert later == [None, 5]


def test_buckets_are_bounded_in_number() -> None:
    limiter, limit = Limiter(), Limit("one", quota=1, window_s=3_600)

    limiter.charge(limit, "first")
    assert limiter.charge(limit, "first").retry_after_s
    for number in range(BUCKETS_MAX):
        limiter.charge(limit, str(number))

    assert limiter.charge(limit, "first").retry_after_s is None


def test_an_ipv6_host_cannot_be_everybody() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:1::")
    assert network_of("192.0.2.1") != network_of("192.0.2.2")
    assert network_of("nonsense") == "unknown"
