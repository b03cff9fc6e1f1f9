"""Pages a person sees: HTML files with names in them, escaped, under a policy that runs no script.

No page of Stripe's is copied here; each says that it is an emulator and that no money moves.
"""

from functools import cache
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from deploy.local.stripe.account import Account
from deploy.local.stripe.errors import Refusal

TEMPLATES = Path(__file__).parent / "templates"
BODY_MAX = 16 * 1024
ASSET_LIFETIME_S = 3_600
POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none';"
    " frame-ancestors 'none'; form-action 'self'"
)
SAFE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

router = APIRouter(include_in_schema=False)


def page(
    name: str,
    title: str,
    *,
    status: int = 200,
    alert: str = "",
    goes_to: str | None = None,
    parts: dict[str, str] | None = None,
    **values: str,
) -> HTMLResponse:
    """One of the templates; `parts` are HTML already. `goes_to` is where its form may end."""
    told = {name: escape(value) for name, value in values.items()}
    warning = f'<p class="alert" id="alert" role="alert">{escape(alert)}</p>' if alert else ""
    content = _template(f"{name}.html").substitute(told, **(parts or {}), alert=warning)
    html = _template("layout.html").substitute(title=escape(title), content=content)
    policy = f"{POLICY} {origin(goes_to)}" if goes_to else POLICY
    return HTMLResponse(html, status, {**SAFE, "Content-Security-Policy": policy})


def message(title: str, text: str, *, status: int = 200) -> HTMLResponse:
    return page("message", title, status=status, message=text)


def part(name: str, **values: str) -> str:
    """A piece of a page, several of which may follow each other."""
    return _template(f"{name}.html").substitute({key: escape(v) for key, v in values.items()})


def see(address: str) -> RedirectResponse:
    return RedirectResponse(address, 303, {"Cache-Control": "no-store"})


async def read_form(request: Request) -> dict[str, str]:
    """What a person filled in."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX:
            raise Refusal("This form is too large.", status=413)
    return dict(parse_qsl(body.decode(errors="replace"), max_num_fields=50))


def account_of(request: Request) -> Account:
    account: Account = request.app.state.account
    return account


def money(cents: int, currency: str) -> str:
    sign = "-" if cents < 0 else ""
    amount = f"{abs(cents) // 100}.{abs(cents) % 100:02}"
    return f"{sign}${amount}" if currency == "usd" else f"{sign}{amount} {currency.upper()}"


def origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


@router.get("/assets/style.css")
async def style() -> Response:
    headers = {"Cache-Control": f"max-age={ASSET_LIFETIME_S}", "X-Content-Type-Options": "nosniff"}
    return Response(_text("style.css"), headers=headers, media_type="text/css")


def _template(name: str) -> Template:
    return Template(_text(name))


@cache
def _text(name: str) -> str:
    return (TEMPLATES / name).read_text()
