"""Who calls whom inside: short-lived tokens that one service signs for one other.

A token names the caller (`iss`), the only service that may accept it (`aud`) and the account the
call is for (`sub`). Each service has its own secret; two are valid while one is being replaced.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from jose import jwt

from services.kit.problems import Unauthenticated

ALGORITHM = "HS256"
LIFETIME_S = 60
RENEWED_BEFORE_S = 30
TOKENS_KEPT_MAX = 10_000
TOKEN_LENGTH_MAX = 2_048


@dataclass(frozen=True, slots=True)
class Caller:
    """A service that calls, and the account it calls for (none for work of its own)."""

    service: str
    account_id: UUID | None


class TokenSource:
    """Tokens for one other service, made when needed and reused while fresh."""

    def __init__(self, *, issuer: str, audience: str, secret: str) -> None:
        self._issuer, self._audience, self._secret = issuer, audience, secret
        self._kept: OrderedDict[UUID | None, tuple[float, str]] = OrderedDict()

    def token(self, account_id: UUID | None) -> str:
        """A token that is valid for at least half a minute."""
        now = time.time()
        expires, token = self._kept.get(account_id, (0.0, ""))
        # One that outlives its time was made while this clock was ahead.
        if RENEWED_BEFORE_S < expires - now <= LIFETIME_S:
            return token
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(account_id) if account_id else "",
            "iat": int(now),
            "exp": int(now) + LIFETIME_S,
        }
        token = str(jwt.encode(claims, self._secret, algorithm=ALGORITHM))
        self._kept[account_id] = (now + LIFETIME_S, token)
        self._kept.move_to_end(account_id)
        if len(self._kept) > TOKENS_KEPT_MAX:
            self._kept.popitem(last=False)
        return token


class Callers:
    """Who sent a token that is for us; one that was verified is remembered while it is valid.

    Callers reuse their tokens, and a signature costs more than the rest of a small request.
    """

    def __init__(self, audience: str, secrets: Sequence[str]) -> None:
        self._audience, self._secrets = audience, tuple(secrets)
        self._verified: OrderedDict[str, tuple[float, Caller]] = OrderedDict()

    def of(self, token: str) -> Caller:
        """The caller, or `Unauthenticated`."""
        known = self._verified.get(token)
        if known and time.time() < known[0]:
            return known[1]
        if len(token) > TOKEN_LENGTH_MAX:
            raise Unauthenticated
        for secret in self._secrets:
            try:
                verified = self._verify(token, secret)
            except Exception:  # noqa: BLE001, S112  # jose raises many families; each means "no"
                continue
            self._verified[token] = verified
            if len(self._verified) > TOKENS_KEPT_MAX:
                self._verified.popitem(last=False)
            return verified[1]
        raise Unauthenticated

    def _verify(self, token: str, secret: str) -> tuple[float, Caller]:
        """Until when the token is valid, and who sent it."""
        claims = jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            audience=self._audience,
            options={"require_exp": True, "require_aud": True, "require_iss": True},
        )
        account = claims["sub"]
        caller = Caller(str(claims["iss"]), UUID(account) if account else None)
        return float(claims["exp"]), caller
