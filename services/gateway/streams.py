"""Who is listening: the open event streams of this process, each with a flag that says "look".

The flag is all a nudge can set. The events themselves are read from the feed, so a slow listener
costs no memory and a lost nudge costs only time.
"""

import asyncio
from uuid import UUID

from services.gateway.errors import TooManyStreams
from services.kit.problems import Unavailable

STREAMS_PER_ACCOUNT_MAX = 5
RETRY_AFTER_S = 30


class Stream:
    """One listener; `changed` is set when there may be something to read, or to end."""

    def __init__(self, account_id: UUID) -> None:
        self.account_id = account_id
        self.changed = asyncio.Event()


class Streams:
    """All listeners of this process."""

    def __init__(self, *, streams_max: int) -> None:
        self._max = streams_max
        self._open: dict[UUID, set[Stream]] = {}
        self._count = 0
        self.closing = False

    def join(self, account_id: UUID) -> Stream:
        """Register a listener, or refuse it."""
        if self.closing or self._count >= self._max:
            raise Unavailable("No more event streams here.", retry_after_s=RETRY_AFTER_S)
        if len(self._open.get(account_id, ())) >= STREAMS_PER_ACCOUNT_MAX:
            raise TooManyStreams(streams_max=STREAMS_PER_ACCOUNT_MAX, retry_after_s=RETRY_AFTER_S)
        stream = Stream(account_id)
        self._open.setdefault(account_id, set()).add(stream)
        self._count += 1
        return stream

    def leave(self, stream: Stream) -> None:
        """Forget a listener."""
        listeners = self._open.get(stream.account_id, set())
        if stream in listeners:
            listeners.remove(stream)
            self._count -= 1
        if not listeners:
            self._open.pop(stream.account_id, None)

    def nudge(self, account_id: UUID) -> None:
        """Tell the listeners of an account to look."""
        for stream in self._open.get(account_id, ()):
            stream.changed.set()

    def close(self) -> None:
        """Tell every listener to end, because this process does."""
        self.closing = True
        for listeners in self._open.values():
            for stream in listeners:
                stream.changed.set()
