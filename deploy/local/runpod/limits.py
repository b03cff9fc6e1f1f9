"""RunPod's documented rate limits: so many calls in ten seconds, and so many at once."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WINDOW_SECONDS = 10.0
CALLS_AND_CONCURRENT = {
    "run": (1000, 200),
    "runsync": (2000, 400),
    "status": (2000, 400),
    "stream": (2000, 400),
    "cancel": (100, 20),
    "retry": (1000, 200),
    "purge-queue": (2, 2),
    "health": (2000, 400),
}


class TooManyCalls(Exception):  # noqa: N818 - named like the status it becomes
    pass


class RateLimits:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._calls: dict[str, deque[float]] = {
            operation: deque(maxlen=calls) for operation, (calls, _) in CALLS_AND_CONCURRENT.items()
        }
        self._running = dict.fromkeys(CALLS_AND_CONCURRENT, 0)

    @contextmanager
    def call(self, operation: str) -> Iterator[None]:
        calls, most = self._calls[operation], CALLS_AND_CONCURRENT[operation][1]
        now = self._clock()
        full = len(calls) == calls.maxlen and now - calls[0] < WINDOW_SECONDS
        if full or self._running[operation] >= most:
            raise TooManyCalls
        calls.append(now)
        self._running[operation] += 1
        try:
            yield
        finally:
            self._running[operation] -= 1
