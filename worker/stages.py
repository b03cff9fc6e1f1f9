"""Where an attempt is: stages are timed, told to whoever listens, and places to stop at."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

Tell = Callable[[str], None]


class StoppedError(Exception):
    """The attempt was cancelled, or ran out of time; nobody waits for its answer."""


class Stages:
    def __init__(self, tell: Tell, stop: Event) -> None:
        self.seconds: dict[str, float] = {}
        self.facts: dict[str, Any] = {}  # what an engine has to say of its result, for the answer
        self._tell = tell
        self._stop = stop

    def stop_if_asked(self) -> None:
        """For the places inside a long stage where it may end."""
        if self._stop.is_set():
            raise StoppedError

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self.stop_if_asked()
        self._tell(name)
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 3)
