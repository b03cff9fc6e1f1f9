"""The peers' web application, served like our gateway: one process of uvicorn on its own port."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from bench import peer_process

STARTED_WITHIN_S, LOOK_EVERY_S = 20.0, 0.1


@dataclass(frozen=True, slots=True)
class WebPeer:
    """Where it listens, and who it is."""

    pid: int
    port: int


@asynccontextmanager
async def running() -> AsyncIterator[WebPeer]:
    """Serve it for as long as the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    place = ("--host", "127.0.0.1", "--port", str(port), "--no-access-log")
    quiet = ("--no-proxy-headers", "--no-server-header", "--log-level", "warning")
    command = ("-m", "uvicorn", "bench.peers.web:app", *place, *quiet)
    async with peer_process.running("FastAPI", command, {}) as peer:
        await _answers(port)
        yield WebPeer(peer.pid, port)


async def _answers(port: int) -> None:
    for _ in range(int(STARTED_WITHIN_S / LOOK_EVERY_S)):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(LOOK_EVERY_S)
    raise peer_process.PeerFailed(f"FastAPI does not answer on port {port}")
