"""CPU time of programs, as the kernel counts it: each with its children, reaped ones included.

A child that has ended and was waited for is in the books of its parent, so the sum over a tree of
processes never shrinks, however many short-lived children came and went. Linux only.
"""

import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
KB = 1024

# Fields of /proc/<pid>/stat after the name, counted from zero: proc(5).
_PARENT, _USER, _WAITED_SYSTEM, _RESIDENT = 1, 11, 14, 21

Pids = Mapping[str, int]


def seconds(programs: Pids) -> dict[str, float]:
    """User and system seconds of each program since it began, by name."""
    table = _table()
    children = defaultdict(list)
    for pid, fields in table.items():
        children[int(fields[_PARENT])].append(pid)
    return {name: _of_tree(pid, table, children) for name, pid in programs.items()}


def spent(programs: Pids, since: Mapping[str, float]) -> dict[str, float]:
    """User and system seconds of each program since an earlier reading."""
    return {name: now - since[name] for name, now in seconds(programs).items()}


def resident_bytes(pid: int) -> int:
    """The memory of one process that is in RAM."""
    return int(_fields(pid)[_RESIDENT]) * PAGE_BYTES


def peak_bytes(pid: int) -> int:
    """The most memory of one process that ever was in RAM."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * KB


def _of_tree(pid: int, table: Mapping[int, list[str]], children: Mapping[int, list[int]]) -> float:
    if pid not in table:
        raise ProcessLookupError(f"process {pid} has ended while it was measured")
    ticks = sum(int(field) for field in table[pid][_USER : _WAITED_SYSTEM + 1])
    below = sum(_of_tree(child, table, children) for child in children.get(pid, ()))
    return ticks / TICKS_PER_S + below


def _table() -> dict[int, list[str]]:
    table = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                table[int(entry.name)] = _fields(int(entry.name))
            except OSError:  # it has ended meanwhile
                continue
    return table


def _fields(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
