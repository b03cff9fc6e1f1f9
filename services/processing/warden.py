"""The warden: loads the decoders once, then gives each task to a process of its own.

Started by `sandbox.py`. It has one thread and never decodes, so forking it is safe; a task's
process is born with everything loaded, raises its walls, answers through a pipe of its own, and
ends. What it answers is passed on unread.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from PIL import Image, ImageCms

from services.processing import walls
from services.processing.sandbox import ANSWER_BYTES_MAX

_OUT_OF_MEMORY = b'{"crashed": "out of memory"}'
_ANSWER_FD = 3

Task = Callable[..., Any]


def main(pipe_fd: str, tasks_module: str, timeout_s: str, parent: str) -> None:
    """Serve until the other end of the pipe is closed."""
    walls.die_with_parent(int(parent))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which ends us
    tasks: dict[str, Task] = import_module(tasks_module).TASKS
    # What Pillow would load when it meets its first picture is loaded once, for all.
    Image.init()
    ImageCms.createProfile("sRGB")
    pipe = Connection(int(pipe_fd))
    pipe.send_bytes(_in_its_own_process(walls.look, None, {}, float(timeout_s)))
    while True:
        try:
            task, folder, arguments = json.loads(pipe.recv_bytes())
        except EOFError:
            return
        pipe.send_bytes(_in_its_own_process(tasks[task], Path(folder), arguments, float(timeout_s)))


def _in_its_own_process(
    task: Task, folder: Path | None, arguments: dict[str, Any], timeout_s: float
) -> bytes:
    """The task's answer, or how its process ended without one."""
    reading, writing = os.pipe()
    warden, child = os.getpid(), os.fork()
    if child == 0:
        _work(warden, writing, folder, task, arguments)
    os.close(writing)
    answer, in_time = _read(reading, timeout_s)
    os.close(reading)
    os.kill(child, signal.SIGKILL)  # nothing happens if it ended by itself, and how is kept
    _, status = os.waitpid(child, 0)
    if not in_time:
        return _crashed(f"no answer within {timeout_s:g} s")
    if not answer:
        return _crashed(_how_it_ended(status))
    return answer


def _read(reading: int, timeout_s: float) -> tuple[bytes, bool]:
    """Everything until the other end is closed, and whether that happened in time."""
    answer, until = b"", time.monotonic() + timeout_s
    while len(answer) < ANSWER_BYTES_MAX:
        ready, _, _ = select.select([reading], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return b"", False
        part = os.read(reading, ANSWER_BYTES_MAX - len(answer))
        if not part:
            return answer, True
        answer += part
    return b"", True


def _how_it_ended(status: int) -> str:
    if not os.WIFSIGNALED(status):
        return f"exit code {os.waitstatus_to_exitcode(status)}"
    return signal.Signals(os.WTERMSIG(status)).name


def _crashed(reason: str) -> bytes:
    return json.dumps({"crashed": reason}).encode()


def _work(
    warden: int, writing: int, folder: Path | None, task: Task, arguments: dict[str, Any]
) -> NoReturn:
    """The task's process: raise the walls, do the task, answer, end."""
    try:
        walls.die_with_parent(warden)
        _keep_only(writing)
        walls.enclose(folder)
        os.write(_ANSWER_FD, _answer(task, arguments))
    finally:
        os._exit(1)


def _keep_only(writing: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):  # decoders complain of strangers' files on the standard error
        os.dup2(nowhere, descriptor)
    os.dup2(writing, _ANSWER_FD)
    os.closerange(_ANSWER_FD + 1, os.sysconf("SC_OPEN_MAX"))


def _answer(task: Task, arguments: dict[str, Any]) -> bytes:
    try:
        return json.dumps({"result": asdict(task(**arguments))}).encode()
    except MemoryError:
        return _OUT_OF_MEMORY
    except Exception as error:  # noqa: BLE001  # whatever it is, the service names it
        facts = {k: str(getattr(error, k)) for k in ("code", "detail") if hasattr(error, k)}
        facts = facts or {"detail": str(error)[:500]}
        return json.dumps({"failed": type(error).__name__, "facts": facts}).encode()


if __name__ == "__main__":
    main(*sys.argv[1:])
