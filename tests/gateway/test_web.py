"""The app as the gateway serves it: an export of a few files, at a gateway of the test's own."""

import base64
import gzip
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from services.gateway.settings import GatewaySettings
from services.gateway.web import NoExportError, router_of
from tests.gateway.conftest import OpenDoor
from tests.gateway.doors import Door

INLINE = 'self.__next_f.push([1,"a < b && c"])'
PAGE = f'<!doctype html><title>x</title><script src="/a.js"></script><script>{INLINE}</script>'


@pytest.fixture
def export(tmp_path: Path) -> Path:
    for name, content in {
        "index.html": PAGE,
        "crop.html": PAGE.replace("a < b", "a > b"),
        "404.html": PAGE,
        "sw.js": "self.skipWaiting()",
        "_next/static/chunks/abc.js": "let a = 1;" * 200,
        "manifest.webmanifest": "{}",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


@pytest.fixture
def house(open_door: OpenDoor, export: Path) -> Door:
    return open_door(web_export=str(export))


def hashed(script: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(script.encode()).digest()).decode()}'"


async def test_a_page_may_run_its_own_inline_scripts_and_no_others(house: Door) -> None:
    async with house.browse() as browser:
        first = await browser.get("/")
        crop = await browser.get("/crop?picture=1")

    assert (first.status_code, first.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policies = [page.headers["content-security-policy"] for page in (first, crop)]
    assert f"script-src 'self' {hashed(INLINE)};" in policies[0]
    assert hashed(INLINE) not in policies[1]
    assert "unsafe" not in "".join(policies)
    assert "camera=(self)" in first.headers["permissions-policy"]
    assert len(first.headers.get_list("permissions-policy")) == 1


async def test_the_camera_is_for_pages_of_the_app_only(house: Door) -> None:
    async with house.browse() as browser:
        answers = [await browser.get(path) for path in ("/v1/kinds", "/handoff", "/sw.js")]

    assert {"camera=()" in answer.headers["permissions-policy"] for answer in answers} == {True}


async def test_only_what_has_a_hash_in_its_name_is_kept_for_good(house: Door) -> None:
    paths = ("/", "/sw.js", "/manifest.webmanifest", "/_next/static/chunks/abc.js")
    async with house.browse() as browser:
        answers = [await browser.get(path) for path in paths]

    kept = [answer.headers["cache-control"] for answer in answers]
    assert kept == ["no-cache", "no-cache", "no-cache", "public, max-age=31536000, immutable"]
    assert answers[1].headers["content-type"].startswith("text/javascript")
    assert "connect-src 'self'" in answers[1].headers["content-security-policy"]
    assert answers[2].headers["content-type"] == "application/manifest+json"


async def test_what_a_browser_has_already_is_not_sent_again(house: Door) -> None:
    async with house.browse() as browser:
        first = await browser.get("/")
        again = await browser.get("/", headers={"if-none-match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]


async def test_text_travels_compressed_for_those_who_can_read_it(house: Door) -> None:
    path = "/_next/static/chunks/abc.js"
    async with house.browse() as browser:
        packed = await browser.send(browser.build_request("GET", path), stream=True)
        raw = b"".join([chunk async for chunk in packed.aiter_raw()])
        plain = await browser.get(path, headers={"accept-encoding": "identity"})

    assert gzip.decompress(raw) == plain.content
    assert "content-encoding" not in plain.headers
    assert packed.headers["vary"] == "accept-encoding"


async def test_a_mistyped_page_is_a_page_and_a_mistyped_call_a_problem(house: Door) -> None:
    async with house.browse() as browser:
        pages = [await browser.get(path) for path in ("/404", "/crop.html", "/../pyproject.toml")]
        calls = [await browser.get("/v1/nothing"), await browser.post("/v1/nothing")]

    assert {page.status_code for page in pages} == {404}
    assert {page.text for page in pages} == {PAGE}
    assert hashed(INLINE) in pages[0].headers["content-security-policy"]
    assert [call.status_code for call in calls] == [404, 404]
    assert {call.headers["content-type"] for call in calls} == {"application/problem+json"}


async def test_the_page_of_a_phone_and_the_contract_stay_where_they_are(house: Door) -> None:
    async with house.browse() as browser:
        phone = await browser.get("/handoff")
        contract = await browser.get("/openapi.json")

    assert "handoff.js" in phone.text
    assert contract.json()["openapi"].startswith("3.1")


def test_a_folder_without_the_app_is_refused_at_the_start(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    empty = GatewaySettings.model_validate(settings | {"web_export": str(tmp_path)})

    with pytest.raises(NoExportError, match="make setup"):
        router_of(empty)
