"""A program of the running stack: started anew with a failpoint armed, and watched by its log."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from deploy.local import armed
from deploy.local.home import Home

STARTS_WITHIN_S = 20.0
LOOK_EVERY_S = 0.05
PROBE_TIMEOUT_S = 2.0


class NotStarted(Exception):  # noqa: N818  # says what happened
    """A program did not come up in time."""


class Program:
    """One program; what its log said before does not count."""

    def __init__(self, home: Home, name: str) -> None:
        self._home, self.name = home, name
        self.log = home.logs / f"{name}.log"
        self._seen = _size(self.log)

    async def start_armed(self, points: str) -> None:
        """End it as kill -9 does; it begins again with these points armed, this one time."""
        armed.arm(self._home, self.name, points)
        self.kill()
        await self._until_said("failpoint.armed")
        await self.is_up()

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(int(self._entry()["pid"]), signal.SIGKILL)

    async def reaches(self, point: str, *, within_s: float) -> bool:
        """Wait until the process says that it reached the point."""
        with suppress(NotStarted):
            await self._until_said("failpoint.reached", point, within_s=within_s)
            return True
        return False

    async def is_up(self) -> None:
        """Wait until a program with a door answers at it; the others are heard by their work."""
        port = self._entry()["port"]
        if port is None:
            return
        async with httpx.AsyncClient(timeout=PROBE_TIMEOUT_S, trust_env=False) as client:
            for _ in range(round(STARTS_WITHIN_S / LOOK_EVERY_S)):
                with suppress(httpx.HTTPError):
                    answer = await client.get(f"http://127.0.0.1:{port}/readyz")
                    if answer.is_success:
                        return
                await asyncio.sleep(LOOK_EVERY_S)
        raise NotStarted(self.name)

    async def _until_said(self, *words: str, within_s: float = STARTS_WITHIN_S) -> None:
        for _ in range(round(within_s / LOOK_EVERY_S)):
            if self._says(*words):
                return
            await asyncio.sleep(LOOK_EVERY_S)
        raise NotStarted(f"{self.name} never said {' '.join(words)}")

    def _says(self, *words: str) -> bool:
        """Whether one line of the log has all these words, since we watch it.

        Words, not JSON: a program is armed before it knows how to write its log.
        """
        if not self.log.exists():
            return False
        with self.log.open("rb") as file:
            file.seek(self._seen)
            return any(all(word.encode() in line for word in words) for line in file)

    def _entry(self) -> dict[str, Any]:
        entry: dict[str, Any] = self._home.state()["processes"][self.name]
        return entry


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
