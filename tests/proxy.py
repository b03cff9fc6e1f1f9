"""A TCP proxy on loopback that cuts, slows, stalls, mutes or refuses what passes through it.

Callbacks instead of streams: in a chaos run everything that services say to one another, to
PostgreSQL, RabbitMQ and S3 passes here, in one process.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from types import TracebackType
from typing import Self, cast
from urllib.parse import urlsplit, urlunsplit

HOST = "127.0.0.1"

Doors = Callable[[], Sequence[int]]


class Proxy:
    """Stands before one or several copies of a server on this machine; callers take turns.

    `doors` names their ports whenever somebody calls, so they may begin to listen later.
    """

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._turns = count()
        self._calling: set[asyncio.Task[None]] = set()
        self._ends: set[_End] = set()
        self._accepting = True
        self._answers_left: int | None = None
        self._then = self.cut
        self.delay_s = 0.0
        self.is_muted = self.is_stalled = False

    @classmethod
    def before(cls, url: str) -> Self:
        """Stand before the server of an address; `url_of` then leads through."""
        port = urlsplit(url).port
        assert port
        return cls(lambda: [port])

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Caller(self), HOST, 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, t: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        for task in self._calling:
            task.cancel()
        await asyncio.gather(*self._calling, return_exceptions=True)

    def url_of(self, url: str) -> str:
        """The address of the same server, through this proxy."""
        parts = urlsplit(url)
        user, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}{at}{HOST}:{self.port}"))

    def cut(self) -> None:
        """Break every connection there is; new ones work."""
        for end in list(self._ends):
            end.abort()

    def cut_after(self, answers: int) -> None:
        """Break every connection now, and the next one when the server has spoken that often."""
        self.cut()
        self._answers_left, self._then = answers, self.cut

    def stall_after(self, answers: int) -> None:
        """Break every connection now, and let nothing pass when the server has spoken so often."""
        self.cut()
        self._answers_left, self._then = answers, self.stall

    def stall(self) -> None:
        """Let nothing pass, in either direction, without closing anything."""
        self.is_stalled = True
        for end in self._ends:
            end.may_read()

    def resume(self) -> None:
        self.is_stalled = False
        for end in list(self._ends):
            end.may_read()

    def slow(self, delay_s: float) -> None:
        """Hold everything back for so long, in both directions; 0 lets it run again."""
        self.delay_s = delay_s

    def mute(self) -> None:
        """Let calls through and swallow the answers; the connections are broken in the end."""
        self.is_muted = True

    def unmute(self) -> None:
        self.is_muted = False
        self.cut()

    def refuse(self) -> None:
        """Break every connection and accept no new one."""
        self._accepting = False
        self.cut()

    def accept(self) -> None:
        self._accepting = True

    def called(self, caller: "_Caller") -> None:
        """Somebody connected: call one of the doors for them."""
        if not self._accepting:
            caller.abort()
            return
        self._ends.add(caller)
        task = asyncio.get_running_loop().create_task(self._connect(caller))
        self._calling.add(task)
        task.add_done_callback(self._calling.discard)

    def ended(self, end: "_End") -> None:
        self._ends.discard(end)

    def answered(self) -> None:
        """The server spoke."""
        if self._answers_left is None:
            return
        self._answers_left -= 1
        if self._answers_left <= 0:
            self._answers_left = None
            self._then()

    async def _connect(self, caller: "_Caller") -> None:
        doors, turn = list(self._doors()), next(self._turns)
        for place in range(len(doors)):
            port = doors[(turn + place) % len(doors)]
            try:
                _, there = await asyncio.get_running_loop().create_connection(
                    lambda: _Server(self), HOST, port
                )
            except OSError:
                continue  # nobody listens there: the next copy is asked
            self._ends.add(there)
            caller.meet(there)
            there.meet(caller)
            return
        caller.abort()


class _End(asyncio.Protocol):
    """One side of a connection; what it hears is sent by the other side."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._peer: _End | None = None
        self._is_open = False
        self._is_ended = False
        self._is_peer_full = False
        self._early: list[bytes | None] = []
        self._late: deque[bytes | None] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is of no such class
        self._is_open = True
        self.may_read()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_ended = True
        self._proxy.ended(self)
        if exc is None or self._peer is None:
            self._pass(None)
        else:
            self._peer.abort()

    def data_received(self, data: bytes) -> None:
        self._pass(data)

    def pause_writing(self) -> None:
        if self._peer:
            self._peer.is_told_to_wait(True)

    def resume_writing(self) -> None:
        if self._peer:
            self._peer.is_told_to_wait(False)

    def meet(self, peer: "_End") -> None:
        self._peer = peer
        for data in self._early:
            self._pass(data)
        self.may_read()

    def is_told_to_wait(self, is_peer_full: bool) -> None:  # noqa: FBT001  # a state, told on
        self._is_peer_full = is_peer_full
        self.may_read()

    def may_read(self) -> None:
        """Read only when what is read can go somewhere."""
        if not self._is_open or self._is_ended:
            return
        if self._peer is None or self._is_peer_full or self._proxy.is_stalled:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def send(self, data: bytes | None) -> None:
        if self._is_ended:
            return
        if data is None:
            self._transport.close()
        else:
            self._transport.write(data)

    def abort(self) -> None:
        if self._is_open and not self._is_ended:
            self._transport.abort()
            if self._peer and not self._peer.is_ended:
                self._peer.hang_up()

    @property
    def is_ended(self) -> bool:
        return self._is_ended

    def hang_up(self) -> None:
        self._transport.abort()

    def _pass(self, data: bytes | None) -> None:
        if self._peer is None:  # uvloop reads once even when told not to
            self._early.append(data)
        elif self._proxy.delay_s or self._late:
            # One by one: what was held back first goes first.
            self._late.append(data)
            asyncio.get_running_loop().call_later(self._proxy.delay_s, self._pass_late)
        else:
            self._peer.send(data)

    def _pass_late(self) -> None:
        assert self._peer
        if self._late:
            self._peer.send(self._late.popleft())


class _Caller(_End):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._proxy.called(self)


class _Server(_End):
    def data_received(self, data: bytes) -> None:
        if self._proxy.is_muted:
            return
        super().data_received(data)
        self._proxy.answered()
