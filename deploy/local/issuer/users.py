"""The people who may sign in, and how their passwords are checked.

A password is only ever kept as a salted scrypt digest. To look up somebody unknown costs the same
work as to refuse a wrong password, so that the time of an answer tells nobody who has an account.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
import sqlite3
import unicodedata
from dataclasses import dataclass

from deploy.local.issuer.tables import Clock

USERS_MAX = 10_000
EMAIL_LENGTH_MAX = 254
PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX = 8, 128
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 5
DIGESTS_AT_ONCE_MAX = 2
SALT_BYTES = 16

EMAIL = re.compile(r"[^\s@<>\"',;:\\]+@[^\s@<>\"',;:\\]+\.[^\s@<>\"',;:\\.]+")
NOBODY_SALT = bytes(SALT_BYTES)


class UnusableCredentials(Exception):  # noqa: N818  # a refusal, shown on the page
    """What was typed cannot be an account here; the text is for the person."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with an account."""

    subject: str
    email: str
    email_verified: bool


class Users:
    """The accounts of this issuer."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self._connection, self._clock = connection, clock
        self._digesting = asyncio.Semaphore(DIGESTS_AT_ONCE_MAX)

    async def authenticate(self, email: str, password: str) -> User | None:
        """The user with this address, if the password is theirs."""
        row = self._connection.execute(
            "select salt, digest, subject from users where email = ?", (normalized(email),)
        ).fetchone()
        salt, expected, subject = row or (NOBODY_SALT, b"", "")
        is_right = hmac.compare_digest(await self._digest(password, salt), expected)
        return self.find(subject) if is_right else None

    async def sign_up(self, email: str, password: str) -> User:
        """A new account, or `UnusableCredentials`."""
        address = normalized(email)
        if len(address) > EMAIL_LENGTH_MAX or not EMAIL.fullmatch(address):
            raise UnusableCredentials("That does not look like an e-mail address.")
        require_usable(password)
        salt = secrets.token_bytes(SALT_BYTES)
        digest = await self._digest(password, salt)
        if self._connection.execute("select count(*) from users").fetchone()[0] >= USERS_MAX:
            raise UnusableCredentials("There is no room for another account here.")
        user = User(f"auth0|{secrets.token_hex(12)}", address, email_verified=False)
        try:
            self._insert(user, salt, digest)
        except sqlite3.IntegrityError:
            raise UnusableCredentials(
                "We could not make this account. If you have one already, log in instead."
            ) from None
        return user

    async def change_password(self, subject: str, password: str) -> None:
        require_usable(password)
        salt = secrets.token_bytes(SALT_BYTES)
        digest = await self._digest(password, salt)
        self._connection.execute(
            "update users set salt = ?, digest = ? where subject = ?", (salt, digest, subject)
        )

    def confirm_email(self, subject: str) -> None:
        """Remember that mail to this user's address reaches them."""
        self._connection.execute(
            "update users set email_verified = 1 where subject = ?", (subject,)
        )

    def ensure(self, *, subject: str, email: str, password: str) -> None:
        """Have this account, with this password, whatever there was before."""
        salt = secrets.token_bytes(SALT_BYTES)
        user = User(subject, normalized(email), email_verified=True)
        self._connection.execute("delete from users where subject = ?", (subject,))
        self._insert(user, salt, scrypt(password, salt))

    def find(self, subject: str) -> User | None:
        return self._read("subject", subject)

    def find_by_email(self, email: str) -> User | None:
        return self._read("email", normalized(email))

    def _read(self, column: str, value: str) -> User | None:
        row = self._connection.execute(
            f"select subject, email, email_verified from users where {column} = ?",  # noqa: S608
            (value,),
        ).fetchone()
        return User(row[0], row[1], bool(row[2])) if row else None

    def _insert(self, user: User, salt: bytes, digest: bytes) -> None:
        self._connection.execute(
            "insert into users (subject, email, salt, digest, email_verified, created_at)"
            " values (?, ?, ?, ?, ?, ?)",
            (user.subject, user.email, salt, digest, user.email_verified, int(self._clock())),
        )

    async def _digest(self, password: str, salt: bytes) -> bytes:
        async with self._digesting:
            return await asyncio.to_thread(scrypt, password, salt)


def normalized(email: str) -> str:
    return unicodedata.normalize("NFKC", email).strip().lower()


def require_usable(password: str) -> None:
    """Refuse a password that is too short to be safe, or too long to be typed."""
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        raise UnusableCredentials(
            f"Choose a password of {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters."
        )


def scrypt(password: str, salt: bytes) -> bytes:
    # Longer ones belong to nobody: no reason to spend memory on them.
    typed = unicodedata.normalize("NFKC", password[: PASSWORD_LENGTH_MAX + 1]).encode()
    return hashlib.scrypt(typed, salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P)
