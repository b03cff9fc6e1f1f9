"""Wait until something has changed for good: woken by the event feed, sure by asking again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from sdk.rekindle.events import follow
from sdk.rekindle.problems import RekindleError, TookTooLong
from sdk.rekindle.transport import Transport

ASK_EVERY_S = 1.0
ASK_EVERY_WHILE_TOLD_S = 5.0

State = TypeVar("State")


async def wait_until(
    transport: Transport,
    read: Callable[[], Awaitable[State]],
    *,
    ended: Callable[[State], bool],
    timeout_s: float,
    on_change: Callable[[State], object] | None = None,
) -> State:
    """Read again after each event, and now and then without one, until `ended` says so."""
    last: State | None = None
    try:
        async with asyncio.timeout(timeout_s), _told(transport) as (something, connected):
            while True:
                something.clear()
                state = await read()
                if on_change and state != last:
                    on_change(state)
                if ended(state):
                    return state
                last = state
                pause_s = ASK_EVERY_WHILE_TOLD_S if connected.is_set() else ASK_EVERY_S
                with suppress(TimeoutError):
                    await asyncio.wait_for(something.wait(), pause_s)
    except TimeoutError:
        raise TookTooLong(f"It has not ended within {timeout_s:.0f} s; it goes on.") from None


@asynccontextmanager
async def _told(transport: Transport) -> AsyncIterator[tuple[asyncio.Event, asyncio.Event]]:
    something, connected = asyncio.Event(), asyncio.Event()

    async def listen() -> None:
        try:
            async for _ in follow(transport, connected=connected):
                something.set()
        except RekindleError:
            pass  # asking again is enough; it will also say what is wrong
        finally:
            connected.clear()

    listening = asyncio.create_task(listen())
    try:
        yield something, connected
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
