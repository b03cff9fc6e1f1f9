"""Where the login is kept, and how it is renewed without two programs spoiling it for each other.

A refresh token works once: whoever uses an old one logs everybody out. So it is only used under a
lock of the file, after reading again what another program may have stored in the meantime.
"""

import asyncio
import fcntl
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Protocol

from sdk.rekindle.problems import NotLoggedIn, TookTooLong

LOCK_TIMEOUT_S = 30.0
LOCK_RETRY_S = 0.05
EXPIRES_SOON_S = 30
FILE_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the issuer gave at a login or a renewal."""

    access_token: str
    refresh_token: str
    expires_at: float
    issuer_url: str

    @property
    def expires_soon(self) -> bool:
        return self.expires_at - time.time() < EXPIRES_SOON_S


class TokenProvider(Protocol):
    """Where a client takes its access token from."""

    async def token(self) -> str:
        """Return a token that should be valid now."""
        ...

    async def renewed(self, rejected: str) -> str:
        """Return another token than the one that was rejected."""
        ...


class FixedToken:
    """One token for as long as it lives: for scripts that were given one."""

    def __init__(self, access_token: str) -> None:
        self._access_token = access_token

    async def token(self) -> str:
        return self._access_token

    async def renewed(self, rejected: str) -> str:  # noqa: ARG002  # the protocol's name
        raise NotLoggedIn("The token is not valid (any more): get a new one.")


class TokenStore:
    """A file that only its owner can read, with one login per Rekindle address."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of_this_user(cls) -> "TokenStore":
        """Keep it in the user's configuration folder, as the XDG rules say."""
        home = os.environ.get("XDG_CONFIG_HOME")
        folder = Path(home) if home and Path(home).is_absolute() else Path.home() / ".config"
        return cls(folder / "rekindle" / "tokens.json")

    def read(self, base_url: str) -> Tokens | None:
        """Return the login for this address; a damaged file is as good as none."""
        found = self._read_all().get(base_url)
        if not isinstance(found, dict) or found.keys() != {field.name for field in fields(Tokens)}:
            return None
        return Tokens(**found)

    def write(self, base_url: str, tokens: Tokens) -> None:
        self._write_all({**self._read_all(), base_url: asdict(tokens)})

    def forget(self, base_url: str) -> None:
        logins = self._read_all()
        if logins.pop(base_url, None) is not None:
            self._write_all(logins)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Be the only program that changes the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            await _lock(handle)
            yield
        finally:
            os.close(handle)

    def _read_all(self) -> dict[str, Any]:
        try:
            if self.path.stat().st_size > FILE_BYTES_MAX:
                return {}
            logins = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return logins if isinstance(logins, dict) else {}

    def _write_all(self, logins: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A temporary file is made with mode 0600, and renaming keeps it: at no moment is there a
        # readable or a half-written one.
        with NamedTemporaryFile("w", dir=self.path.parent, delete=False) as file:
            json.dump(logins, file, indent=1)
        Path(file.name).replace(self.path)


class StoredLogin:
    """A token provider on a file: every program of this user shares the login."""

    def __init__(
        self,
        store: TokenStore,
        base_url: str,
        renew: Callable[[Tokens], Awaitable[Tokens]],
    ) -> None:
        self._store, self._base_url, self._renew = store, base_url, renew

    async def token(self) -> str:
        tokens = self._read()
        if tokens.expires_soon:
            return await self.renewed(tokens.access_token)
        return tokens.access_token

    async def renewed(self, rejected: str) -> str:
        async with self._store.locked():
            tokens = self._read()
            if tokens.access_token == rejected or tokens.expires_soon:
                tokens = await self._renew(tokens)
                self._store.write(self._base_url, tokens)
            return tokens.access_token

    def _read(self) -> Tokens:
        if tokens := self._store.read(self._base_url):
            return tokens
        raise NotLoggedIn(f"You are not logged in at {self._base_url}.")


async def _lock(handle: int) -> None:
    """Wait for the lock without blocking the loop: the holder may be a task of ours."""
    for _ in range(int(LOCK_TIMEOUT_S / LOCK_RETRY_S)):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(LOCK_RETRY_S)
        else:
            return
    raise TookTooLong(f"Another program has held the login for {LOCK_TIMEOUT_S:.0f} s.")
