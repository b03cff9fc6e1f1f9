"""The two ways to sign out: Auth0's own and OpenID Connect's."""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from jose import JOSEError, jwt

from deploy.local.issuer.authorize import SESSION_COOKIE
from deploy.local.issuer.issuer import Issuer, ThisIssuer
from deploy.local.issuer.keys import ALGORITHM
from deploy.local.issuer.pages import page
from deploy.local.issuer.requests import Refusal, read_query
from deploy.local.issuer.settings import is_allowed

router = APIRouter()


@router.get("/v2/logout")
async def log_out(request: Request, issuer: ThisIssuer) -> Response:
    asked = read_query(request)
    return _end(request, issuer, asked.get("client_id"), asked.get("returnTo"), None)


@router.get("/oidc/logout")
async def log_out_by_oidc(request: Request, issuer: ThisIssuer) -> Response:
    asked = read_query(request)
    client_id = asked.get("client_id") or _client_of(issuer, asked.get("id_token_hint", ""))
    target, state = asked.get("post_logout_redirect_uri"), asked.get("state")
    return _end(request, issuer, client_id, target, state)


def _end(
    request: Request, issuer: Issuer, client_id: str | None, target: str | None, state: str | None
) -> Response:
    if target is not None and not is_allowed(target, _targets(issuer, client_id)):
        raise Refusal(
            400,
            "Logout URL mismatch",
            "The program wants to go on at an address that is not among its logout URLs.",
        )
    issuer.sessions.pop(request.cookies.get(SESSION_COOKIE))
    response: Response = page("message", "Signed out", message="You are signed out.")
    if target is not None:
        response = RedirectResponse(_with_state(target, state), 303, {"Cache-Control": "no-store"})
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
    return response


def _targets(issuer: Issuer, client_id: str | None) -> tuple[str, ...]:
    """Where this program may go on; without a name, where any of them may."""
    clients = issuer.settings.clients
    if client_id:
        return clients[client_id].logout if client_id in clients else ()
    return tuple(target for client in clients.values() for target in client.logout)


def _client_of(issuer: Issuer, id_token: str) -> str | None:
    """Whom one of our id tokens was for; it may be long expired."""
    options: dict[str, Any] = {"verify_exp": False, "verify_aud": False}
    try:
        claims = jwt.decode(
            id_token,
            issuer.keys.published(),
            algorithms=[ALGORITHM],
            issuer=issuer.settings.url,
            options=options,
        )
    except (JOSEError, RecursionError):
        return None
    return str(claims.get("aud", ""))


def _with_state(target: str, state: str | None) -> str:
    if state is None:
        return target
    parts = urlsplit(target)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), ("state", state)])
    return parts._replace(query=query).geturl()
