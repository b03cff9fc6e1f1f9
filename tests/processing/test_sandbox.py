"""Wardens that die or hang cost one task, and nobody else's. What tasks may do: test_walls.py."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from services.processing import sandbox
from services.processing.decoding import PIXELS_MAX
from services.processing.sandbox import Crashed, Sandbox, TaskFailed, task_folder
from tests.processing import pictures


@pytest.fixture(name="box")
def _box() -> Iterator[Sandbox]:
    box = Sandbox(workers=2)
    yield box
    box.close()


async def prepare(box: Sandbox, folder: Path, source: Path) -> dict[str, object]:
    return await box.run(
        "prepare",
        folder=folder,
        source=str(source),
        master=str(folder / f"{source.name}.master"),
        thumbnail=str(folder / f"{source.name}.thumbnail"),
        quad=None,
    )


async def test_a_photo_is_prepared_and_a_bad_one_is_named(box: Sandbox, tmp_path: Path) -> None:
    good = pictures.saved(tmp_path / "good", pictures.corners())
    bad = tmp_path / "bad"
    bad.write_bytes(b"<html>")

    made = await prepare(box, tmp_path, good)
    assert (made["width"], made["height"]) == (320, 240)
    with pytest.raises(TaskFailed) as refused:
        await prepare(box, tmp_path, bad)

    assert refused.value.facts["code"] == "not-a-photo"


async def test_the_largest_photo_fits_into_the_memory_there_is(
    box: Sandbox, tmp_path: Path
) -> None:
    """A WebP needs the most: its decoder holds whole canvases besides the picture."""
    side = int(PIXELS_MAX**0.5)
    largest = pictures.saved(tmp_path / "largest", Image.new("RGB", (side, side), "teal"), "WEBP")

    made = await prepare(box, tmp_path, largest)

    assert (made["width"], made["height"]) == (4096, 4096)


async def test_a_killed_warden_costs_its_own_task_only(box: Sandbox, tmp_path: Path) -> None:
    source = pictures.saved(tmp_path / "a", pictures.corners())
    killed, spared = await both_wardens(box, tmp_path, source)
    for warden in (killed, spared):
        os.kill(warden, signal.SIGSTOP)
    tasks = [asyncio.create_task(prepare(box, tmp_path, source)) for _ in range(2)]
    await asyncio.sleep(0.1)

    os.kill(killed, signal.SIGKILL)
    os.kill(spared, signal.SIGCONT)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {Crashed, dict}
    assert (await prepare(box, tmp_path, source))["width"] == 320


async def test_a_warden_that_hangs_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = pictures.saved(tmp_path / "a", pictures.corners())
    box = Sandbox(workers=1, timeout_s=20)
    await prepare(box, tmp_path, source)
    hung = warden_of(box, 0)
    os.kill(hung, signal.SIGSTOP)
    monkeypatch.setattr(sandbox, "WARDEN_GRACE_S", -19.9)

    with pytest.raises(Crashed):
        await prepare(box, tmp_path, source)

    monkeypatch.undo()
    assert not Path(f"/proc/{hung}").exists()
    assert (await prepare(box, tmp_path, source))["width"] == 320
    box.close()


async def both_wardens(box: Sandbox, folder: Path, source: Path) -> tuple[int, int]:
    await asyncio.gather(*(prepare(box, folder, source) for _ in range(2)))
    return warden_of(box, 0), warden_of(box, 1)


def warden_of(box: Sandbox, number: int) -> int:
    process = box._all[number]._process
    assert process is not None
    return process.pid


async def test_a_cancelled_caller_does_not_lose_the_worker(box: Sandbox, tmp_path: Path) -> None:
    source = pictures.saved(tmp_path / "a", pictures.corners())
    for _ in range(3):
        task = asyncio.create_task(prepare(box, tmp_path, source))
        await asyncio.sleep(0)
        task.cancel()

    assert (await asyncio.wait_for(prepare(box, tmp_path, source), 20))["width"] == 320


def test_what_a_killed_service_left_goes_when_the_next_one_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with subprocess.Popen(["true"]) as dead:
        pass
    for owner in (f"{dead.pid}-1", f"{os.getpid()}-1"):
        left = tmp_path / f"rekindle-task-{owner}-abc"
        left.mkdir()
        (left / "source").touch()
    somebody_elses = tmp_path / "rekindle-task-force"
    somebody_elses.mkdir()

    with task_folder() as in_use:
        Sandbox(workers=1).close()

        assert sorted(tmp_path.iterdir()) == sorted([in_use, somebody_elses])
