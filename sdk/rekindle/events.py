"""The user's feed as it happens: server-sent events, continued where the connection broke."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import httpx
from pydantic import ValidationError

from sdk.rekindle.models import FeedEvent
from sdk.rekindle.problems import Unreachable
from sdk.rekindle.transport import Transport, problem_of

# The gateway sends a comment every 15 s: three missed ones mean that nobody is there any more.
SILENCE_TIMEOUT_S = 45.0
CONNECT_TIMEOUT_S = 5.0
RECONNECTS_MAX = 8
PAUSE_FIRST_S, PAUSE_MAX_S = 0.2, 10.0
EVENT_BYTES_MAX = 256 * 1024

_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")  # a \r at the very end may be half of \r\n


class EventTooLargeError(ValueError):
    """More bytes than any event of ours; it is not the gateway that speaks."""


@dataclass
class ServerSentEvent:
    """One event as it came over the wire."""

    name: str = "message"
    data: list[str] = field(default_factory=list)


class Parser:
    """Turns bytes, cut anywhere, into events, by the HTML standard's rules."""

    def __init__(self, last_id: int | None = None) -> None:
        self.last_id = self._id = last_id
        self.retry_s = 0.0
        self._rest = b""
        self._event = ServerSentEvent()

    def feed(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """Yield the events that this chunk completes; `last_id` is that of the one just yielded."""
        *lines, self._rest = _LINE_END.split(self._rest + chunk)
        for line in lines:
            if event := self._take(line.decode("utf-8", "replace")):
                yield event
        if len(self._rest) + sum(map(len, self._event.data)) > EVENT_BYTES_MAX:
            raise EventTooLargeError

    def _take(self, line: str) -> ServerSentEvent | None:
        if not line:
            # Only now: an event that was cut off after its number has to come again.
            self.last_id = self._id
            event, self._event = self._event, ServerSentEvent()
            return event if event.data else None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._event.data.append(value)
        elif name == "event":
            self._event.name = value
        elif name == "id" and value.isdecimal():
            self._id = int(value)
        elif name == "retry" and value.isdecimal():
            self.retry_s = int(value) / 1000
        return None


async def follow(
    transport: Transport, *, after: int | None = None, connected: asyncio.Event | None = None
) -> AsyncIterator[FeedEvent]:
    """Yield what happens from now on (or from after an event), for ever.

    After a break it goes on with the next event; a `resync` event says that some are not kept any
    more and that the state has to be read again. `RECONNECTS_MAX` breaks without any event between
    them end it with `Unreachable`.
    """
    last, breaks, retry_s = after, 0, 0.0
    while True:
        parser = Parser(last)
        try:
            async for event in _connection(transport, parser, connected):
                breaks = 0
                if event.type != "reconnect":
                    yield event
        except (httpx.TransportError, Unreachable, EventTooLargeError) as error:
            if breaks >= RECONNECTS_MAX:
                raise Unreachable(f"The events of {transport.base_url} do not come.") from error
        last, retry_s = parser.last_id, parser.retry_s or retry_s
        breaks = min(breaks + 1, RECONNECTS_MAX)
        await asyncio.sleep(min(max(PAUSE_FIRST_S * 2 ** (breaks - 1), retry_s), PAUSE_MAX_S))


async def _connection(
    transport: Transport, parser: Parser, connected: asyncio.Event | None
) -> AsyncIterator[FeedEvent]:
    headers = {"accept": "text/event-stream"}
    if parser.last_id is not None:
        headers["last-event-id"] = str(parser.last_id)
    request = transport.http.build_request(
        "GET",
        f"{transport.base_url}/v1/events",
        headers=headers,
        timeout=httpx.Timeout(SILENCE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
    )
    answer = await transport.send(request, stream=True)
    try:
        if not answer.is_success:
            await answer.aread()
            problem = problem_of(answer)
            if answer.is_server_error:
                raise Unreachable(problem.detail) from problem
            raise problem
        if connected:
            connected.set()
        async for chunk in answer.aiter_bytes():
            for event in parser.feed(chunk):
                if understood := _understood(event, parser.last_id or 0):
                    yield understood
    finally:
        await answer.aclose()


def _understood(event: ServerSentEvent, seq: int) -> FeedEvent | None:
    """Read an event; one that we cannot read is left out, as a newer gateway may send it."""
    try:
        said = json.loads("\n".join(event.data))
        return FeedEvent(
            seq=seq, type=event.name, time=said.get("time"), data=said.get("data") or {}
        )
    except (ValueError, AttributeError, ValidationError):
        return FeedEvent(seq=seq, type=event.name) if event.name == "resync" else None
