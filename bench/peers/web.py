"""What HTTP costs at the least: FastAPI's hello, and a bare Starlette stream to many listeners.

`GET /hello`, `GET /events`; `POST /broadcast` says one line to every listener.
"""

import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.responses import Response, StreamingResponse

WAITING_MAX = 16
PADDING = "x" * 150

app = FastAPI()
listeners: set[asyncio.Queue[bytes]] = set()
said = 0


@app.get("/hello")
async def hello() -> dict[str, str]:
    return {"hello": "world"}


@app.get("/events")
async def events() -> Response:
    return StreamingResponse(_lines(), media_type="text/event-stream")


@app.post("/broadcast")
async def broadcast() -> dict[str, int]:
    global said  # noqa: PLW0603  # one process, one counter
    said += 1
    for waiting in listeners:
        waiting.put_nowait(f'id: {said}\nevent: job\ndata: {{"pad":"{PADDING}"}}\n\n'.encode())
    return {"listeners": len(listeners)}


async def _lines() -> AsyncIterator[bytes]:
    waiting: asyncio.Queue[bytes] = asyncio.Queue(WAITING_MAX)
    listeners.add(waiting)
    try:
        yield b"id: 0\n\n"
        while True:
            yield await waiting.get()
    finally:
        listeners.discard(waiting)
