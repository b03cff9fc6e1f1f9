"""What anybody may know of the issuer: where its doors are and which keys it signs with."""

from typing import Any

from fastapi import APIRouter

from deploy.local.issuer.authorize import RESPONSE_MODES, SCOPES
from deploy.local.issuer.issuer import ThisIssuer
from deploy.local.issuer.keys import ALGORITHM

router = APIRouter(prefix="/.well-known")


@router.get("/openid-configuration")
async def configuration(issuer: ThisIssuer) -> dict[str, Any]:
    url = issuer.settings.url
    return {
        "issuer": url,
        "authorization_endpoint": f"{url}authorize",
        "token_endpoint": f"{url}oauth/token",
        "userinfo_endpoint": f"{url}userinfo",
        "jwks_uri": f"{url}.well-known/jwks.json",
        "revocation_endpoint": f"{url}oauth/revoke",
        "end_session_endpoint": f"{url}oidc/logout",
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": sorted(RESPONSE_MODES),
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": ["none"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "email", "email_verified", "name"],
    }


@router.get("/jwks.json")
async def key_set(issuer: ThisIssuer) -> dict[str, Any]:
    return issuer.keys.published()
