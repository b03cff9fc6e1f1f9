"""What a shared address shows to anybody: a page with before and after, and its pictures.

Nothing on it says whose the photo is, what it was called or when it was made. The pictures are
copies without metadata that pass through here, so that revoking counts from the next request on:
no signed address of the storage is ever handed to a stranger.
"""

import json
from pathlib import Path
from string import Template
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from services.gateway import shares
from services.gateway.page import FILES, KEPT_BY_BROWSERS
from services.gateway.parts import Gateway, Parts
from services.gateway.shares import Shared
from services.gateway.upstream import OK, ask
from services.gateway.visitors import ANYONE
from services.kit.problems import Problem, Unavailable

router = APIRouter(include_in_schema=False)

PAGE = Template((FILES / "share.html").read_text())
PLAIN = Template((FILES / "share_plain.html").read_text())
STYLE = (FILES / "share.css").read_bytes()
SCRIPT = (FILES / "share.js").read_bytes()
FOUND_NOT, GONE = 404, 410
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none';"
    " frame-ancestors 'none'; form-action 'none'; require-trusted-types-for 'script'"
)
HEADERS = {"content-security-policy": POLICY, "x-robots-tag": "noindex, nofollow, noarchive"}


def _words(path: Path) -> dict[str, dict[str, str]]:
    words: dict[str, dict[str, str]] = json.loads(path.read_text())
    return words


WORDS = _words(FILES / "share.words.json")
"""What the page says, by language; every language has every sentence."""


@router.get("/s/{token}", dependencies=[ANYONE])
async def page(request: Request, token: str, gateway: Gateway) -> HTMLResponse:
    """The page, or a sentence that says why there is none (any more)."""
    shared = await _look_up(gateway, token)
    language = _language(request)
    words = WORDS[language] | {"language": language}
    if shared is None:
        return _plain(words, words["unknown"], FOUND_NOT)
    if not shared.is_open:
        return _plain(words, words["over"], GONE)
    try:
        job = await _job(gateway, shared)
    except Unavailable as problem:
        return _plain(words, words["later"], problem.status)
    if job is None or job["result"] is None:
        return _plain(words, words["over"], GONE)
    filled = words | {
        "address": f"{gateway.settings.public_url}/s/{token}",
        "path": f"/s/{token}",
        "width": str(int(job["result"]["width"])),
        "height": str(int(job["result"]["height"])),
        "guess": words["guess"] if "colourize" in job["kind"] else "",
    }
    return HTMLResponse(PAGE.substitute(filled), headers=HEADERS)


@router.get("/s/{token}/{name}.jpg", dependencies=[ANYONE])
async def picture(
    token: str, name: Literal["before", "after", "card"], gateway: Gateway
) -> Response:
    """One of its pictures."""
    shared = await _look_up(gateway, token)
    if shared is None or not shared.is_open:
        return Response(status_code=GONE if shared else FOUND_NOT, headers=HEADERS)
    path = f"/v1/jobs/{shared.job_id}/copies/{name}"
    try:
        copied = await ask(gateway.processing, "GET", path, account_id=shared.account_id)
    except Problem as problem:
        return Response(status_code=problem.status, headers=HEADERS)
    if copied.status != OK:
        return Response(status_code=copied.status, headers=HEADERS)
    return Response(copied.body, media_type="image/jpeg", headers=HEADERS)


@router.get("/share.css")
async def style() -> Response:
    """How the page differs from the first."""
    return Response(STYLE, media_type="text/css", headers=KEPT_BY_BROWSERS)


@router.get("/share.js")
async def script() -> Response:
    """What the page does: it moves the line between before and after."""
    return Response(SCRIPT, media_type="text/javascript", headers=KEPT_BY_BROWSERS)


async def _look_up(gateway: Parts, token: str) -> Shared | None:
    async with gateway.engine.begin() as connection:
        return await shares.look_up(connection, token)


async def _job(gateway: Parts, shared: Shared) -> dict[str, Any] | None:
    path = f"/v1/jobs/{shared.job_id}"
    answer = await ask(gateway.processing, "GET", path, account_id=shared.account_id)
    if answer.status != OK:
        return None
    job: dict[str, Any] = json.loads(answer.body)
    return job


def _plain(words: dict[str, str], said: str, status: int) -> HTMLResponse:
    content = PLAIN.substitute(words | {"said": said})
    return HTMLResponse(content, status_code=status, headers=HEADERS)


def _language(request: Request) -> str:
    """The first language of the browser that we speak."""
    wanted = request.headers.get("accept-language", "")[:200].lower().split(",")
    spoken = (tag.strip()[:2] for tag in wanted)
    return next((tag for tag in spoken if tag in WORDS), "en")
