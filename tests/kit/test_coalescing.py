"""Items that arrive together are worked on together, and fail alone."""

import asyncio
from collections.abc import Sequence

import pytest

from services.kit.coalescing import Coalesced

SIZE_MAX = 4


class Bench:
    """Doubles numbers, slowly; keeps what was done together."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.free = asyncio.Event()
        self.double = Coalesced(self._work, size_max=SIZE_MAX)

    async def _work(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        await self.free.wait()
        if 0 in numbers:
            raise ConnectionError("away")
        if any(number < 0 for number in numbers):
            raise ValueError(f"{len(numbers)} with a negative one")
        return [2 * number for number in numbers]


async def started(bench: Bench, numbers: Sequence[int]) -> list[asyncio.Task[int]]:
    """One caller per number, of which the first is being worked on."""
    tasks = [asyncio.create_task(bench.double(number)) for number in numbers]
    while not bench.batches:
        await asyncio.sleep(0)
    return tasks


async def test_what_comes_meanwhile_goes_together() -> None:
    bench = Bench()
    tasks = [*await started(bench, [1]), *await started(bench, [2, 3])]
    await asyncio.sleep(0)
    bench.free.set()

    assert await asyncio.gather(*tasks) == [2, 4, 6]
    assert bench.batches == [[1], [2, 3]]


async def test_a_batch_has_a_size() -> None:
    bench = Bench()
    bench.free.set()

    assert await asyncio.gather(*(bench.double(n) for n in range(1, 11))) == list(range(2, 22, 2))
    assert [len(batch) for batch in bench.batches] == [4, 4, 2]


async def test_a_bad_item_fails_alone() -> None:
    bench = Bench()
    bench.free.set()

    answers = await asyncio.gather(*(bench.double(n) for n in (1, -1, 3)), return_exceptions=True)

    assert answers[0] == 2
    assert answers[2] == 6
    assert str(answers[1]) == "1 with a negative one"
    assert bench.batches == [[1, -1, 3], [1], [-1], [3]]


async def test_when_the_database_is_away_nobody_waits_for_the_others_to_learn_it() -> None:
    bench = Bench()
    bench.free.set()

    answers = await asyncio.gather(*(bench.double(n) for n in (1, 0, 3)), return_exceptions=True)

    assert {type(answer) for answer in answers} == {ConnectionError}
    assert bench.batches == [[1, 0, 3]]


async def test_who_has_gone_is_not_worked_for() -> None:
    bench = Bench()
    first, second, third = [*await started(bench, [1]), *await started(bench, [2, 3])]
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    bench.free.set()

    assert (await first, await third) == (2, 6)
    assert bench.batches == [[1], [3]]


async def test_it_goes_on_after_a_failure() -> None:
    bench = Bench()
    bench.free.set()
    with pytest.raises(ValueError, match="negative"):
        await bench.double(-1)

    assert await bench.double(1) == 2
