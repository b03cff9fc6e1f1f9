"""The walls around a process that decodes a stranger's file, which it raises itself beforehand.

    limits       memory, CPU time, sizes of files, open files; no core dump       setrlimit(2)
    privileges   no capability is left, none can be gained, nobody looks inside   capset(2)
    files        programs may be read; the task's folder alone may be written     landlock(7)
    calls        no network, no other program, no other process                   seccomp(2)

Limits and privileges stand on every Linux. The other two need a kernel that has them (5.13 and
3.17) and a container that does not forbid them; both work for root and for anybody else.
"""

import ctypes
import os
import platform
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.processing import seccomp

MEMORY_BYTES_MAX = 1024**3
ADDRESSES_BYTES_MAX = MEMORY_BYTES_MAX + 512 * 1024**2
"""Libraries that are mapped, but not loaded, take 250 MB of addresses and hardly any memory."""

CPU_S_MAX = 10
FILE_BYTES_MAX = 256 * 1024**2
FILES_OPEN_MAX = 64

_SET_DEATH_SIGNAL, _SET_DUMPABLE, _SET_SECCOMP, _SET_NO_NEW_PRIVILEGES = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITIES_VERSION_3 = 0x20080522

# Calls that the C library has no name for; being new, they have the same number everywhere.
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION, _LANDLOCK_BENEATH = 1, 1
_WRITE, _READ, _LIST, _REMOVE, _MAKE, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 5, 1 << 8, 1 << 14
_RIGHTS_OF_FILES = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many rights a version of Landlock knows; from 5 on there are 16."""

_PROGRAMS = (sys.prefix, sys.base_prefix, "/lib", "/lib64", "/usr/lib", "/usr/lib64")
_OUR_PROGRAMS = Path(__file__).parents[1]

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """End this process when `parent` ends, however that happens."""
    if sys.platform == "linux":
        _prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we could ask
        os._exit(1)


def enclose(folder: Path | None) -> None:
    """Raise every wall that this platform has; from then on only `folder` may be written."""
    if folder and not folder.is_dir():
        raise NotADirectoryError(folder)
    _limit()
    for raise_wall in (_drop_privileges, lambda: _confine_files(folder), _filter_calls):
        try:
            raise_wall()
        # What is missing is seen by who tries the walls; those that stand must still be raised.
        except (OSError, AttributeError, KeyError):
            continue


@dataclass(frozen=True, slots=True)
class Seen:
    """Which walls hold."""

    standing: dict[str, bool]


def look() -> Seen:
    """See which walls hold around this process. Each is tried, not believed."""
    tried = {
        "limits": 0 < resource.getrlimit(resource.RLIMIT_DATA)[1] <= MEMORY_BYTES_MAX,
        "privileges": not _has_capabilities(),
        "files": _is_refused(lambda: os.close(os.open("/etc/passwd", os.O_RDONLY))),
        "network": _is_refused(lambda: socket.socket().close()),
        "programs": _is_refused(lambda: os.execv("/nonexistent", ["-"])),  # noqa: S606
        "processes": _is_refused(lambda: os.kill(os.getppid(), 0)),
    }
    return Seen(tried)


def _limit() -> None:
    limits = {
        resource.RLIMIT_DATA: MEMORY_BYTES_MAX,
        resource.RLIMIT_AS: ADDRESSES_BYTES_MAX,
        resource.RLIMIT_CPU: CPU_S_MAX,
        resource.RLIMIT_FSIZE: FILE_BYTES_MAX,
        resource.RLIMIT_NOFILE: FILES_OPEN_MAX,
        resource.RLIMIT_CORE: 0,
    }
    for limit, wanted in limits.items():
        _, already = resource.getrlimit(limit)
        value = wanted if already == resource.RLIM_INFINITY else min(wanted, already)
        resource.setrlimit(limit, (value, value))


def _drop_privileges() -> None:
    _prctl(_SET_NO_NEW_PRIVILEGES, 1)
    _prctl(_SET_DUMPABLE, 0)
    header, none = struct.pack("=Ii", _CAPABILITIES_VERSION_3, 0), bytes(24)
    _checked(_libc.capset(header, none))


def _has_capabilities() -> bool:
    header, held = struct.pack("=Ii", _CAPABILITIES_VERSION_3, 0), ctypes.create_string_buffer(24)
    _checked(_libc.capget(header, held))
    return any(struct.unpack_from("=I8xI", held))


def _confine_files(folder: Path | None) -> None:
    version = _call(_LANDLOCK_CREATE, None, 0, _LANDLOCK_VERSION)
    rights = (1 << _RIGHTS_OF_FILES.get(version, 16)) - 1
    ports = 0b11 if version >= 4 else 0  # noqa: PLR2004  # binding and connecting
    beyond = 0b11 if version >= 6 else 0  # noqa: PLR2004  # abstract sockets and signals
    rules = struct.pack("=QQQ", rights, ports, beyond)
    ruleset = _call(_LANDLOCK_CREATE, rules, len(rules), 0)
    writable = _READ | _LIST | _WRITE | _REMOVE | _MAKE | _TRUNCATE
    if folder:
        _permit(ruleset, folder, writable & rights)
    for programs in {*map(Path, _PROGRAMS), _OUR_PROGRAMS}:
        if programs.is_dir():
            _permit(ruleset, programs, _READ | _LIST)
    _call(_LANDLOCK_RESTRICT, ruleset, 0)
    os.close(ruleset)


def _permit(ruleset: int, folder: Path, rights: int) -> None:
    place = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    _call(_LANDLOCK_ADD, ruleset, _LANDLOCK_BENEATH, struct.pack("=Qi", rights, place), 0)
    os.close(place)


def _filter_calls() -> None:
    steps = ctypes.create_string_buffer(seccomp.program(platform.machine(), pid=os.getpid()))
    count = len(steps) // 8
    whole = struct.pack("@HP", count, ctypes.addressof(steps))
    _prctl(_SET_SECCOMP, _SECCOMP_MODE_FILTER, whole)


def _is_refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _prctl(option: int, *values: int | bytes) -> None:
    plain = [ctypes.c_ulong(v) if isinstance(v, int) else v for v in (*values, 0, 0, 0, 0)]
    _checked(_libc.prctl(option, *plain[:4]))


def _call(number: int, *arguments: int | bytes | None) -> int:
    plain = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *plain))


def _checked(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer
