"""Children that die, hang or bloat cost one task, and nobody else's."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.processing import sandbox
from services.processing.sandbox import Crashed, Sandbox, TaskFailed
from tests.processing import pictures


@pytest.fixture(name="box")
def _box() -> Iterator[Sandbox]:
    box = Sandbox(workers=2)
    yield box
    box.close()


async def prepare(box: Sandbox, folder: Path, source: Path) -> dict[str, object]:
    return await box.run(
        "prepare",
        source=str(source),
        master=str(folder / f"{source.name}.master"),
        thumbnail=str(folder / f"{source.name}.thumbnail"),
        quad=None,
    )


async def test_a_photo_is_prepared_and_a_bad_one_is_named(box: Sandbox, tmp_path: Path) -> None:
    good = pictures.saved(tmp_path / "good", pictures.corners())
    bad = tmp_path / "bad"
    bad.write_bytes(b"<html>")

    assert await prepare(box, tmp_path, good) == {"width": 320, "height": 240}
    with pytest.raises(TaskFailed) as refused:
        await prepare(box, tmp_path, bad)

    assert refused.value.facts["code"] == "not-a-photo"


async def test_a_killed_child_costs_its_own_task_only(box: Sandbox, tmp_path: Path) -> None:
    source = pictures.saved(tmp_path / "a", pictures.corners())
    killed, spared = await both_children(box, tmp_path, source)
    for child in (killed, spared):
        os.kill(child, signal.SIGSTOP)
    tasks = [asyncio.create_task(prepare(box, tmp_path, source)) for _ in range(2)]
    await asyncio.sleep(0.1)

    os.kill(killed, signal.SIGKILL)
    os.kill(spared, signal.SIGCONT)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {Crashed, dict}
    assert (await prepare(box, tmp_path, source))["width"] == 320


async def test_a_hung_child_is_killed_and_replaced(box: Sandbox, tmp_path: Path) -> None:
    source = pictures.saved(tmp_path / "a", pictures.corners())
    children = await both_children(box, tmp_path, source)
    box._timeout_s = 0.1
    for child in children:
        os.kill(child, signal.SIGSTOP)

    with pytest.raises(Crashed):
        await prepare(box, tmp_path, source)

    assert sum(map(is_alive, children)) == 1


async def test_a_child_has_limits_and_is_replaced_in_time(
    box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = pictures.saved(tmp_path / "a", pictures.corners())
    child, _ = await both_children(box, tmp_path, source)
    limits = limits_of(child)
    monkeypatch.setattr(sandbox, "TASKS_MAX_PER_CHILD", 1)

    await asyncio.gather(*(prepare(box, tmp_path, source) for _ in range(2)))

    assert f"{sandbox.MEMORY_BYTES_MAX}" in limits
    assert f"{sandbox.FILE_BYTES_MAX}" in limits
    assert not is_alive(child)


def is_alive(child: int) -> bool:
    return Path(f"/proc/{child}").exists()


def limits_of(child: int) -> str:
    return Path(f"/proc/{child}/limits").read_text()


async def both_children(box: Sandbox, folder: Path, source: Path) -> tuple[int, int]:
    await asyncio.gather(*(prepare(box, folder, source) for _ in range(2)))
    first, second = (worker._process.pid for worker in box._all)
    return first, second


async def test_a_cancelled_caller_does_not_lose_the_worker(box: Sandbox, tmp_path: Path) -> None:
    source = pictures.saved(tmp_path / "a", pictures.corners())
    for _ in range(3):
        task = asyncio.create_task(prepare(box, tmp_path, source))
        await asyncio.sleep(0)
        task.cancel()

    assert (await asyncio.wait_for(prepare(box, tmp_path, source), 20))["width"] == 320
