"""Where hostile files are decoded: processes of their own, behind walls, one for each task.

    Sandbox ──pipe──▶ warden ──fork──▶ one process per task, behind walls (`walls.py`)

A warden is a fresh Python that has the decoders loaded but never decodes; it is started with
neither our environment nor our descriptors, so there are no secrets in it. A file that crashes,
hangs or bloats its decoder costs one task, and one that takes it over sees no other photo. Tasks
are named, and answers are JSON: nobody in there can choose what we call or send us a pickle.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import structlog

TASKS = "services.processing.tasks"
TASK_TIMEOUT_S = 60.0
START_TIMEOUT_S = 60.0
ANSWER_BYTES_MAX = 64 * 1024
WARDEN_GRACE_S = 10.0
"""How much later than the warden we lose patience ourselves."""

_FOLDER = "rekindle-task-"
_FOLDER_OF = re.compile(rf"{_FOLDER}(\d+)-(\d+)-")
_STARTED_AT = 19
"""Field 22 of /proc/<pid>/stat, counted behind the name: when the process started (proc(5))."""

log = structlog.get_logger()


class Crashed(Exception):  # noqa: N818  # the reason is unknown; it may be the file or the machine
    """The process died, hung or ran out of memory; the task may be tried again."""


class TaskFailed(Exception):  # noqa: N818  # an answer, not a fault
    """The task refused its input; `name` says how, `facts` say why."""

    def __init__(self, name: str, facts: dict[str, str]) -> None:
        super().__init__(name, facts)
        self.name, self.facts = name, facts


@contextmanager
def task_folder() -> Iterator[Path]:
    """A folder for what one task reads and writes; photos never outlive their task for long."""
    pid = str(os.getpid())
    with tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{pid}-{_started(pid)}-") as folder:
        yield Path(folder)


def _remove_left_folders() -> None:
    """Somebody's photo may lie there: a service that was killed could not clean up after itself."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        owner = _FOLDER_OF.match(folder.name)
        if owner and _started(owner[1]) != owner[2]:
            shutil.rmtree(folder, ignore_errors=True)


def _started(pid: str) -> str | None:
    """When a process started: in a container the next service has the number of the last."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[_STARTED_AT]
    except OSError:
        return None


class Sandbox:
    """A fixed number of wardens; tasks wait for a free one. `tasks` names a module's TASKS."""

    def __init__(
        self, *, workers: int, timeout_s: float = TASK_TIMEOUT_S, tasks: str = TASKS
    ) -> None:
        _remove_left_folders()
        self._all = [_Warden(tasks, timeout_s) for _ in range(workers)]
        self._idle: asyncio.LifoQueue[_Warden] = asyncio.LifoQueue()
        for warden in self._all:
            self._idle.put_nowait(warden)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="sandbox")

    async def run(self, task: str, *, folder: Path, **arguments: Any) -> dict[str, Any]:
        """Run a task that may see and write `folder` only. Raises `TaskFailed` or `Crashed`."""
        warden = await self._idle.get()
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._threads, warden.ask, task, folder, arguments)

        def give_back(done: asyncio.Future[dict[str, Any]]) -> None:
            self._idle.put_nowait(warden)
            if not done.cancelled():
                done.exception()  # seen, also when nobody waits for it any more

        # A cancelled caller must not give back a warden that is still busy.
        work.add_done_callback(give_back)
        return await asyncio.shield(work)

    def close(self) -> None:
        """End every process."""
        for warden in self._all:
            warden.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Warden:
    """One warden, replaced when it dies or does not answer."""

    def __init__(self, tasks: str, timeout_s: float) -> None:
        self._tasks, self._timeout_s = tasks, timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def ask(self, task: str, folder: Path, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            pipe = self._open()
            pipe.send_bytes(json.dumps([task, str(folder), arguments]).encode())
            answer = _receive(pipe, self._timeout_s + WARDEN_GRACE_S)
        except (OSError, EOFError, Crashed) as error:
            self.stop()
            answer = {"crashed": f"the warden: {error!r}"}
        match answer:
            case {"result": dict() as result}:
                return result
            case {"failed": str() as name, "facts": dict() as facts}:
                raise TaskFailed(name, facts)
        reason = str(answer.get("crashed", "no answer that we understand"))[:200]
        log.warning("sandbox.crashed", task=task, reason=reason)
        raise Crashed(reason)

    def stop(self) -> None:
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if pipe:
            pipe.close()
        if process:
            process.kill()
            process.wait()

    def _open(self) -> Connection:
        if self._pipe is None:
            self._pipe, theirs = Pipe()
            fd = theirs.fileno()
            told = (fd, self._tasks, self._timeout_s, os.getpid())
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
                [sys.executable, "-m", "services.processing.warden", *map(str, told)],
                env=_environment(),
                pass_fds=[fd],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
            theirs.close()
            _tell_walls(_receive(self._pipe, START_TIMEOUT_S))
        return self._pipe


def _tell_walls(first_answer: dict[str, Any]) -> None:
    match first_answer:
        case {"result": {"standing": dict() as walls}}:
            missing = [wall for wall, stands in walls.items() if not stands]
            (log.warning if missing else log.info)("sandbox.opened", walls_missing=missing)
        case _:
            raise Crashed(str(first_answer)[:200])


def _receive(pipe: Connection, timeout_s: float) -> dict[str, Any]:
    if not pipe.poll(timeout_s):
        raise Crashed(f"no answer within {timeout_s} s")
    # What a decoder sent may be nested deeper than Python reads, or no JSON at all.
    with suppress(ValueError, RecursionError):
        answer = json.loads(pipe.recv_bytes(ANSWER_BYTES_MAX))
        if isinstance(answer, dict):
            return answer
    return {}


def _environment() -> dict[str, str]:
    return {
        "PYTHONPATH": os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        # Each further arena of the allocator would keep addresses that count as used.
        "MALLOC_ARENA_MAX": "1",
    }
