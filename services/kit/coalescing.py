"""What is asked for at the same time is done together, in one transaction instead of many.

The first item is worked on at once; what arrives meanwhile waits, and goes together as soon as that
is done. So nothing ever waits for a timer, a quiet system does one at a time, and the busier it
gets, the more each transaction carries: this is what makes a saga of many small steps cheap.

A batch that fails is done again item by item, so that a bad one harms only itself; but not when the
database is away: then all of them fail at once, and not one after the other.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from services.kit.db import is_away

Item = TypeVar("Item")
Answer = TypeVar("Answer")

Work = Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]]


class Coalesced(Generic[Item, Answer]):
    """Work on items one batch after the other; whoever brings an item gets its answer.

    `work` gives one answer per item, in their order, and may be called again with an item of a
    batch that it failed on. As many items wait as there are callers: they are what bounds it.
    """

    def __init__(self, work: Work[Item, Answer], *, size_max: int) -> None:
        self._work, self._size_max = work, size_max
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._working: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Answer:
        """The answer to this item, worked on together with those that came meanwhile."""
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answered))
        if self._working is None:
            self._working = asyncio.create_task(self._work_off())
        return await answered

    async def _work_off(self) -> None:
        try:
            while batch := self._next_batch():
                await self._answer(batch)
        finally:
            self._working = None

    def _next_batch(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        batch: list[tuple[Item, asyncio.Future[Answer]]] = []
        while self._waiting and len(batch) < self._size_max:
            item, answered = self._waiting.popleft()
            if not answered.done():  # else its caller has gone
                batch.append((item, answered))
        return batch

    async def _answer(self, batch: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._work([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001  # it is raised again where it belongs
            if len(batch) > 1 and not is_away(error):
                for one in batch:
                    await self._answer([one])
                return
            for _, answered in batch:
                if not answered.done():
                    answered.set_exception(error)
            return
        for (_, answered), answer in zip(batch, answers, strict=True):
            if not answered.done():
                answered.set_result(answer)
