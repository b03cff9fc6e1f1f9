"""`/authorize`: a program asks for somebody to be signed in; and how it gets its answer.

Until the program and the address it names are known to belong together, mistakes are shown here;
after that they are sent to the program, as OAuth has it.
"""

import re
import secrets
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from deploy.local.issuer.grants import Authorization
from deploy.local.issuer.issuer import SESSION_LIFETIME_S, Issuer, Login, Session, ThisIssuer
from deploy.local.issuer.pages import web_message
from deploy.local.issuer.requests import Refusal, read_query
from deploy.local.issuer.settings import Client, is_allowed, origin_of

SESSION_COOKIE = "rekindle_issuer_session"
BROWSER_COOKIE = "rekindle_issuer_browser"
SCOPES = ("openid", "profile", "email", "offline_access")
RESPONSE_MODES = {"query", "web_message"}
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")

router = APIRouter()


@router.get("/authorize")
async def authorize(request: Request, issuer: ThisIssuer) -> Response:
    asked = read_query(request)
    client = _client(issuer, asked)
    authorization = _authorization(asked)
    if authorization.response_mode == "web_message":
        _require_known_origin(client, authorization.redirect_uri)
    if mistake := _mistake(asked, authorization, issuer):
        return answer(authorization, mistake)

    session_id = request.cookies.get(SESSION_COOKIE)
    session = issuer.sessions.get(session_id)
    prompt = asked.get("prompt")
    if session and session_id and prompt in (None, "none", "") and not _wants_sign_up(asked):
        return finish(issuer, authorization, session.subject, session_id)
    if prompt == "none":
        return answer(
            authorization, {"error": "login_required", "error_description": "Login required"}
        )
    return _to_login_page(request, issuer, asked, authorization)


def finish(issuer: Issuer, authorization: Authorization, subject: str, session_id: str) -> Response:
    """Give the program its code."""
    code = issuer.codes.issue(authorization, subject=subject, session_id=session_id)
    return answer(authorization, {"code": code})


def sign_in(issuer: Issuer, request: Request, login: Login, subject: str) -> Response:
    """Begin a session in this browser, and give the program its code."""
    issuer.sessions.pop(request.cookies.get(SESSION_COOKIE))
    session_id = issuer.sessions.put(Session(subject))
    response = finish(issuer, login.authorization, subject, session_id)
    _set_cookie(issuer, response, SESSION_COOKIE, session_id)
    return response


def answer(authorization: Authorization, result: dict[str, str]) -> Response:
    """Send a code or an error to the program, in the way it asked for."""
    if authorization.state is not None:
        result = {**result, "state": authorization.state}
    target = authorization.redirect_uri
    if authorization.response_mode == "web_message":
        return web_message(result, origin=origin_of(target))
    parts = urlsplit(target)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *result.items()])
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return RedirectResponse(parts._replace(query=query).geturl(), 303, headers)


def _client(issuer: Issuer, asked: dict[str, str]) -> Client:
    client = issuer.settings.clients.get(asked.get("client_id", ""))
    if client is None:
        raise Refusal(400, "Unknown program", "No program of this name can ask for a login here.")
    if not is_allowed(asked.get("redirect_uri", ""), client.callbacks):
        raise Refusal(
            403,
            "Callback URL mismatch",
            "The program wants its answer at an address that is not among its callback URLs.",
        )
    return client


def _require_known_origin(client: Client, redirect_uri: str) -> None:
    if not is_allowed(origin_of(redirect_uri), client.origins):
        raise Refusal(403, "Origin mismatch", "The program may not ask from this web origin.")


def _authorization(asked: dict[str, str]) -> Authorization:
    granted = [scope for scope in SCOPES if scope in asked.get("scope", "openid").split()]
    return Authorization(
        client_id=asked["client_id"],
        redirect_uri=asked["redirect_uri"],
        response_mode=asked.get("response_mode", "query"),
        scope=" ".join(granted),
        state=asked.get("state"),
        nonce=asked.get("nonce"),
        challenge=asked.get("code_challenge", ""),
        audience=asked.get("audience", ""),
    )


def _mistake(
    asked: dict[str, str], authorization: Authorization, issuer: Issuer
) -> dict[str, str] | None:
    if asked.get("response_type") != "code":
        error, text = "unsupported_response_type", "Only the response type 'code' is supported."
    elif authorization.response_mode not in RESPONSE_MODES:
        error, text = "invalid_request", "Unknown response_mode."
    elif asked.get("code_challenge_method") != "S256":
        error, text = "invalid_request", "PKCE with code_challenge_method S256 is required."
    elif not CHALLENGE.fullmatch(authorization.challenge):
        error, text = "invalid_request", "The code_challenge is not a SHA-256 digest."
    elif authorization.audience not in ("", issuer.settings.audience):
        error, text = "access_denied", f"Service not found: {authorization.audience}"
    else:
        return None
    return {"error": error, "error_description": text}


def _wants_sign_up(asked: dict[str, str]) -> bool:
    return asked.get("screen_hint") == "signup"


def _to_login_page(
    request: Request, issuer: Issuer, asked: dict[str, str], authorization: Authorization
) -> Response:
    browser = request.cookies.get(BROWSER_COOKIE) or secrets.token_urlsafe(32)
    state = issuer.logins.put(Login(authorization, browser))
    query = {"state": state, "login_hint": asked.get("login_hint", "")}
    shown = urlencode({name: value for name, value in query.items() if value})
    path = "/u/signup" if _wants_sign_up(asked) else "/u/login"
    response = RedirectResponse(f"{path}?{shown}", 303, {"Cache-Control": "no-store"})
    _set_cookie(issuer, response, BROWSER_COOKIE, browser)
    return response


def _set_cookie(issuer: Issuer, response: Response, name: str, value: str) -> None:
    response.set_cookie(
        name,
        value,
        max_age=SESSION_LIFETIME_S,
        httponly=True,
        samesite="lax",
        secure=issuer.settings.is_secure,
    )
