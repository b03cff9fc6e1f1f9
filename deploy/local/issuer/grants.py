"""What a person allowed a program: the code that says so once, and the tokens that renew it.

    authorization ──code, once──▶ family of refresh tokens: a ──▶ b ──▶ c
                                                                 │
                                         b used again ──▶ nobody in the family is good any more

A code or a refresh token that comes twice was copied, and we cannot tell by whom: so whatever came
of it is withdrawn.
"""

import secrets
import sqlite3
from dataclasses import dataclass
from hashlib import sha256

from deploy.local.issuer.tables import Clock, ExpiringTable

CODES_MAX, CODE_LIFETIME_S = 1_000, 60
REFRESH_TOKENS_MAX, REFRESH_LIFETIME_S = 10_000, 30 * 86_400


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a program asked for at `/authorize`, after every check."""

    client_id: str
    redirect_uri: str
    response_mode: str
    scope: str
    state: str | None
    nonce: str | None
    challenge: str
    audience: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What tokens are made from: who, to whom, for what."""

    client_id: str
    subject: str
    scope: str
    audience: str
    session_id: str

    @property
    def scopes(self) -> list[str]:
        return self.scope.split()


@dataclass(slots=True)
class _Code:
    authorization: Authorization
    grant: Grant
    family: str
    used: bool = False


class Codes:
    """Codes on their way through a browser."""

    def __init__(self, tokens: "RefreshTokens", clock: Clock) -> None:
        self._tokens = tokens
        self._codes: ExpiringTable[_Code] = ExpiringTable(
            entries_max=CODES_MAX, lifetime_s=CODE_LIFETIME_S, clock=clock
        )

    def issue(self, authorization: Authorization, *, subject: str, session_id: str) -> str:
        grant = Grant(
            authorization.client_id,
            subject,
            authorization.scope,
            authorization.audience,
            session_id,
        )
        return self._codes.put(_Code(authorization, grant, secrets.token_hex(16)))

    def redeem(self, name: str) -> tuple[Authorization, Grant, str] | None:
        """What a code stands for and the family its tokens join; nothing the second time."""
        code = self._codes.get(name)
        if code is None:
            return None
        if code.used:
            self._tokens.revoke_family(code.family)
            return None
        code.used = True
        return code.authorization, code.grant, code.family


class RefreshTokens:
    """Refresh tokens, each good once; kept by their hash."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self._connection, self._clock = connection, clock

    def issue(self, grant: Grant, *, family: str, expires_at: int | None = None) -> str:
        token = f"v1.{secrets.token_urlsafe(48)}"
        now = int(self._clock())
        self._make_room(now)
        self._connection.execute(
            "insert into refresh_tokens (digest, family, client_id, subject, scope, audience,"
            " session_id, created_at, expires_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                _digest(token),
                family,
                grant.client_id,
                grant.subject,
                grant.scope,
                grant.audience,
                grant.session_id,
                now,
                expires_at or now + REFRESH_LIFETIME_S,
            ),
        )
        return token

    def rotate(self, token: str, *, client_id: str) -> tuple[Grant, str] | None:
        """The grant behind a token and the token that follows it, if this one is still good."""
        rows = self._connection.execute(
            "update refresh_tokens set used = 1 where digest = ? and client_id = ? and used = 0"
            " and expires_at > ? returning"
            " client_id, subject, scope, audience, session_id, family, expires_at",
            (_digest(token), client_id, int(self._clock())),
        ).fetchall()
        if not rows:
            self.revoke(token, client_id=client_id)
            return None
        *granted, family, expires_at = rows[0]
        grant = Grant(*granted)
        return grant, self.issue(grant, family=family, expires_at=expires_at)

    def revoke(self, token: str, *, client_id: str) -> None:
        """Withdraw a token with its whole family."""
        row = self._connection.execute(
            "select family from refresh_tokens where digest = ? and client_id = ?",
            (_digest(token), client_id),
        ).fetchone()
        if row:
            self.revoke_family(row[0])

    def revoke_family(self, family: str) -> None:
        self._connection.execute("delete from refresh_tokens where family = ?", (family,))

    def revoke_of(self, subject: str) -> None:
        """Withdraw all that a person ever allowed."""
        self._connection.execute("delete from refresh_tokens where subject = ?", (subject,))

    def _make_room(self, now: int) -> None:
        self._connection.execute("delete from refresh_tokens where expires_at <= ?", (now,))
        self._connection.execute(
            "delete from refresh_tokens where digest in (select digest from refresh_tokens"
            " order by created_at desc, rowid desc limit -1 offset ?)",
            (REFRESH_TOKENS_MAX - 1,),
        )


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
