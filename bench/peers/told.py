"""A program that is told on standard input what to do next, and answers each order in JSON."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping

Action = Callable[[], Awaitable[int]]
"""Does something so many times as it returns."""


async def obey(actions: Mapping[str, Action]) -> None:
    """Say that we are ready, then do one action after the other until the input ends."""
    _say({"ready": True})
    while order := (await asyncio.to_thread(sys.stdin.readline)).strip():
        began = time.perf_counter()
        did = await actions[order]()
        _say({"did": did, "wall_s": time.perf_counter() - began})


async def many(number: int, at_once: int, work: Callable[[int], Awaitable[object]]) -> None:
    """Do the work for every number below, so many at once and never fewer until the last ones."""
    left = iter(range(number))

    async def keep_working() -> None:
        for one in left:
            await work(one)

    await asyncio.gather(*(keep_working() for _ in range(at_once)))


def _say(word: Mapping[str, object]) -> None:
    print(json.dumps(word), flush=True)
