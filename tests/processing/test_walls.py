"""Each wall is run against: one task fails for the right reason, and the next one is done."""

import ast
import asyncio
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services.processing import seccomp, walls
from services.processing.sandbox import Crashed, Sandbox, TaskFailed
from tests.processing.family import children_of, is_alive

MISDEEDS = "tests.processing.misdeeds"
DENIED = "PermissionError"


@pytest.fixture(name="box", scope="module")
def _box() -> Iterator[Sandbox]:
    box = Sandbox(workers=1, tasks=MISDEEDS)
    yield box
    box.close()


@pytest.fixture(name="folder")
async def _folder(box: Sandbox, tmp_path: Path) -> AsyncIterator[Path]:
    """A task's folder; whatever is done in it, the same sandbox does the next task."""
    folder = tmp_path / "task"
    folder.mkdir()
    yield folder
    assert await box.run("behave", folder=folder) == {"what": "well"}


async def refused(box: Sandbox, folder: Path, task: str, **arguments: Any) -> str:
    with pytest.raises(TaskFailed) as failed:
        await box.run(task, folder=folder, **arguments)
    return failed.value.name


async def crashed(box: Sandbox, folder: Path, task: str, **arguments: Any) -> str:
    with pytest.raises(Crashed) as crash:
        await box.run(task, folder=folder, **arguments)
    return str(crash.value)


async def test_there_is_no_network(box: Sandbox, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        name = await refused(box, folder, "connect", port=server.getsockname()[1])

    assert name == DENIED


async def test_only_the_tasks_own_folder_is_there(box: Sandbox, folder: Path) -> None:
    secret, own = folder.parent / "secret", folder / "own"
    secret.write_text("another customer's photo")
    own.write_text("its own photo")

    assert await refused(box, folder, "read", path="/etc/passwd") == DENIED
    assert await refused(box, folder, "read", path=f"/proc/{os.getpid()}/environ") == DENIED
    assert await refused(box, folder, "read", path=str(secret)) == DENIED
    assert await box.run("read", folder=folder, path=str(own)) == {"what": "its own photo"}


async def test_nothing_is_written_elsewhere(box: Sandbox, folder: Path) -> None:
    secret = folder.parent / "secret"
    secret.write_text("untouched")
    secret.chmod(0o600)

    for task in ("write", "remove", "open_up"):
        assert await refused(box, folder, task, path=str(secret)) == DENIED
    assert await refused(box, folder, "write", path=str(folder.parent / "new")) == DENIED
    await box.run("write", folder=folder, path=str(folder / "new"))

    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("untouched", 0o600)
    assert (folder / "new").exists()


@pytest.mark.parametrize("task", ["run_a_program", "start_a_process"])
async def test_no_program_is_started(box: Sandbox, folder: Path, task: str) -> None:
    assert await refused(box, folder, task) == DENIED


async def test_threads_are_allowed(box: Sandbox, folder: Path) -> None:
    await box.run("start_a_thread", folder=folder)


@pytest.mark.parametrize("task", ["kill", "look_inside"])
async def test_other_processes_are_out_of_reach(box: Sandbox, folder: Path, task: str) -> None:
    assert await refused(box, folder, task, pid=os.getpid()) == DENIED


async def test_limits_cannot_be_lifted(box: Sandbox, folder: Path) -> None:
    assert await refused(box, folder, "raise_own_limits") == "ValueError"


async def test_neither_environment_nor_descriptors_are_inherited(
    box: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY", "secret")
    box._all[0].stop()  # the next warden is started with this environment around

    seen = await box.run("see_the_environment", folder=folder)
    descriptors = await box.run("see_descriptors", folder=folder)

    assert "PYTHONPATH" in seen["what"]
    assert "S3_SECRET_ACCESS_KEY" not in seen["what"]
    assert descriptors["what"] == [0, 1, 2, 3]


async def test_the_limits_are_those_that_were_promised(box: Sandbox, folder: Path) -> None:
    limits = (await box.run("limits", folder=folder))["what"]

    assert limits["DATA"] == [2**30, 2**30]
    assert limits["CPU"] == [10, 10]
    assert limits["FSIZE"] == [walls.FILE_BYTES_MAX] * 2
    assert limits["NOFILE"] == [walls.FILES_OPEN_MAX] * 2
    assert limits["CORE"] == [0, 0]


async def test_memory_has_an_end(box: Sandbox, folder: Path) -> None:
    assert await crashed(box, folder, "eat_memory") == "out of memory"
    assert await refused(box, folder, "eat_shared_memory") == "OSError"


async def test_computing_has_an_end(box: Sandbox, folder: Path) -> None:
    assert await crashed(box, folder, "compute_without_end", cpu_s=1) == "SIGXCPU"


async def test_a_file_has_an_end(box: Sandbox, folder: Path) -> None:
    assert await refused(box, folder, "write_without_end", path=str(folder / "huge")) == "OSError"

    assert (folder / "huge").stat().st_size == walls.FILE_BYTES_MAX


@pytest.mark.parametrize("task", ["sleep_without_end", "close_the_pipe_and_stay"])
async def test_waiting_has_an_end(tmp_path: Path, task: str) -> None:
    box = Sandbox(workers=1, timeout_s=2, tasks=MISDEEDS)
    try:
        reason = await crashed(box, tmp_path, task)
        warden = box._all[0]._process
        assert reason in {"no answer within 2 s", "SIGKILL"}
        assert await box.run("behave", folder=tmp_path) == {"what": "well"}
        assert box._all[0]._process is warden
        assert warden is not None
        assert children_of(warden.pid) == []
    finally:
        box.close()


@pytest.mark.parametrize(
    ("task", "reason"), [("follow_a_stray_pointer", "SIGSEGV"), ("give_up", "SIGABRT")]
)
async def test_a_crash_leaves_no_core(box: Sandbox, folder: Path, task: str, reason: str) -> None:
    before = set(Path.cwd().iterdir())

    assert await crashed(box, folder, task) == reason

    assert set(Path.cwd().iterdir()) == before
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    ["", "not JSON", "[" * 50_000, '{"result": 7}', '{"failed": {}, "facts": 0}', "7" * 200_000],
)
async def test_a_forged_answer_is_a_crash(box: Sandbox, folder: Path, text: str) -> None:
    await crashed(box, folder, "answer", text=text)


async def test_a_warden_that_dies_is_replaced(box: Sandbox, folder: Path) -> None:
    await box.run("behave", folder=folder)
    first = box._all[0]._process
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    first.wait()

    assert "the warden" in await crashed(box, folder, "behave")


async def test_nothing_survives_the_service(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys; from pathlib import Path\n"
        "from services.processing.sandbox import Sandbox\n"
        f"box = Sandbox(workers=1, tasks={MISDEEDS!r})\n"
        "asyncio.run(box.run('sleep_without_end', folder=Path(sys.argv[1])))\n"
    )
    service = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(tmp_path))
    family = await descendants(service.pid, generations=2)

    service.kill()
    await service.wait()

    assert await soon(lambda: not any(is_alive(pid) for pid in family))


async def test_every_wall_stands_here(tmp_path: Path) -> None:
    box = Sandbox(workers=1)
    try:
        seen = await box.run("look", folder=tmp_path)
    finally:
        box.close()

    assert seen["walls"]
    assert [wall for wall, stands in seen["walls"].items() if not stands] == []


@pytest.mark.parametrize("wall", ["_drop_privileges", "_confine_files", "_filter_calls"])
def test_a_missing_wall_is_seen(wall: str, tmp_path: Path) -> None:
    """Without one of them the others are raised all the same, and the gap is told."""
    script = (
        "import sys; from pathlib import Path; from services.processing import walls\n"
        "def missing(*_): raise OSError('not on this kernel')\n"
        f"walls.{wall} = missing\n"
        "walls.enclose(Path(sys.argv[1]))\n"
        "print([name for name, stands in walls.look().standing.items() if not stands])\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout
    gaps = {
        "_drop_privileges": {"privileges"} if os.geteuid() == 0 else set(),
        "_confine_files": {"files"},
        "_filter_calls": {"network", "programs"},
    }

    assert gaps[wall] <= set(ast.literal_eval(told))
    assert "limits" not in ast.literal_eval(told)


@pytest.mark.parametrize(
    ("machine", "calls"),
    [
        ("x86_64", {"socket": 41, "execve": 59, "ptrace": 101, "read": 0, "openat": 257}),
        ("aarch64", {"socket": 198, "execve": 221, "ptrace": 117, "read": 63, "openat": 56}),
    ],
)
def test_the_filter_knows_the_numbers_of_both_machines(machine: str, calls: dict[str, int]) -> None:
    filter_ = seccomp.program(machine, pid=7)
    clone, tgkill, prlimit = {"x86_64": (56, 234, 302), "aarch64": (220, 131, 261)}[machine]

    def verdict(number: int, first: int = 0, on: str = machine) -> str:
        return judge(filter_, on, number, first)

    assert {name: verdict(number) for name, number in calls.items()} == {
        "socket": "EPERM",
        "execve": "EPERM",
        "ptrace": "EPERM",
        "read": "allowed",
        "openat": "allowed",
    }
    assert (verdict(clone, 0x3D0F00), verdict(clone, 17)) == ("allowed", "EPERM")
    assert (verdict(tgkill, 7), verdict(tgkill, 8)) == ("allowed", "EPERM")
    assert (verdict(prlimit, 0), verdict(prlimit, 8)) == ("allowed", "EPERM")
    assert verdict(435) == "ENOSYS"
    assert verdict(0, on="x86_64" if machine == "aarch64" else "aarch64") == "killed"


def judge(program: bytes, machine: str, number: int, first_argument: int) -> str:
    """What the kernel would answer: a filter is run step by step."""
    architecture = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine]
    call = {0: number, 4: architecture, 16: first_argument}
    steps = list(struct.iter_unpack("=HBBI", program))
    at, value = 0, 0
    while True:
        code, if_true, if_false, operand = steps[at]
        at += 1
        if code == 0x06:
            return {0x7FFF0000: "allowed", 0x80000000: "killed"}.get(operand) or {
                0x00050001: "EPERM",
                0x00050026: "ENOSYS",
            }[operand]
        if code == 0x20:
            value = call[operand]
            continue
        holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
        at += if_true if holds else if_false


async def descendants(pid: int, *, generations: int) -> list[int]:
    family = [pid]
    for _ in range(generations):
        assert await soon(partial(children_of, family[-1]))
        family += children_of(family[-1])
    return family


async def soon(condition: Callable[[], object]) -> bool:
    for _ in range(600):
        if condition():
            return True
        await asyncio.sleep(0.05)
    return False
