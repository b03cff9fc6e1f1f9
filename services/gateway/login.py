"""Signing in with a browser: to the issuer, back with a code, and into a session cookie."""

import hmac
from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from services.gateway import accounts, sessions
from services.gateway.errors import AccountWasErased, LoginFailed
from services.gateway.issuer import ATTEMPT_LIFETIME_S, LoginAttempt
from services.gateway.parts import Gateway, Parts
from services.gateway.visitors import ANYONE, refuse_other_sites, session_cookie

router = APIRouter(include_in_schema=False, dependencies=[ANYONE])

ATTEMPT_COOKIE = "rekindle-login"
CALLBACK = "/callback"
RETURN_LENGTH_MAX = 512
CODE_LENGTH_MAX = STATE_LENGTH_MAX = 1_024
FAILED = "/?sign_in=failed"
ERASED = "/?sign_in=erased"
SEE_OTHER = 303

log = structlog.get_logger()


@router.get("/login")
async def login(gateway: Gateway, return_to: str = "/") -> Response:
    """Send the browser to the issuer, with what it must bring back in a sealed cookie."""
    attempt = LoginAttempt.new(return_to=return_to if _is_local(return_to) else "/")
    answer = RedirectResponse(gateway.issuer.login_url(attempt), status_code=SEE_OTHER)
    answer.set_cookie(
        ATTEMPT_COOKIE,
        attempt.sealed(gateway.settings.session_secret.get_secret_value()),
        max_age=ATTEMPT_LIFETIME_S,
        path=CALLBACK,
        httponly=True,
        # Not strict: the browser comes back from another site.
        samesite="lax",
        secure=gateway.settings.is_secure,
    )
    return answer


@router.get(CALLBACK)
async def come_back(
    request: Request,
    gateway: Gateway,
    code: Annotated[str, Query(max_length=CODE_LENGTH_MAX)] = "",
    state: Annotated[str, Query(max_length=STATE_LENGTH_MAX)] = "",
) -> Response:
    """The issuer sent the browser back: find out who it is and start a session."""
    try:
        return_to, value = await _sign_in(request, gateway, code=code, state=state)
    except LoginFailed as error:
        log.info("login.failed", reason=str(error))
        answer = RedirectResponse(FAILED, status_code=SEE_OTHER)
    except AccountWasErased:
        answer = RedirectResponse(ERASED, status_code=SEE_OTHER)
    else:
        answer = RedirectResponse(return_to, status_code=SEE_OTHER)
        answer.set_cookie(
            session_cookie(gateway.settings),
            value,
            max_age=int(sessions.LIFETIME.total_seconds()),
            path="/",
            httponly=True,
            samesite="lax",
            secure=gateway.settings.is_secure,
        )
    answer.delete_cookie(ATTEMPT_COOKIE, path=CALLBACK, httponly=True, samesite="lax")
    return answer


@router.post("/logout")
async def logout(request: Request, gateway: Gateway) -> Response:
    """End the session here, then at the issuer."""
    refuse_other_sites(request, gateway.settings)
    name = session_cookie(gateway.settings)
    if value := request.cookies.get(name):
        async with gateway.engine.begin() as connection:
            await sessions.end(connection, value)
    answer = RedirectResponse(gateway.issuer.logout_url(), status_code=SEE_OTHER)
    answer.delete_cookie(
        name, path="/", httponly=True, samesite="lax", secure=gateway.settings.is_secure
    )
    return answer


async def _sign_in(request: Request, gateway: Parts, *, code: str, state: str) -> tuple[str, str]:
    secret = gateway.settings.session_secret.get_secret_value()
    attempt = LoginAttempt.opened(request.cookies.get(ATTEMPT_COOKIE, ""), secret)
    if not hmac.compare_digest(state.encode(), attempt.state.encode()):
        raise LoginFailed("state")
    if not code:
        raise LoginFailed("the issuer refused")
    person = await gateway.issuer.person_behind(code, attempt)
    replaced = request.cookies.get(session_cookie(gateway.settings))
    async with gateway.engine.begin() as connection:
        account_id = await accounts.find_or_open(
            connection, issuer=gateway.issuer.url, subject=person.subject
        )
        if person.email:
            await accounts.note_email(connection, account_id, person.email)
        if replaced:
            await sessions.end(connection, replaced)
        value = await sessions.begin(connection, account_id=account_id, subject=person.subject)
    return attempt.return_to, value


def _is_local(path: str) -> bool:
    """Whether a path stays on this host, in the eyes of a browser that forgives a lot."""
    return (
        len(path) <= RETURN_LENGTH_MAX
        and path.startswith("/")
        and not path.startswith(("//", "/\\"))
        and path.isascii()
        and path.isprintable()
        and "\\" not in path
    )
