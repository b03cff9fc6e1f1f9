"""Pages a person sees: HTML files with names in them, escaped, under a policy that runs no script.

A referrer policy of `no-referrer` would make browsers hide the origin of our own forms from us.
"""

import json
import secrets
from functools import cache
from html import escape
from pathlib import Path
from string import Template

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from deploy.local.issuer.requests import Refusal

TEMPLATES = Path(__file__).parent / "templates"
ASSETS = {"style.css": "text/css", "icon.svg": "image/svg+xml"}
ASSET_LIFETIME_S = 3_600

router = APIRouter()

_SAFE = {
    "Cache-Control": "no-store",
    "Pragma": "no-cache",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none';"
    " frame-ancestors 'none'; form-action 'self'"
)


def page(
    name: str, title: str, *, status: int = 200, alert: str = "", goes_to: str = "", **values: str
) -> HTMLResponse:
    """One of the templates; `goes_to` is the origin its form ends at, after our redirect."""
    told = {name: escape(value) for name, value in values.items()}
    content = _template(f"{name}.html").substitute(
        told,
        alert=f'<p class="alert" id="alert" role="alert">{escape(alert)}</p>' if alert else "",
        explained='aria-invalid="true" aria-describedby="alert"' if alert else "",
    )
    html = _template("layout.html").substitute(title=escape(title), content=content)
    policy = f"{_POLICY} {goes_to}".rstrip()
    framing = {"Content-Security-Policy": policy, "X-Frame-Options": "DENY"}
    return HTMLResponse(html, status, {**_SAFE, **framing})


def mailbox(letters: list[tuple[str, str, str]]) -> HTMLResponse:
    """The letters, each with its receiver, its subject and its link."""
    template = _template("letter.html")
    rows = [
        template.substitute(to=escape(to), subject=escape(subject), link=escape(link))
        for to, subject, link in letters
    ]
    content = _template("mailbox.html").substitute(
        letters="".join(rows) or "<li>No mail so far.</li>"
    )
    html = _template("layout.html").substitute(title="Mail", content=content)
    framing = {"Content-Security-Policy": _POLICY, "X-Frame-Options": "DENY"}
    return HTMLResponse(html, headers={**_SAFE, **framing})


def web_message(response: dict[str, str], *, origin: str) -> HTMLResponse:
    """Hand an answer to the window that framed or opened this one, if it is at `origin`."""
    nonce = secrets.token_urlsafe(16)
    message = {"type": "authorization_response", "response": response}
    html = _template("web_message.html").substitute(
        nonce=nonce, message=_in_script(message), origin=_in_script(origin)
    )
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none';"
        f" frame-ancestors {origin}"
    )
    return HTMLResponse(html, headers={**_SAFE, "Content-Security-Policy": policy})


async def show_refusal(_: Request, refusal: Exception) -> Response:
    """Render a `Refusal`."""
    assert isinstance(refusal, Refusal)
    shown = page("message", refusal.title, status=refusal.status, message=refusal.message)
    if refusal.retry_after_s is not None:
        shown.headers["Retry-After"] = str(refusal.retry_after_s)
    return shown


@router.get("/assets/{name}")
async def asset(name: str) -> Response:
    if name not in ASSETS:
        return PlainTextResponse("Not found", 404)
    headers = {"Cache-Control": f"max-age={ASSET_LIFETIME_S}", "X-Content-Type-Options": "nosniff"}
    return Response(_text(name), headers=headers, media_type=ASSETS[name])


def _in_script(value: object) -> str:
    """JSON that cannot end the script it stands in."""
    return json.dumps(value).replace("<", "\\u003c")


def _template(name: str) -> Template:
    return Template(_text(name))


@cache
def _text(name: str) -> str:
    return (TEMPLATES / name).read_text()
