"""A server that answers what it was told to, in that order: for faults on demand."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sdk.rekindle.client import Rekindle
from sdk.rekindle.tokens import TokenProvider

Answer = bytes | list[bytes] | None
"""All bytes of an answer; or pieces, sent one by one; or nothing: the connection is cut."""

PIECE_PAUSE_S = 0.01


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class ScriptedServer:
    answers: list[Answer]
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read(reader)
            self.requests.append(request)
            answer = self.next_answer(request)
            for piece in [answer] if isinstance(answer, bytes) else answer or []:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(PIECE_PAUSE_S)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def next_answer(self, _request: Request) -> Answer:
        return self.answers.pop(0) if self.answers else None


def measured() -> dict[str, str]:
    """What a program that we start needs, so that its lines are counted as run."""
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


def answer(status: int, document: Any, *, headers: dict[str, str] | None = None) -> bytes:
    body = json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def stream(*pieces: bytes) -> list[bytes]:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    return [head, *pieces]


@asynccontextmanager
async def scripted(
    *answers: Answer, server: ScriptedServer | None = None
) -> AsyncIterator[ScriptedServer]:
    script = server or ScriptedServer(list(answers))
    listening = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    script.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        yield script


@asynccontextmanager
async def talking(
    *answers: Answer,
    tokens: TokenProvider | str | None = None,
    server: ScriptedServer | None = None,
) -> AsyncIterator[tuple[ScriptedServer, Rekindle]]:
    async with scripted(*answers, server=server) as script, Rekindle(script.url, tokens) as client:
        yield script, client


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split()
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    length = int(headers.get("content-length", 0))
    return Request(method, target, headers, await reader.readexactly(length))
