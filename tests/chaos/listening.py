"""Readers of the event stream, to compare what they were told with what is true."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from sdk.rekindle.models import FeedEvent
from sdk.rekindle.problems import RekindleError
from tests.chaos.workload import User

PAUSE_S = 1.0


class Listener:
    """One user's open stream; it connects again for as long as the run lasts."""

    def __init__(self, user: User) -> None:
        self._user = user
        self.account = user.account
        self.heard: list[FeedEvent] = []
        self.is_resynced = False

    async def listen(self) -> None:
        while True:
            # What the SDK gives up on after many breaks, a person opens again.
            with suppress(RekindleError):
                async for event in self._user.client.events(after=self._last):
                    self.is_resynced |= event.type == "resync"
                    self.heard.append(event)
            await asyncio.sleep(PAUSE_S)

    async def heard_until(self, seq: int, *, patience_s: float) -> None:
        """Wait until the last event has arrived; who never hears it is found out by the checker."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while self._last < seq:
                    await asyncio.sleep(0.1)

    @property
    def _last(self) -> int:
        return self.heard[-1].seq if self.heard else 0


@asynccontextmanager
async def listeners(users: Sequence[User]) -> AsyncIterator[list[Listener]]:
    """One for each of these users, for as long as the block lasts."""
    ours = [Listener(user) for user in users]
    tasks = [asyncio.create_task(one.listen()) for one in ours]
    try:
        yield ours
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
