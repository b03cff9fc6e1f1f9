"""What the tokens say, in Auth0's words."""

from typing import Any

from deploy.local.issuer.grants import Grant
from deploy.local.issuer.users import User

ACCESS_TOKEN_LIFETIME_S = 86_400
ID_TOKEN_LIFETIME_S = 36_000


def access_token(grant: Grant, *, issuer: str, now: int) -> dict[str, Any]:
    """For the API that was asked for, and for `/userinfo` when it was asked who signed in."""
    audiences = [grant.audience, f"{issuer}userinfo"]
    if "openid" not in grant.scopes:
        del audiences[1:]
    return {
        "iss": issuer,
        "sub": grant.subject,
        "aud": [audience for audience in audiences if audience],
        "iat": now,
        "exp": now + ACCESS_TOKEN_LIFETIME_S,
        "scope": grant.scope,
        "azp": grant.client_id,
    }


def id_token(
    grant: Grant, user: User, *, issuer: str, now: int, nonce: str | None
) -> dict[str, Any]:
    """For the program itself: who signed in."""
    claims: dict[str, Any] = {
        **profile(user, grant.scopes),
        "iss": issuer,
        "aud": grant.client_id,
        "iat": now,
        "exp": now + ID_TOKEN_LIFETIME_S,
        "sid": grant.session_id,
    }
    return claims if nonce is None else claims | {"nonce": nonce}


def profile(user: User, scopes: list[str]) -> dict[str, Any]:
    """What a program may know of a person, by the scopes it was granted."""
    known: dict[str, Any] = {"sub": user.subject}
    if "profile" in scopes:
        known |= {"name": user.email, "nickname": user.email.partition("@")[0]}
    if "email" in scopes:
        known |= {"email": user.email, "email_verified": user.email_verified}
    return known
