"""Child processes that decode hostile files: limited in memory, time and number of tasks.

Each of the workers is a process of its own behind a pipe, so a file that crashes, hangs or bloats
its decoder costs exactly one task. Tasks are named, and answers are JSON: a child that was taken
over can neither choose what we call nor send us a pickle.
"""

import asyncio
import json
import os
import resource
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import structlog

TASK_TIMEOUT_S = 60
TASK_CPU_S = 25
TASKS_MAX_PER_CHILD = 50
MEMORY_BYTES_MAX = 2 * 1024**3
FILE_BYTES_MAX = 256 * 1024**2
FILES_OPEN_MAX = 64
START_TIMEOUT_S = 30
ANSWER_BYTES_MAX = 64 * 1024

log = structlog.get_logger()


class Crashed(Exception):  # noqa: N818  # the reason is unknown; it may be the file or the machine
    """The child died, hung or ran out of memory; the task may be tried again."""


class TaskFailed(Exception):  # noqa: N818  # an answer, not a fault
    """The task refused its input; `name` says how, `facts` say why."""

    def __init__(self, name: str, facts: dict[str, str]) -> None:
        super().__init__(name, facts)
        self.name, self.facts = name, facts


class Sandbox:
    """A fixed number of workers; tasks wait for a free one."""

    def __init__(self, *, workers: int, timeout_s: float = TASK_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._all = [_Worker() for _ in range(workers)]
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for worker in self._all:
            self._idle.put_nowait(worker)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="sandbox")

    async def run(self, task: str, **arguments: Any) -> dict[str, Any]:
        """Run a task in a child. Raises `TaskFailed` or `Crashed`."""
        worker = await self._idle.get()
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._threads, worker.call, task, arguments, self._timeout_s)
        # A cancelled caller must not give back a worker that is still busy.
        work.add_done_callback(lambda _: self._idle.put_nowait(worker))
        answer = await asyncio.shield(work)
        if "failed" in answer:
            raise TaskFailed(answer["failed"], answer["facts"])
        return dict(answer["result"])

    def close(self) -> None:
        """End every child."""
        for worker in self._all:
            worker.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Worker:
    """One child process, replaced when it dies, hangs or has done its share."""

    def __init__(self) -> None:
        self._process: Any = None
        self._pipe: Connection | None = None
        self._tasks = 0

    def call(self, task: str, arguments: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        try:
            pipe = self._open()
            pipe.send_bytes(json.dumps([task, arguments]).encode())
            answer: dict[str, Any] = json.loads(_receive(pipe, timeout_s))
        except (OSError, EOFError, ValueError, Crashed) as error:
            self.stop()
            log.warning("sandbox.crashed", task=task, error=repr(error)[:200])
            raise Crashed(str(error)) from error
        self._tasks += 1
        if self._tasks >= TASKS_MAX_PER_CHILD:
            self.stop()
        return answer

    def stop(self) -> None:
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if pipe:
            pipe.close()
        if process:
            process.kill()
            process.join()

    def _open(self) -> Connection:
        if self._pipe is None:
            context = get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
            self._tasks = 0
            _receive(self._pipe, START_TIMEOUT_S)
        return self._pipe


def _receive(pipe: Connection, timeout_s: float) -> bytes:
    if not pipe.poll(timeout_s):
        raise Crashed(f"no answer within {timeout_s} s")
    return pipe.recv_bytes(ANSWER_BYTES_MAX)


def _serve(pipe: Connection) -> None:
    """The child: import what decodes, take limits, then answer one task after another."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    tasks = _tasks()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_OPEN_MAX, FILES_OPEN_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pipe.send_bytes(b"ready")
    while True:
        try:
            task, arguments = json.loads(pipe.recv_bytes())
        except EOFError:  # the parent is gone
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = int(used.ru_utime + used.ru_stime) + TASK_CPU_S
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
        pipe.send_bytes(json.dumps(_answer(tasks[task], arguments)).encode())


def _answer(task: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": asdict(task(**arguments))}
    except MemoryError:
        os._exit(1)  # whatever is left of this process is not to be trusted with another photo
    except Exception as error:  # noqa: BLE001  # whatever it is, the parent names it
        facts = {k: str(getattr(error, k)) for k in ("code", "detail") if hasattr(error, k)}
        return {"failed": type(error).__name__, "facts": facts or {"detail": str(error)[:500]}}


def _tasks() -> dict[str, Callable[..., Any]]:
    # Imported here: only the child pays for OpenCV, and only the child runs decoders.
    from services.processing import checking, imaging  # noqa: PLC0415

    def prepare(source: str, master: str, thumbnail: str, quad: Any) -> imaging.Prepared:
        return imaging.prepare(
            Path(source), quad=quad, master=Path(master), thumbnail=Path(thumbnail)
        )

    def check(path: str, **expected: Any) -> checking.Result:
        return checking.check(Path(path), **expected)

    return {"prepare": prepare, "check": check}
