"""Many open event streams in one process, each of which notes when an event reached it."""

import asyncio
import re
import resource
import time
from collections.abc import Callable, Sequence
from typing import cast

FILES_EACH_SIDE = 12_000
OPENED_AT_ONCE = 64
PATIENCE_S = 120.0
LOOK_EVERY_S = 0.01
SLOW_BUFFER_BYTES = 4_096
EVENT, NUMBER = b"\nevent: ", b"\nid: "


def raise_file_limit() -> None:
    """Let this process, and what it starts, have a file for each connection."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_EACH_SIDE if most == resource.RLIM_INFINITY else min(FILES_EACH_SIDE, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


class Listener(asyncio.Protocol):
    """One connection: what it heard is counted, not kept, unless asked for."""

    def __init__(self, asked: bytes, *, keeps: bool = False) -> None:
        self._asked, self._keeps = asked, keeps
        self.is_open, self.events, self.last_at = False, 0, 0.0
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._asked)

    def data_received(self, data: bytes) -> None:
        self.last_at = time.perf_counter()
        if not self.is_open:
            assert b" 200 " in data[:16] or not data.startswith(b"HTTP"), data[:300]
            self.is_open = NUMBER in data  # where it starts from: it is registered now
        self.events += data.count(EVENT)
        if self._keeps:
            self.heard += data


class Listeners:
    """So many connections to one port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.all: list[Listener] = []

    async def open(self, requests: Sequence[bytes]) -> None:
        """One connection for each request; returns when every one is being served."""
        places = asyncio.Semaphore(OPENED_AT_ONCE)

        async def join(asked: bytes) -> None:
            async with places:
                one = Listener(asked)
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: one, "127.0.0.1", self.port)
                self.all.append(one)
                await _until(lambda: one.is_open)

        await asyncio.gather(*(join(asked) for asked in requests))

    async def heard(self, events: int) -> list[float]:
        """When each listener had heard that many events in all."""
        await _until(lambda: all(one.events >= events for one in self.all))
        assert all(one.events == events for one in self.all), "somebody heard too much"
        return [one.last_at for one in self.all]

    def close(self, number: int | None = None) -> None:
        """Hang up so many, or all."""
        for one in self.all[:number]:
            one.transport.abort()
        del self.all[:number]


async def open_slow(port: int, asked: bytes) -> asyncio.Transport:
    """A connection that asks and then reads nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=SLOW_BUFFER_BYTES)
    writer.write(asked)
    assert b" 200 " in await reader.readuntil(b"\r\n")
    transport = cast(asyncio.Transport, writer.transport)
    transport.pause_reading()
    return transport


async def replayed(port: int, asked: bytes, events: int) -> list[int]:
    """The numbers of so many events, as a listener gets them that was away."""
    one = Listener(asked, keeps=True)
    await asyncio.get_running_loop().create_connection(lambda: one, "127.0.0.1", port)
    await _until(lambda: one.heard.count(EVENT) >= events)
    one.transport.abort()
    numbers = [int(found) for found in re.findall(NUMBER + rb"(\d+)", one.heard)]
    return numbers[1:]  # the first says where it starts


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {PATIENCE_S} s")
        await asyncio.sleep(LOOK_EVERY_S)
