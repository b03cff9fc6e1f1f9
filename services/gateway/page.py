"""The page a phone is handed; and a first page for gateways without the app: who is signed in.

The first page has no script, the other one of its own; neither has inline styles.
"""

import json
from html import escape
from pathlib import Path
from string import Template
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from services.gateway import accounts
from services.gateway.parts import Gateway, Parts
from services.gateway.upstream import OK, ask
from services.gateway.visitors import MaybeSignedIn
from services.kit.problems import Problem

router = APIRouter(include_in_schema=False)
first = APIRouter(include_in_schema=False)

FILES = Path(__file__).parent / "page"
PAGE = Template((FILES / "index.html").read_text())
STYLE = (FILES / "style.css").read_bytes()
ICON = (FILES / "icon.svg").read_bytes()
HANDOFF = (FILES / "handoff.html").read_text()
HANDOFF_STYLE = (FILES / "handoff.css").read_bytes()
HANDOFF_SCRIPT = (FILES / "handoff.js").read_bytes()
KEPT_BY_BROWSERS = {"cache-control": "public, max-age=3600"}

SIGNED_OUT = Template('<p>$notice</p>\n<p><a class="action" href="/login">Sign in</a></p>')
SIGNED_IN = Template(
    "$notice<p>You are signed in$as_whom.$balance</p>\n"
    '<form method="post" action="/logout"><button class="action">Sign out</button></form>'
)
WELCOME = "Sign in to bring your old photos back to life."
FAILED = "That sign-in did not work. Nothing has changed; please try again."
CAME_BACK = {
    "paid": "Thank you. What you bought arrives when the payment is confirmed, mostly in seconds.",
    "left": "Nothing was paid, and nothing has changed.",
}
LOOK_AGAIN_S = "2"
PURCHASES = {
    "open": "Thank you. Your payment is being confirmed.",
    "paid": "Thank you. Your payment has arrived.",
    "failed": "The payment failed: nothing was bought.",
    "expired": "The payment page has expired: nothing was bought.",
}


@first.get("/")
async def home(request: Request, gateway: Gateway, session: MaybeSignedIn) -> HTMLResponse:
    """The page itself."""
    query, headers = request.query_params, {}
    outcome = CAME_BACK.get(query.get("outcome", ""), "")
    if session:
        async with gateway.engine.begin() as connection:
            email = await accounts.email_of(connection, session.account_id)
        if query.get("outcome") == "paid":
            state = await _state_of(gateway, session.account_id, query.get("checkout", ""))
            outcome = PURCHASES.get(state, outcome)
            headers = {"refresh": LOOK_AGAIN_S} if state == "open" else {}
        content = SIGNED_IN.substitute(
            notice=f'<p role="status">{outcome}</p>\n' if outcome else "",
            as_whom=f" as {escape(email)}" if email else "",
            balance=await _balance(gateway, session.account_id),
        )
    else:
        welcome = FAILED if query.get("sign_in") == "failed" else WELCOME
        content = SIGNED_OUT.substitute(notice=outcome or welcome)
    version = escape(gateway.settings.rekindle_version)
    # Browsers hold a form's redirect against `form-action` too: signing out ends at the issuer.
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none';"
        f" frame-ancestors 'none'; form-action 'self' {gateway.issuer.url}"
    )
    return HTMLResponse(
        PAGE.substitute(content=content, version=version),
        headers={"content-security-policy": policy, **headers},
    )


async def _state_of(gateway: Parts, account_id: UUID, checkout_id: str) -> str:
    """How a purchase stands, if it is this account's."""
    try:
        path = f"/v1/checkout/{UUID(checkout_id)}"
        answer = await ask(gateway.billing, "GET", path, account_id=account_id)
    except (ValueError, Problem):
        return ""
    return str(json.loads(answer.body)["state"]) if answer.status == OK else ""


async def _balance(gateway: Parts, account_id: UUID) -> str:
    """What there is to spend; the page is shown without it rather than not at all."""
    try:
        answer = await ask(gateway.credits, "GET", "/v1/credits", account_id=account_id)
    except Problem:
        return ""
    if answer.status != OK:
        return ""
    return f" You have {int(json.loads(answer.body)['available'])} credits to spend."


@router.get("/handoff")
async def handoff(gateway: Gateway) -> HTMLResponse:
    """The page that a hand-off's address opens. Who it is for, only its script reads."""
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;"
        f" connect-src 'self' {gateway.settings.storage_origin}; base-uri 'none';"
        " frame-ancestors 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )
    return HTMLResponse(HANDOFF, headers={"content-security-policy": policy})


@router.get("/handoff.css")
async def handoff_style() -> Response:
    """How that page differs from the first."""
    return Response(HANDOFF_STYLE, media_type="text/css", headers=KEPT_BY_BROWSERS)


@router.get("/handoff.js")
async def handoff_script() -> Response:
    """What that page does."""
    return Response(HANDOFF_SCRIPT, media_type="text/javascript", headers=KEPT_BY_BROWSERS)


@router.get("/style.css")
async def style() -> Response:
    """How the page looks."""
    return Response(STYLE, media_type="text/css", headers=KEPT_BY_BROWSERS)


@router.get("/icon.svg")
async def icon() -> Response:
    """The ember in the browser's tab."""
    return Response(ICON, media_type="image/svg+xml", headers=KEPT_BY_BROWSERS)
