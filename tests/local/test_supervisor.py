import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.local import armed
from deploy.local.home import Home
from deploy.local.process import Process
from deploy.local.supervisor import STOP_BUDGET_S, Supervisor
from deploy.local.trouble import StackError

# It says when it begins and ends; a file is its readiness.
PROGRAM = """
import pathlib, signal, sys, time
name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
def note(what):
    with (folder / "story").open("a") as story: story.write(f"{name} {what}\\n")
def leave(*_):
    note("ends"); sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if "deaf" in name else leave)
note("begins"); (folder / name).touch()
while True: time.sleep(60)
"""


@asynccontextmanager
async def supervised(folder: Path, *processes: Process) -> AsyncIterator[Supervisor]:
    home = Home(folder)
    home.create()
    supervisor = Supervisor(home, processes, changed=lambda _: None, say=lambda _: None)
    try:
        await supervisor.start()
        yield supervisor
    finally:
        await supervisor.stop()


def program(folder: Path, name: str, **more: Any) -> Process:
    async def ready() -> bool:
        return (folder / name).exists()

    return Process(
        name=name,
        command=(sys.executable, "-c", PROGRAM, name, str(folder)),
        environment=dict(os.environ),
        ready=ready,
        **more,
    )


def story(folder: Path) -> list[str]:
    return (folder / "story").read_text().splitlines()


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.02)


async def test_programs_start_in_order_of_need_and_stop_in_reverse(tmp_path: Path) -> None:
    programs = [
        program(tmp_path, "service", needs=("server",), layer=2),
        program(tmp_path, "server", layer=0),
    ]

    async with supervised(tmp_path, *programs):
        pass

    assert story(tmp_path) == ["server begins", "service begins", "service ends", "server ends"]


async def test_a_killed_program_is_started_again(tmp_path: Path) -> None:
    async with supervised(tmp_path, program(tmp_path, "relay")) as supervisor:
        first = supervisor.running["relay"].pid
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: story(tmp_path).count("relay begins") == 2)

        assert supervisor.running["relay"].pid != first


async def test_a_program_is_armed_for_its_next_start_only(tmp_path: Path) -> None:
    tells = PROGRAM.replace('note("begins")', 'note(os.environ.get("REKINDLE_FAILPOINT"))')
    telling = Process(
        name="relay",
        command=(sys.executable, "-c", f"import os\n{tells}", "relay", str(tmp_path)),
        environment=dict(os.environ),
    )
    async with supervised(tmp_path, telling) as supervisor:
        armed.arm(supervisor.home, "relay", "before_publish:exit")
        os.kill(supervisor.running["relay"].pid, signal.SIGKILL)
        await eventually(lambda: len(story(tmp_path)) == 2)
        os.kill(supervisor.running["relay"].pid, signal.SIGKILL)
        await eventually(lambda: len(story(tmp_path)) == 3)

    assert story(tmp_path)[:3] == ["relay None", "relay before_publish:exit", "relay None"]


async def test_one_that_does_not_listen_is_killed_in_time(tmp_path: Path) -> None:
    async with supervised(
        tmp_path, program(tmp_path, "deaf", layer=2, stop_timeout_s=0.3), program(tmp_path, "fine")
    ) as supervisor:
        pid = supervisor.running["deaf"].pid
        began = time.monotonic()

    assert time.monotonic() - began < STOP_BUDGET_S / 2
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_one_that_cannot_start_ends_the_start_with_its_last_words(tmp_path: Path) -> None:
    broken = Process(
        name="broken",
        command=(sys.executable, "-c", "raise SystemExit('no key was given')"),
        environment=dict(os.environ),
    )

    with pytest.raises(StackError, match="no key was given") as refusal:
        async with supervised(tmp_path, broken, program(tmp_path, "fine")):
            pass

    assert "broken could not be started" in str(refusal.value)


async def test_a_missing_program_is_a_sentence(tmp_path: Path) -> None:
    missing = Process(name="gone", command=(str(tmp_path / "gone"),), environment={})

    with pytest.raises(StackError, match="gone could not be started"):
        async with supervised(tmp_path, missing):
            pass


async def test_preparing_is_done_before_those_that_need_it_start(tmp_path: Path) -> None:
    async def prepare() -> None:
        await asyncio.sleep(0.1)
        with (tmp_path / "story").open("a") as file:
            file.write("prepared\n")

    programs = [
        program(tmp_path, "service", needs=("server",)),
        program(tmp_path, "server", prepare=prepare),
    ]
    async with supervised(tmp_path, *programs):
        assert story(tmp_path) == ["server begins", "prepared", "service begins"]
