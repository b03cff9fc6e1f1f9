"""Things kept for a while in memory: always a limited number, always for a limited time."""

import secrets
from collections.abc import Callable
from typing import Generic, TypeVar

Entry = TypeVar("Entry")
Clock = Callable[[], float]


class ExpiringTable(Generic[Entry]):
    """Entries under names that nobody can guess. When it is full, the oldest goes."""

    def __init__(self, *, entries_max: int, lifetime_s: float, clock: Clock) -> None:
        self._entries_max, self._lifetime_s, self._clock = entries_max, lifetime_s, clock
        self._entries: dict[str, tuple[float, Entry]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Entry) -> str:
        """Keep an entry, and say under which name."""
        if len(self._entries) >= self._entries_max:
            del self._entries[next(iter(self._entries))]
        name = secrets.token_urlsafe(32)
        self._entries[name] = (self._clock() + self._lifetime_s, entry)
        return name

    def get(self, name: str | None) -> Entry | None:
        until, entry = self._entries.get(name or "", (0.0, None))
        return entry if self._clock() < until else None

    def pop(self, name: str | None) -> Entry | None:
        """Give an entry out for the last time."""
        entry = self.get(name)
        self._entries.pop(name or "", None)
        return entry

    def drop(self, unwanted: Callable[[Entry], bool]) -> None:
        kept = {name: row for name, row in self._entries.items() if not unwanted(row[1])}
        self._entries = kept


class RateLimit:
    """At most so many tries of one kind within a window, for each key."""

    def __init__(self, *, tries_max: int, window_s: int, keys_max: int, clock: Clock) -> None:
        self._tries_max, self.window_s, self._keys_max = tries_max, window_s, keys_max
        self._clock = clock
        self._windows: dict[str, tuple[float, int]] = {}

    def allows(self, key: str) -> bool:
        """Count one more try, and say whether it may go on."""
        began, tries = self._windows.pop(key, (self._clock(), 0))
        if self._clock() - began >= self.window_s:
            began, tries = self._clock(), 0
        if len(self._windows) >= self._keys_max:
            del self._windows[next(iter(self._windows))]
        self._windows[key] = (began, tries + 1)
        return tries < self._tries_max

    def forget(self, key: str) -> None:
        self._windows.pop(key, None)
