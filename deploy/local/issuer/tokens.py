"""`/oauth/token`, `/oauth/revoke` and `/userinfo`: where programs talk to the issuer themselves."""

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import replace
from hashlib import sha256
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from deploy.local.issuer.claims import ACCESS_TOKEN_LIFETIME_S, access_token, id_token, profile
from deploy.local.issuer.grants import Grant
from deploy.local.issuer.issuer import Issuer, ThisIssuer
from deploy.local.issuer.requests import TokenRefusal, read_fields
from services.kit.tokens import InvalidToken

VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}

router = APIRouter()


@router.post("/oauth/token")
async def token(request: Request, issuer: ThisIssuer) -> Response:
    fields = await read_fields(request)
    match _required(fields, "grant_type"):
        case "authorization_code":
            answer = _redeem(issuer, _known_client(issuer, fields), fields)
        case "refresh_token":
            answer = _renew(issuer, _known_client(issuer, fields), fields)
        case "client_credentials" | "password" as other:
            raise TokenRefusal(
                403, "unauthorized_client", f"Grant type '{other}' not allowed for the client."
            )
        case other:
            raise TokenRefusal(
                403, "unsupported_grant_type", f"Unsupported grant type: {other[:64]}"
            )
    return JSONResponse(answer, headers=NO_STORE)


@router.post("/oauth/revoke")
async def revoke(request: Request, issuer: ThisIssuer) -> Response:
    fields = await read_fields(request)
    client_id = _known_client(issuer, fields)
    issuer.refresh_tokens.revoke(_required(fields, "token"), client_id=client_id)
    return Response(headers=NO_STORE)


@router.get("/userinfo")
@router.post("/userinfo")
async def userinfo(request: Request, issuer: ThisIssuer) -> Response:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    try:
        principal = await issuer.own_tokens.verify(credentials if scheme == "Bearer" else "")
    except InvalidToken:
        user = None
    else:
        user = issuer.users.find(principal.subject)
    if user is None:
        challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"', **NO_STORE}
        return PlainTextResponse("Unauthorized", 401, challenge)
    return JSONResponse(profile(user, list(principal.scopes)), headers=NO_STORE)


async def show_token_refusal(_: Request, refusal: Exception) -> Response:
    """Render a `TokenRefusal`."""
    assert isinstance(refusal, TokenRefusal)
    body = {"error": refusal.error, "error_description": refusal.description}
    return JSONResponse(body, refusal.status, NO_STORE)


def _redeem(issuer: Issuer, client_id: str, fields: dict[str, str]) -> dict[str, Any]:
    code, verifier = _required(fields, "code"), _required(fields, "code_verifier")
    redeemed = issuer.codes.redeem(code)
    if redeemed is None:
        raise TokenRefusal(403, "invalid_grant", "Invalid authorization code")
    authorization, grant, family = redeemed
    if authorization.client_id != client_id:
        raise TokenRefusal(403, "invalid_grant", "Invalid authorization code")
    if authorization.redirect_uri != fields.get("redirect_uri"):
        raise TokenRefusal(
            403, "invalid_grant", "The redirect URI is wrong. It is not the one asked with."
        )
    if not _fits(verifier, authorization.challenge):
        raise TokenRefusal(403, "invalid_grant", "Failed to verify code verifier")
    answer = _tokens(issuer, grant, nonce=authorization.nonce)
    if "offline_access" in grant.scopes:
        answer["refresh_token"] = issuer.refresh_tokens.issue(grant, family=family)
    return answer


def _renew(issuer: Issuer, client_id: str, fields: dict[str, str]) -> dict[str, Any]:
    old = _required(fields, "refresh_token")
    rotated = issuer.refresh_tokens.rotate(old, client_id=client_id)
    if rotated is None:
        raise TokenRefusal(403, "invalid_grant", "Unknown or invalid refresh token.")
    grant, renewed = rotated
    if wanted := fields.get("scope", "").split():
        # Less may be asked for, never more.
        grant = replace(grant, scope=" ".join(s for s in grant.scopes if s in wanted))
    return {**_tokens(issuer, grant, nonce=None), "refresh_token": renewed}


def _tokens(issuer: Issuer, grant: Grant, *, nonce: str | None) -> dict[str, Any]:
    url, now = issuer.settings.url, int(issuer.clock())
    answer: dict[str, Any] = {
        "access_token": issuer.keys.sign(access_token(grant, issuer=url, now=now)),
        "scope": grant.scope,
        "expires_in": ACCESS_TOKEN_LIFETIME_S,
        "token_type": "Bearer",
    }
    if "openid" in grant.scopes:
        user = issuer.users.find(grant.subject)
        if user is None:
            raise TokenRefusal(403, "invalid_grant", "The user is gone.")
        claims = id_token(grant, user, issuer=url, now=now, nonce=nonce)
        answer["id_token"] = issuer.keys.sign(claims)
    return answer


def _fits(verifier: str, challenge: str) -> bool:
    if not VERIFIER.fullmatch(verifier):
        return False
    digest = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(digest, challenge.encode())


def _known_client(issuer: Issuer, fields: dict[str, str]) -> str:
    client_id = _required(fields, "client_id")
    if client_id not in issuer.settings.clients:
        raise TokenRefusal(401, "access_denied", "Unauthorized")
    return client_id


def _required(fields: dict[str, str], name: str) -> str:
    if not fields.get(name):
        raise TokenRefusal(400, "invalid_request", f"Missing required parameter: {name}")
    return fields[name]
