"""A load generator that costs little: bytes of HTTP/1.1 over kept-alive connections."""

import asyncio
import re
import time
from collections.abc import Mapping

HEAD_END = b"\r\n\r\n"
ANSWER_TIMEOUT_S = 30.0
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def request(method: str, path: str, headers: Mapping[str, str] | None = None) -> bytes:
    """One request without a body."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", "content-length: 0"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode()


async def send_many(port: int, asked: bytes, *, number: int, connections: int) -> list[float]:
    """Send the request so often; seconds until each answer, every one of which is a 200."""
    left, took = iter(range(number)), list[float]()

    async def keep_sending() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            began = time.perf_counter()
            writer.write(asked)
            await asyncio.wait_for(_answer(reader), ANSWER_TIMEOUT_S)
            took.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(keep_sending() for _ in range(connections)))
    return took


async def send(port: int, asked: bytes) -> bytes:
    """Send one request; the body of its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(asked)
    body = await asyncio.wait_for(_answer(reader), ANSWER_TIMEOUT_S)
    writer.close()
    return body


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(HEAD_END)
    assert b" 200 " in head[:16], head
    length = _LENGTH.search(head)
    assert length, head
    return await reader.readexactly(int(length[1]))
