"""One program of the stack: how it is started, known to be ready, and stopped."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.places import ROOT

PROBE_TIMEOUT_S = 2.0
ANSWER_BYTES_MAX = 4096

Ready = Callable[[], Awaitable[bool]]
Preparation = Callable[[], Awaitable[None]]


async def at_once() -> bool:
    """A program that opens no door is ready when it runs."""
    return True


@dataclass(frozen=True)
class Process:
    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ready: Ready = at_once
    needs: tuple[str, ...] = ()
    port: int | None = None
    directory: Path = ROOT
    # Programs of a higher layer are stopped first; those of one layer are stopped together.
    layer: int = 2
    stop_signal: signal.Signals = signal.SIGTERM
    # PostgreSQL's children must hear of the end from their parent only.
    stop_group: bool = True
    stop_timeout_s: float = 5.0
    start_timeout_s: float = 60.0
    # Whether it is one of ours, `python -m module …`, which the nursery can become.
    nursed: bool = False
    # Done once after it became ready and before those that need it start.
    prepare: Preparation | None = None


def answers_tcp(port: int) -> Ready:
    async def probe() -> bool:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True

    return _within_time(probe)


def answers_http(port: int, path: str) -> Ready:
    """Ask as cheaply as can be: this runs twenty times a second for each program."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()

    async def probe() -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=ANSWER_BYTES_MAX)
        try:
            writer.write(request)
            status_line = await reader.readline()
        finally:
            writer.close()
        return status_line.split(b" ")[1:2] in ([b"200"], [b"204"])

    return _within_time(probe)


def _within_time(probe: Ready) -> Ready:
    async def ready() -> bool:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                return await probe()
        except (OSError, TimeoutError, ValueError):
            return False

    return ready
