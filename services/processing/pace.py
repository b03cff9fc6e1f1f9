"""How fast RunPod may be called: token buckets that stay below its documented limits.

https://docs.runpod.io/serverless/endpoints/operation-reference names calls in ten seconds and calls
at once, per operation and endpoint. They count for all processes together, so each takes a part.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

WINDOW_S = 10.0
LIMITS: dict[str, tuple[int, int]] = {
    "run": (1_000, 200),
    "status": (2_000, 400),
    "cancel": (100, 20),
    "health": (100, 20),  # not documented: as careful as the most careful one
}
PART = 0.25
"""Of every limit, for one process: two consumers and two leaders may call at the same time."""

WAIT_MAX_S = 5.0
"""Whoever would wait longer comes back later instead."""


class TooFast(Exception):  # noqa: N818  # says what happened
    """No call is free for so many seconds (`wait_s`)."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"no call is free for {wait_s:.1f} s")
        self.wait_s = wait_s


class Pace:
    """The calls of one operation that this process may still make."""

    def __init__(self, operation: str, *, part: float = PART) -> None:
        calls, at_once = LIMITS[operation]
        self._most = max(1.0, calls * part)
        self._per_s = self._most / WINDOW_S
        self._left, self._counted_at = self._most, time.monotonic()
        self._held_until = 0.0
        self._at_once = asyncio.Semaphore(max(1, int(at_once * part)))

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Wait for a free call, shortly; `TooFast` when that would take long."""
        wait_s = self._take()
        await asyncio.sleep(wait_s)
        async with self._at_once:
            yield

    def hold(self, seconds: float) -> None:
        """RunPod asked for a pause: it is everybody's who calls this operation."""
        self._held_until = max(self._held_until, time.monotonic() + seconds)

    def _take(self) -> float:
        """Take a call, from the future if need be; in how many seconds it may be made."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._counted_at) * self._per_s)
        self._counted_at = now
        wait_s = max(0.0, (1 - self._left) / self._per_s, self._held_until - now)
        if wait_s > WAIT_MAX_S:
            raise TooFast(wait_s)
        self._left -= 1
        return wait_s
