"""The event feed: cut anywhere, broken off, and continued."""

import asyncio
import json
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk.rekindle import RekindleProblem, Unreachable, events
from sdk.rekindle.client import Rekindle
from sdk.rekindle.models import FeedEvent
from tests.sdk.scripted import answer, stream, talking

WIRE = (
    b": heartbeat\n\n"
    b"id: 7\nevent: processing.job.queued\ndata: {}\n\n"
    b'id:8\r\nevent:credits.hold.placed\r\ndata:{"data":\r\ndata:{"amount":4}}\r\n\r\n'
    b"retry: 5\ndata: caf\xc3\xa9 \xe2\x80\xa8 end\n\n"
    b"id: 9\nevent: half\n"
)


def event(number: int, name: str = "credits.hold.placed") -> bytes:
    data = json.dumps({"type": name, "time": "2026-01-02T03:04:05Z", "data": {"amount": number}})
    return f"id: {number}\nevent: {name}\ndata: {data}\n\n".encode()


def parsed(pieces: list[bytes]) -> list[tuple[int | None, str, list[str]]]:
    parser = events.Parser()
    return [(parser.last_id, one.name, one.data) for piece in pieces for one in parser.feed(piece)]


SAID = [
    (7, "processing.job.queued", ["{}"]),
    (8, "credits.hold.placed", ['{"data":', '{"amount":4}}']),
    (8, "message", ["café \u2028 end"]),
]


def test_events_are_the_same_wherever_the_bytes_are_cut_once() -> None:
    for place in range(len(WIRE) + 1):
        assert parsed([WIRE[:place], WIRE[place:]]) == SAID, WIRE[:place]


@given(st.lists(st.integers(0, len(WIRE)), max_size=12))
def test_events_are_the_same_wherever_the_bytes_are_cut(cuts: list[int]) -> None:
    places = sorted({0, *cuts, len(WIRE)})

    assert parsed([WIRE[start:end] for start, end in pairwise(places)]) == SAID


def feed_for_ever(parser: events.Parser) -> None:
    for _ in range(100):
        list(parser.feed(b"data: " + b"x" * 8192 + b"\n"))


def test_an_event_without_an_end_does_not_fill_the_memory() -> None:
    parser = events.Parser()

    with pytest.raises(events.EventTooLargeError):
        feed_for_ever(parser)


async def take(rekindle: Rekindle, count: int) -> list[FeedEvent]:
    found: list[FeedEvent] = []
    async with asyncio.timeout(10):
        async for one in rekindle.events():
            found.append(one)
            if len(found) == count:
                break
    return found


async def test_a_broken_stream_is_continued_after_the_last_event() -> None:
    first, second = event(41), event(42)
    async with talking(stream(first, second[:9]), stream(second)) as (server, rekindle):
        found = await take(rekindle, 2)

    assert [(one.seq, one.data["amount"]) for one in found] == [(41, 41), (42, 42)]
    assert "last-event-id" not in server.requests[0].headers
    assert server.requests[1].headers["last-event-id"] == "41"


async def test_a_gateway_that_restarts_is_come_back_to() -> None:
    restarting = answer(503, {"detail": "restarting"})
    async with talking(None, restarting, stream(event(1))) as (_, rekindle):
        found = await take(rekindle, 1)

    assert found[0].seq == 1


async def test_a_stream_that_breaks_before_its_first_event_misses_nothing() -> None:
    placed, ending = b"id: 40\n\n", b"event: reconnect\ndata: {}\n\n"
    async with talking(stream(placed, ending), stream(event(41))) as (server, rekindle):
        found = await take(rekindle, 1)

    assert found[0].seq == 41
    assert server.requests[1].headers["last-event-id"] == "40"


async def test_a_gateway_that_asks_for_patience_is_not_run_over() -> None:
    async with talking(stream(b"retry: 300\n\n"), stream(event(1))) as (_, rekindle):
        began = time.monotonic()
        await take(rekindle, 1)

    assert time.monotonic() - began >= 0.3


async def test_resync_is_told_even_without_data() -> None:
    async with talking(stream(b"event: resync\ndata:\n\n")) as (_, rekindle):
        found = await take(rekindle, 1)

    assert found[0].type == "resync"


async def test_a_refusal_ends_the_stream_at_once() -> None:
    async with talking(answer(403, {"code": "forbidden", "detail": "No."})) as (server, rekindle):
        with pytest.raises(RekindleProblem, match="No"):
            await take(rekindle, 1)

    assert len(server.requests) == 1


async def test_a_gateway_that_never_comes_back_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "PAUSE_MAX_S", 0.01)
    async with talking() as (server, rekindle):
        with pytest.raises(Unreachable):
            await take(rekindle, 1)

    assert len(server.requests) == events.RECONNECTS_MAX + 1
