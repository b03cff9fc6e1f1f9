"""One run per home, and an end to whatever a killed run left behind.

The lock is the kernel's, so it cannot outlive its owner; the file only says who that is.
"""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from deploy.local.home import Home
from deploy.local.trouble import StackError

LEFTOVER_PATIENCE_S = 8.0
POLL_S = 0.05
START_TIME_FIELD = 19  # of /proc/<pid>/stat, counted after the program's name


@contextmanager
def only_run(home: Home) -> Iterator[list[str]]:
    """Hold this home's lock and clean up after a killed run; yields what there is to say of it."""
    with (home.folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise StackError(
                f"The stack in {home.folder} already runs (process {owner}): stop it with "
                "`make stop`, or look at it with `make status`."
            ) from None
        notes = _clean_up_after_killed_run(home)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield notes
        file.truncate(0)


def owner(home: Home) -> int | None:
    """Return the process that runs this home now, if one does."""
    path = home.folder / "lock"
    if not path.exists():
        return None
    with path.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = file.read().strip()
            return int(text) if text.isdigit() else None
    return None


def born(pid: int) -> str:
    """Tell one process from a later one of the same number: by when it was started."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[START_TIME_FIELD]


def is_alive(entry: dict[str, Any]) -> bool:
    """Say whether a process of state.json is still that process."""
    return bool(entry.get("born")) and born(int(entry["pid"])) == entry["born"]


def end(entries: list[dict[str, Any]]) -> None:
    """Ask processes to leave, wait, then end those that stay; each by its own id."""
    for entry in entries:
        _send(entry, signal.Signals(entry.get("stop_signal", signal.SIGTERM)))
    deadline = time.monotonic() + LEFTOVER_PATIENCE_S
    while any(is_alive(entry) for entry in entries) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    for entry in entries:
        if is_alive(entry):
            _send(entry, signal.SIGKILL)


def _clean_up_after_killed_run(home: Home) -> list[str]:
    state = home.state()
    left = {n: entry for n, entry in state.get("processes", {}).items() if is_alive(entry)}
    notes = []
    if left:
        notes.append(
            f"The last run was killed and left {len(left)} programs behind "
            f"({', '.join(left)}): stopping them first."
        )
        end(list(left.values()))
    elif state:
        notes.append("The last run ended without cleaning up: its lock was stale and is replaced.")
    home.state_file.unlink(missing_ok=True)
    return notes


def _send(entry: dict[str, Any], number: signal.Signals) -> None:
    pid = int(entry["pid"])
    with suppress(ProcessLookupError):
        if entry.get("stop_group", True) or number == signal.SIGKILL:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
