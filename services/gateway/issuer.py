"""The OIDC issuer, as a browser's sign-in needs it: Auth0's paths, code and PKCE, no secret.

`authorize` and `v2/logout` are for browsers; `oauth/token` and the key set are asked from here.
Nothing of a sign-in is stored: what must survive the round trip travels in a signed cookie.
"""

import hmac
import json
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import httpx
import structlog
from jose import jwt

from services.gateway.errors import LoginFailed
from services.kit.tokens import SUBJECT

TIMEOUT = httpx.Timeout(5.0, connect=2.0)
CONNECTIONS_MAX = 10
ANSWER_BYTES_MAX = 256 * 1024
ATTEMPT_LIFETIME_S = 600
ATTEMPT_LENGTH_MAX = 2_048
ID_TOKEN_LENGTH_MAX = 8_192
EMAIL_LENGTH_MAX = 320
LEEWAY_S = 60
SCOPE = "openid email"
ALGORITHM = "RS256"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """What must be the same when the browser comes back from the issuer."""

    state: str
    nonce: str
    verifier: str
    return_to: str
    expires: int

    @classmethod
    def new(cls, *, return_to: str) -> "LoginAttempt":
        """An attempt nobody can guess."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, return_to, int(time.time()) + ATTEMPT_LIFETIME_S)

    def sealed(self, secret: str) -> str:
        """As a cookie value that only we can have made."""
        body = urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode()
        return f"{body}.{_seal(body, secret)}"

    @classmethod
    def opened(cls, value: str, secret: str) -> "LoginAttempt":
        """The attempt in a cookie, or `LoginFailed`."""
        body, _, seal = value.partition(".")
        if len(value) > ATTEMPT_LENGTH_MAX or not hmac.compare_digest(
            seal.encode(), _seal(body, secret).encode()
        ):
            raise LoginFailed("no attempt in this browser")
        attempt = cls(**json.loads(urlsafe_b64decode(body)))
        if attempt.expires < time.time():
            raise LoginFailed("the attempt took too long")
        return attempt


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in."""

    subject: str
    email: str | None


class Issuer:
    """One issuer, known by its address, and our name with it."""

    def __init__(self, url: str, *, client_id: str, public_url: str) -> None:
        self.url, self._client_id = url, client_id
        self._home, self._callback = f"{public_url}/", f"{public_url}/callback"
        self._http = httpx.AsyncClient(
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            follow_redirects=False,
            trust_env=False,
        )

    def login_url(self, attempt: LoginAttempt) -> str:
        """Where the browser goes to sign in."""
        digest = sha256(attempt.verifier.encode()).digest()
        parameters = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._callback,
            "scope": SCOPE,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"{self.url}authorize?{urlencode(parameters)}"

    def logout_url(self) -> str:
        """Where the browser goes to sign out of the issuer too."""
        parameters = {"client_id": self._client_id, "returnTo": self._home}
        return f"{self.url}v2/logout?{urlencode(parameters)}"

    async def person_behind(self, code: str, attempt: LoginAttempt) -> Person:
        """Exchange a code for the person who signed in, or `LoginFailed`."""
        form = {
            "grant_type": "authorization_code",
            "client_id": self._client_id,
            "redirect_uri": self._callback,
            "code": code,
            "code_verifier": attempt.verifier,
        }
        try:
            tokens = await self._json("POST", "oauth/token", data=form)
            keys = await self.keys()
            return self._person(tokens["id_token"], keys, attempt, tokens.get("access_token"))
        except LoginFailed:
            raise
        except Exception as error:
            raise LoginFailed(type(error).__name__) from error

    async def keys(self) -> dict[str, Any]:
        """The issuer's public keys."""
        return await self._json("GET", ".well-known/jwks.json")

    async def close(self) -> None:
        """Close the connections kept alive."""
        await self._http.aclose()

    def _person(
        self, token: str, keys: dict[str, Any], attempt: LoginAttempt, access_token: str | None
    ) -> Person:
        _require(len(token) <= ID_TOKEN_LENGTH_MAX, "id token: length")
        kid = jwt.get_unverified_header(token)["kid"]
        usable = [key for key in keys["keys"] if key["kid"] == kid and key["kty"] == "RSA"]
        _require(len(usable) == 1, "id token: key")
        claims = jwt.decode(
            token,
            usable[0],
            algorithms=[ALGORITHM],
            audience=self._client_id,
            issuer=self.url,
            access_token=access_token,
            options={
                "leeway": LEEWAY_S,
                **{f"require_{claim}": True for claim in ("exp", "iat", "aud", "iss", "sub")},
            },
        )
        _require(hmac.compare_digest(str(claims.get("nonce")), attempt.nonce), "id token: nonce")
        _require(claims.get("azp", self._client_id) == self._client_id, "id token: azp")
        _require(SUBJECT.fullmatch(claims["sub"]) is not None, "id token: subject")
        email = claims.get("email")
        is_text = isinstance(email, str) and len(email) <= EMAIL_LENGTH_MAX
        return Person(claims["sub"], email if is_text else None)

    async def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        async with self._http.stream(method, self.url + path, **request) as answer:
            answer.raise_for_status()
            body = b""
            async for chunk in answer.aiter_bytes():
                body += chunk
                _require(len(body) <= ANSWER_BYTES_MAX, "the issuer says too much")
        document = json.loads(body)
        _require(isinstance(document, dict), "the issuer's answer")
        return dict(document)


def _seal(body: str, secret: str) -> str:
    return hmac.new(secret.encode(), f"login:{body}".encode(), sha256).hexdigest()


def _require(condition: bool, reason: str) -> None:  # noqa: FBT001  # reads as an assertion
    if not condition:
        raise LoginFailed(reason)
