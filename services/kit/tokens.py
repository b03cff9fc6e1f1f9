"""Who signed in: the one place where a token from outside becomes a `Principal`.

python-jose checks the signature; by itself it accepts tokens without `aud`, `exp` or `sub`,
ignores `kid`, and dies of a deeply nested header. So everything around it is decided here, cheapest
first: length, shape, a header parser that cannot nest, algorithm, key, signature, then every claim.
Every failure is one exception, `InvalidToken`; its text is for logs and never for the caller.

Keys are fetched at most once a minute, by one task however many wait, and are served stale for a
day when the issuer is down. A verified token is remembered for at most a minute (a key that we no
longer trust counts no longer than that), and by its hash only (our memory holds no tokens).

Frameworks stay outside: `fetch_jwks` is given, and the HTTP layer turns `InvalidToken` into a 401.
"""

import asyncio
import json
import math
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import structlog
from jose import jwk, jwt

log = structlog.get_logger()
FetchKeys = Callable[[], Awaitable[dict[str, Any]]]

ALGORITHM = "RS256"
TOKEN_LENGTH_MAX, HEADER_LENGTH_MAX = 8_192, 512
KEYS_MAX = 16
MODULUS_LENGTHS = range(342, 1_367)  # base64 characters of 2,048 to 8,192 bits
KEYS_FRESH_S, KEYS_STALE_S = 3_600, 86_400
FETCH_EVERY_S, FETCH_TIMEOUT_S = 60, 5
FETCH_EVERY_AT_START_S = 5  # a service that starts before its issuer should not wait a minute
LIFETIME_S_MAX, LEEWAY_S = 86_400, 60
VERIFIED_MAX, VERIFIED_FOR_S = 10_000, 60

KEY_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
TOKEN_TYPES = {"JWT", "at+jwt"}
# A subject that ends so is a program that signed in as itself: no person stands behind it.
SUBJECT = re.compile(r"[A-Za-z0-9][\w.|@:+=-]{0,254}(?<!@clients)", re.ASCII)
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
        fetch_jwks: FetchKeys,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer, self._audience, self._clock = issuer, audience, clock
        self._clients = frozenset(allowed_clients)
        self._keys = _IssuerKeys(fetch_jwks, clock)
        self._verified: dict[bytes, tuple[float, Principal]] = {}

    async def verify(self, token: str) -> Principal:
        """The person this token speaks for, or `InvalidToken`."""
        try:
            return await self._verify(token)
        except Exception as error:  # noqa: BLE001  # jose and json raise many families
            reason = str(error) if isinstance(error, InvalidToken) else type(error).__name__
            raise InvalidToken(reason) from None

    async def _verify(self, token: str) -> Principal:
        _require(len(token) <= TOKEN_LENGTH_MAX, "length")
        digest = sha256(token.encode()).digest()
        until, known = self._verified.get(digest, (-math.inf, None))
        if known and self._clock() < until and time.time() < known.expires_at:
            return known
        header, payload, _ = map(_decoded, token.split("."))
        key = await self._keys.find(_key_id(header))
        options = {**REQUIRED, "leeway": LEEWAY_S}
        jwt.decode(token, key, [ALGORITHM], options, audience=self._audience, issuer=self._issuer)
        principal = self._principal(json.loads(payload, object_pairs_hook=_without_doubles))
        if len(self._verified) >= VERIFIED_MAX:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = (self._clock() + VERIFIED_FOR_S, principal)
        return principal

    def _principal(self, claims: dict[str, Any]) -> Principal:
        """What the claims say, once each is of the right type and within its limits."""
        issued_at, expires_at = claims["iat"], claims["exp"]
        for moment in (issued_at, expires_at, claims.get("nbf", 0)):
            _require(type(moment) is int, "time")
        _require(0 < expires_at - issued_at <= LIFETIME_S_MAX + LEEWAY_S, "lifetime")
        _require(issued_at <= time.time() + LEEWAY_S, "issued later")
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        for_the_client = self._clients.intersection(audiences) or ID_TOKEN_CLAIMS & claims.keys()
        _require(not for_the_client, "an id token")
        _require(claims.get("azp") in self._clients, "client")
        grants = claims.get("gty", [])
        _require(USER_GRANTS.issuperset([grants] if isinstance(grants, str) else grants), "grant")
        _require(SUBJECT.fullmatch(claims["sub"]) is not None, "subject")
        scopes = frozenset(claims.get("scope", "").split())
        return Principal(claims["sub"], claims["azp"], scopes, expires_at)


class _IssuerKeys:
    """The issuer's public keys: fetched when needed, and not more often than allowed."""

    def __init__(self, fetch: FetchKeys, clock: Callable[[], float]) -> None:
        self._fetch, self._clock = fetch, clock
        self._keys: dict[str, jwk.Key] = {}
        self._fetched_at = self._tried_at = -math.inf
        self._refreshing: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> jwk.Key:
        if key_id not in self._keys or self._clock() - self._fetched_at > KEYS_FRESH_S:
            await self._refresh()
        is_usable = key_id in self._keys and self._clock() - self._fetched_at <= KEYS_STALE_S
        _require(is_usable, "unknown key")
        return self._keys[key_id]

    async def _refresh(self) -> None:
        """Join the fetch that runs, or start one if the last is long enough ago."""
        if self._refreshing is None:
            pause_s = FETCH_EVERY_S if math.isfinite(self._fetched_at) else FETCH_EVERY_AT_START_S
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
        except Exception as error:  # noqa: BLE001  # whatever it was, the keys we have still serve
            log.warning("issuer.keys.unavailable", error=type(error).__name__)
        finally:
            self._refreshing = None


def _usable(key: Any) -> tuple[str, jwk.Key] | None:
    """A published key as python-jose wants it; none if it is not one for our signatures."""
    try:
        _require(key["kty"] == "RSA" and len(key["n"]) in MODULUS_LENGTHS, "key")
        _require(key.get("alg") in (None, ALGORITHM) and key.get("use") in (None, "sig"), "use")
        return str(key["kid"]), jwk.construct({m: key[m] for m in ("kty", "n", "e")}, ALGORITHM)
    except Exception:  # noqa: BLE001  # one strange key must not hide the good ones
        return None


def _decoded(segment: str) -> bytes:
    data = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    _require(urlsafe_b64encode(data).rstrip(b"=") == segment.encode(), "not canonical")
    return data


def _key_id(header: bytes) -> str:
    """The key a header names, if the header is flat and says nothing we do not know."""
    is_flat = len(header) <= HEADER_LENGTH_MAX and header.count(b"{") == 1 and b"[" not in header
    _require(is_flat, "header")
    members = json.loads(header.decode(), object_pairs_hook=_without_doubles)
    _require(members.keys() <= {"alg", "kid", "typ"}, "header")
    _require(members["alg"] == ALGORITHM and members.get("typ", "JWT") in TOKEN_TYPES, "type")
    _require(KEY_ID.fullmatch(members["kid"]) is not None, "kid")
    return str(members["kid"])


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    _require(len(members) == len(pairs), "doubled member")
    return members


def _require(condition: bool, reason: str) -> None:  # noqa: FBT001  # reads as an assertion
    if not condition:
        raise InvalidToken(reason)
