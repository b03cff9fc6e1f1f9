"""What a decoder that was taken over, or is merely broken, would do: tasks for tests."""

import ctypes
import mmap
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.processing import walls


@dataclass(frozen=True, slots=True)
class Done:
    """It was possible."""

    what: Any = None


def behave() -> Done:
    return Done("well")


def connect(port: int) -> Done:
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    return Done()


def read(path: str) -> Done:
    return Done(Path(path).read_text()[:100])


def write(path: str) -> Done:
    Path(path).write_text("I was here.")
    return Done()


def remove(path: str) -> Done:
    Path(path).unlink()
    return Done()


def open_up(path: str) -> Done:
    Path(path).chmod(0o777)
    return Done()


def write_without_end(path: str) -> Done:
    with Path(path).open("wb") as file:
        while True:
            file.write(bytes(2**20))


def run_a_program() -> Done:
    os.execv("/bin/true", ["true"])


def start_a_process() -> Done:
    os._exit(0) if os.fork() == 0 else None
    return Done()


def start_a_thread() -> Done:
    thread = threading.Thread(target=time.sleep, args=(0,))
    thread.start()
    thread.join()
    return Done()


def kill(pid: int) -> Done:
    os.kill(pid, signal.SIGKILL)
    return Done()


def look_inside(pid: int) -> Done:
    attached = ctypes.CDLL(None, use_errno=True).ptrace(16, pid, None, None)
    if attached != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return Done()


def limits() -> Done:
    names = ("DATA", "CPU", "FSIZE", "NOFILE", "CORE")
    return Done({name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in names})


def raise_own_limits() -> Done:
    resource.setrlimit(resource.RLIMIT_CPU, (1000, 1000))
    return Done()


def see_the_environment() -> Done:
    return Done(sorted(os.environ))


def see_descriptors() -> Done:
    def is_open(descriptor: int) -> bool:
        try:
            os.fstat(descriptor)
        except OSError:
            return False
        return True

    return Done([descriptor for descriptor in range(64) if is_open(descriptor)])


def eat_memory() -> Done:
    eaten = []
    while True:
        eaten.append(bytearray(16 * 2**20))


def eat_shared_memory() -> Done:
    eaten = []
    while True:
        eaten.append(mmap.mmap(-1, 16 * 2**20))


def compute_without_end(cpu_s: int) -> Done:
    """The limit is lowered for the test's sake; what stops it is the same."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, walls.CPU_S_MAX))
    while True:
        pass


def sleep_without_end() -> Done:
    while True:
        time.sleep(60)


def follow_a_stray_pointer() -> Done:
    ctypes.string_at(0)
    return Done()


def give_up() -> Done:
    os.abort()


def answer(text: str) -> Done:
    os.write(3, text.encode())
    os._exit(0)


def close_the_pipe_and_stay() -> Done:
    os.close(3)
    return sleep_without_end()


TASKS: dict[str, Callable[..., Done]] = {
    task.__name__: task
    for task in (
        *(behave, connect, read, write, remove, open_up, write_without_end),
        *(run_a_program, start_a_process, start_a_thread, kill, look_inside),
        *(limits, raise_own_limits),
        *(see_the_environment, see_descriptors, eat_memory, eat_shared_memory),
        *(compute_without_end, sleep_without_end, follow_a_stray_pointer, give_up),
        *(answer, close_the_pipe_and_stay),
    )
}
