"""Who signed in: the one place where a token from outside becomes a `Principal`.

python-jose checks the signature; by itself it accepts tokens without `aud`, `exp` or `sub`,
ignores `kid`, and dies of a deeply nested header. So everything around it is decided here, cheapest
first: length, shape, a header parser that cannot nest, algorithm, key, signature, then every claim.
All failures are one exception, `InvalidToken`; its text is for logs and never for the caller.

Keys are fetched at most once a minute, by one task however many wait, and are served stale for a
day when the issuer is down. A verified token is remembered for at most a minute (so a withdrawn key
counts within that time) and by its hash only (so a memory dump holds no tokens).

Frameworks stay outside: `fetch_jwks` is given, and the HTTP layer turns `InvalidToken` into a 401.
"""

import asyncio
import json
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from jose import jwk, jwt

ALGORITHM = "RS256"
TOKEN_LENGTH_MAX = 8_192
HEADER_LENGTH_MAX = 512
KEYS_MAX = 16
MODULUS_BITS_MIN, MODULUS_BITS_MAX = 2_048, 8_192
KEYS_FRESH_S = 3_600
KEYS_STALE_S = 86_400
FETCH_EVERY_S = 60
FETCH_EVERY_WITHOUT_KEYS_S = 5  # a service that starts before its issuer should not wait a minute
FETCH_TIMEOUT_S = 5
LIFETIME_S_MAX = 86_400
LEEWAY_S = 60
VERIFIED_MAX = 10_000
VERIFIED_FOR_S = 60

SEGMENTS = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_MEMBER = r'"(alg|kid|typ)"\s*:\s*"([\w+-]{1,64})"'
MEMBER = re.compile(_MEMBER, re.ASCII)
HEADER = re.compile(rf"\s*\{{\s*{_MEMBER}(?:\s*,\s*{_MEMBER}){{0,2}}\s*\}}\s*", re.ASCII)
KEY_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
TOKEN_TYPES = {"JWT", "at+jwt"}
SUBJECT = re.compile(r"[A-Za-z0-9][\w.|@:+=-]{0,254}", re.ASCII)
MACHINE_SUBJECT = "@clients"
USER_GRANTS = {"authorization_code", "refresh_token"}
ID_TOKEN_CLAIMS = {"nonce", "at_hash", "c_hash"}
REQUIRED = {f"require_{claim}": True for claim in ("exp", "iat", "aud", "iss", "sub")}


class InvalidToken(Exception):  # noqa: N818  # what it says of the token, not of us
    """The token proves nothing. The reason is a word for logs."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The person a token speaks for, and the program that holds it."""

    subject: str
    client_id: str
    scopes: frozenset[str]
    expires_at: int


class TokenVerifier:
    """Accepts access tokens of one issuer, for one audience, held by known programs."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        allowed_clients: Collection[str],
        fetch_jwks: Callable[[], Awaitable[dict[str, Any]]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer, self._audience = issuer, audience
        self._clients = frozenset(allowed_clients)
        self._clock = clock
        self._keys = _IssuerKeys(fetch_jwks, clock)
        self._verified: dict[bytes, tuple[float, jwk.Key, Principal]] = {}

    async def verify(self, token: str) -> Principal:
        """The person this token speaks for, or `InvalidToken`."""
        try:
            return await self._verify(token)
        except InvalidToken:
            raise
        except Exception as error:  # noqa: BLE001  # jose and json raise many families
            raise InvalidToken(type(error).__name__) from None

    async def _verify(self, token: str) -> Principal:
        _require(len(token) <= TOKEN_LENGTH_MAX, "length")
        key_id = _key_id(token)
        key = await self._keys.find(key_id)
        digest = sha256(token.encode()).digest()
        if known := self._remembered(digest, key):
            return known
        jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=self._audience,
            issuer=self._issuer,
            options={**REQUIRED, "leeway": LEEWAY_S},
        )
        principal = self._principal(_claims(token))
        self._remember(digest, key, principal)
        return principal

    def _principal(self, claims: dict[str, Any]) -> Principal:
        """What the claims say, once each is of the right type and within its limits."""
        issued_at, expires_at = claims["iat"], claims["exp"]
        for moment in (issued_at, expires_at, claims.get("nbf", 0)):
            _require(type(moment) is int and moment >= 0, "time")
        lifetime_s = expires_at - issued_at
        _require(0 < lifetime_s <= LIFETIME_S_MAX + LEEWAY_S, "lifetime")
        _require(issued_at <= time.time() + LEEWAY_S, "issued later")

        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        _require(not ID_TOKEN_CLAIMS & claims.keys(), "an id token")
        _require(not self._clients.intersection(audiences), "an id token")
        _require(claims.get("azp") in self._clients, "client")

        grants = claims.get("gty", [])
        _require(USER_GRANTS.issuperset([grants] if isinstance(grants, str) else grants), "grant")
        subject = claims["sub"]
        _require(SUBJECT.fullmatch(subject) is not None, "subject")
        _require(not subject.endswith(MACHINE_SUBJECT), "a machine")
        return Principal(
            subject, claims["azp"], frozenset(claims.get("scope", "").split()), expires_at
        )

    def _remembered(self, digest: bytes, key: jwk.Key) -> Principal | None:
        until, signed_with, principal = self._verified.get(digest, (0.0, None, None))
        if principal is None or signed_with is not key:
            return None
        return principal if self._clock() < until and time.time() < principal.expires_at else None

    def _remember(self, digest: bytes, key: jwk.Key, principal: Principal) -> None:
        self._verified.pop(digest, None)
        if len(self._verified) >= VERIFIED_MAX:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = (self._clock() + VERIFIED_FOR_S, key, principal)


class _IssuerKeys:
    """The issuer's public keys: fetched when needed, and not more often than allowed."""

    def __init__(
        self, fetch: Callable[[], Awaitable[dict[str, Any]]], clock: Callable[[], float]
    ) -> None:
        self._fetch, self._clock = fetch, clock
        self._keys: dict[str, jwk.Key] = {}
        self._fetched_at = self._tried_at = -float("inf")
        self._refreshing: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> jwk.Key:
        age_s = self._clock() - self._fetched_at
        if key_id not in self._keys or age_s > KEYS_FRESH_S:
            await self._refresh()
        _require(self._clock() - self._fetched_at <= KEYS_STALE_S, "no keys")
        _require(key_id in self._keys, "unknown key")
        return self._keys[key_id]

    async def _refresh(self) -> None:
        """Join the fetch that runs, or start one if the last is long enough ago."""
        if self._refreshing is None:
            pause_s = FETCH_EVERY_S if self._keys else FETCH_EVERY_WITHOUT_KEYS_S
            if self._clock() - self._tried_at < pause_s:
                return
            self._tried_at = self._clock()
            self._refreshing = asyncio.create_task(self._load())
        # A caller that gives up must not take the fetch away from the others.
        await asyncio.shield(self._refreshing)

    async def _load(self) -> None:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S):
                published = (await self._fetch())["keys"]
            _require(isinstance(published, list) and len(published) <= KEYS_MAX, "key set")
            self._keys = dict(filter(None, map(_usable, reversed(published))))
            self._fetched_at = self._clock()
        except Exception:  # noqa: BLE001, S110  # whatever went wrong, the keys we have still serve
            pass
        finally:
            self._refreshing = None
