"""The event stream: the feed as server-sent events, replayed and live by the same query.

    register ──▶ place ──▶ read what is new ──▶ wait for a nudge, or for the heartbeat
                               ▲                              │
                               └──────────────────────────────┘

A stream ends with `event: reconnect` when this process stops or the proof of identity runs out;
`event: resync` says that events are gone for good, so that lists should be loaded again.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Header, Query
from fastapi.responses import Response
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from services.gateway import feed
from services.gateway.parts import Gateway, Parts
from services.gateway.streams import Stream, Streams
from services.gateway.visitors import Reader, Visitor
from services.kit.db import is_transient

router = APIRouter(
    prefix="/v1", tags=["events"], generate_unique_id_function=lambda route: route.name
)

WRITE_TIMEOUT_S = 30
RETRY_MS_MIN, RETRY_MS_MAX = 2_000, 5_000
SEQ_MAX = 2**63 - 1
HEARTBEAT = b": still here\n\n"

log = structlog.get_logger()

After = Annotated[int | None, Query(ge=0, le=SEQ_MAX, description="Replay what is newer.")]
LastEventId = Annotated[
    int | None,
    Header(alias="Last-Event-ID", ge=0, le=SEQ_MAX, description="Counts before `after`."),
]
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events; the `data` of each is a FeedEvent as JSON.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


class EventStream(StreamingResponse):
    """A streaming answer that deregisters its listener however it ends."""

    media_type = "text/event-stream"

    def __init__(self, chunks: AsyncIterator[bytes], stream: Stream, streams: Streams) -> None:
        # Proxies that buffer would hold events back.
        super().__init__(chunks, headers={"x-accel-buffering": "no"})
        self._stream, self._streams = stream, streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def bounded(message: Message) -> None:
            # A listener that does not read must not keep its buffers for ever.
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await send(message)

        try:
            await super().__call__(scope, receive, bounded)
        finally:
            self._streams.leave(self._stream)


@router.get("/events", response_class=StreamingResponse, responses=STREAM)
async def listen(
    visitor: Reader, gateway: Gateway, after: After = None, last_event_id: LastEventId = None
) -> Response:
    """What happens to the account's photos, jobs and credits, as it happens.

    Without a place to start from, the stream starts with what happens next.
    """
    stream = gateway.streams.join(visitor.account_id)
    seen = after if last_event_id is None else last_event_id
    return EventStream(_chunks(gateway, visitor, stream, seen), stream, gateway.streams)


async def _chunks(
    gateway: Parts, visitor: Visitor, stream: Stream, seen: int | None
) -> AsyncIterator[bytes]:
    # Listeners that lose their gateway at the same time must not all come back at once.
    yield f"retry: {random.randint(RETRY_MS_MIN, RETRY_MS_MAX)}\n\n".encode()  # noqa: S311
    reading = _Reading(gateway, stream.account_id, seen)
    while not gateway.streams.closing and time.time() < visitor.expires_at:
        stream.changed.clear()
        if chunk := await reading.next_chunk():
            yield chunk
        if reading.has_more:
            continue
        patience_s = min(gateway.settings.event_heartbeat_s, visitor.expires_at - time.time())
        try:
            async with asyncio.timeout(patience_s):
                await stream.changed.wait()
        except TimeoutError:
            # The feed is looked at again now, in case a nudge was lost.
            yield HEARTBEAT
    yield reading.farewell()


class _Reading:
    """How far one listener has read."""

    def __init__(self, gateway: Parts, account_id: UUID, seen: int | None) -> None:
        self._engine, self._feeds = gateway.engine, gateway.feeds
        self._account_id, self._seen = account_id, seen
        self._is_placed = self.has_more = False

    async def next_chunk(self) -> bytes:
        """What is new, in bytes; nothing while the database is away."""
        try:
            return await self._read()
        except Exception as error:
            is_away = isinstance(error, OSError | TimeoutError | PoolTimeout)
            if not (is_away or is_transient(error)):
                raise
            log.warning("feed.unreachable", error=repr(error)[:200])
            return b""

    def farewell(self) -> bytes:
        """The last event; its number says from where to go on elsewhere."""
        return _event("reconnect", datetime.now(UTC), {}, seq=self._seen)

    async def _read(self) -> bytes:
        chunks, seen = [], self._seen or 0
        if not self._is_placed:
            async with self._engine.connect() as connection:
                seen, has_gap = await feed.place(connection, self._account_id, seen=self._seen)
            chunks.append(_about_place(seen, has_gap=has_gap))
        events = await self._feeds((self._account_id, seen))
        for event in events:
            chunks.append(_event(event.type, event.time, event.data, seq=event.seq))
            seen = event.seq
        self._is_placed, self._seen, self.has_more = True, seen, len(events) == feed.PAGE
        return b"".join(chunks)


def _about_place(seen: int, *, has_gap: bool) -> bytes:
    if has_gap:
        return _event("resync", datetime.now(UTC), {}, seq=seen)
    # A number without data: a listener that loses us before the first event misses nothing.
    return f"id: {seen}\n\n".encode()


def _event(name: str, when: datetime, data: dict[str, Any], *, seq: int | None) -> bytes:
    moment = when.astimezone(UTC).isoformat().replace("+00:00", "Z")
    document = json.dumps({"type": name, "time": moment, "data": data}, separators=(",", ":"))
    number = "" if seq is None else f"id: {seq}\n"
    return f"{number}event: {name}\ndata: {document}\n\n".encode()
