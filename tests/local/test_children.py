"""The nursery: programs that fork from shared imports are programs like any other."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local import nursery as program
from deploy.local.children import LOST, Nursery
from deploy.local.process import Process


@pytest.fixture
async def nursery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Nursery]:
    nursery = Nursery(tmp_path / "nursery.log", {})
    yield nursery
    await nursery.stop()


def python(module: str, *arguments: str, **environment: str) -> Process:
    return Process(
        name="child",
        command=(sys.executable, "-m", module, *arguments),
        environment=environment,
        nursed=True,
    )


async def test_a_child_has_its_own_arguments_environment_and_log(
    nursery: Nursery, tmp_path: Path
) -> None:
    log = tmp_path / "child.log"
    child = await nursery.spawn(python("calendar", "2024", "2", COLUMNS="80"), log)

    assert await child.wait() == 0
    assert "February 2024" in log.read_text()


async def test_its_environment_is_only_what_it_was_given(nursery: Nursery, tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    child = await nursery.spawn(python("tests.local.tell_environment", GIVEN="yes"), log)

    assert await child.wait() == 0
    assert log.read_text() == "{'GIVEN': 'yes'}\n"


async def test_its_exit_code_and_last_words_are_kept(nursery: Nursery, tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    child = await nursery.spawn(python("no_such_module"), log)

    assert await child.wait() == 1
    assert "No module named no_such_module" in log.read_text()


async def test_a_kill_is_heard_of(nursery: Nursery, tmp_path: Path) -> None:
    child = await nursery.spawn(python("http.server", "0", "--bind", "127.0.0.1"), tmp_path / "log")
    assert os.getsid(child.pid) == child.pid

    os.kill(child.pid, signal.SIGKILL)

    assert await asyncio.wait_for(child.wait(), 5) == -signal.SIGKILL


async def test_when_the_nursery_dies_its_children_count_as_ended_and_another_takes_over(
    nursery: Nursery, tmp_path: Path
) -> None:
    first = await nursery.spawn(python("http.server", "0", "--bind", "127.0.0.1"), tmp_path / "log")

    assert nursery._program
    nursery._program.kill()
    assert await asyncio.wait_for(first.wait(), 5) == LOST
    os.kill(first.pid, signal.SIGKILL)

    second = await nursery.spawn(python("calendar", "2024"), tmp_path / "log")
    assert await second.wait() == 0


async def test_nothing_it_imports_starts_a_thread() -> None:
    """A fork copies one thread only: locks that others held would stay locked for ever."""
    names = ", ".join(f"'{name}'" for name in program.SHARED)
    count = (
        "import importlib, threading, os\n"
        f"for name in ({names},): importlib.import_module(name)\n"
        "print(threading.active_count(), len(os.listdir('/proc/self/task')))"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", count, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await child.communicate()

    assert told.decode().split() == ["1", "1"]
