"""System calls that a decoding process is refused: it computes, and reads and writes files.

Whatever leads out of it answers EPERM: the network, other programs, other processes, and the doors
of the kernel that nobody who decodes a picture needs. Files are Landlock's (see `walls.py`), except
for what that cannot guard. A filter is a program of BPF as the kernel runs it at each call
(Linux, Documentation/userspace-api/seccomp_filter.rst).
"""

import struct

# Each with its number on x86_64 and on aarch64; newer calls have one number everywhere.
_REFUSED = """
    socket 41 198, socketpair 53 199, connect 42 203, bind 49 200
    execve 59 221, execveat 322 281, fork 57 -, vfork 58 -
    kill 62 129, tkill 200 130, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240
    pidfd_open 434 434, pidfd_send_signal 424 424, pidfd_getfd 438 438
    ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, kcmp 312 272
    process_madvise 440 440, process_mrelease 448 448, move_pages 279 239, migrate_pages 256 238
    setpriority 141 140, ioprio_set 251 30, sched_setscheduler 144 119, sched_setparam 142 118
    sched_setattr 314 274, sched_setaffinity 203 122
    chmod 90 -, fchmod 91 52, fchmodat 268 53, fchmodat2 452 452
    chown 92 -, lchown 94 -, fchown 93 55, fchownat 260 54
    utime 132 -, utimes 235 -, futimesat 261 -, utimensat 280 88
    setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7, setxattrat 463 463
    removexattr 197 14, lremovexattr 198 15, fremovexattr 199 16, removexattrat 466 466
    mount 165 40, umount2 166 39, move_mount 429 429, open_tree 428 428, fsopen 430 430
    fsmount 432 432, fsconfig 431 431, mount_setattr 442 442, pivot_root 155 41, chroot 161 51
    unshare 272 97, setns 308 268, open_by_handle_at 304 265
    bpf 321 280, perf_event_open 298 241, userfaultfd 323 282, io_uring_setup 425 425
    add_key 248 217, request_key 249 218, keyctl 250 219
    memfd_create 319 279, shmget 29 194, shmat 30 196, msgget 68 186, semget 64 190, mq_open 240 180
"""
# These are refused by what they are asked for: threads, signals and limits of its own are its own.
_CLONE, _CLONE3 = {"x86_64": 56, "aarch64": 220}, 435
_TGKILL, _PRLIMIT = {"x86_64": 234, "aarch64": 131}, {"x86_64": 302, "aarch64": 261}

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_NUMBERS_OF_X32 = 0x40000000
_CLONE_THREAD = 0x00010000

_KILL, _ALLOW, _FAIL_WITH = 0x80000000, 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38

_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_LOAD, _IS, _IS_AT_LEAST, _HAS_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06


def program(machine: str, *, pid: int) -> bytes:
    """The filter for the process `pid` on a machine of this name; KeyError for one we do not know.

    An array of `struct sock_filter`, eight bytes each.
    """
    numbers = _numbers_refused(column=1 if machine == "x86_64" else 2)
    steps = [
        _step(_LOAD, _ARCHITECTURE_AT),
        # A call in the convention of another architecture would have other numbers.
        *_unless(_IS, _ARCHITECTURES[machine], _step(_RETURN, _KILL)),
        _step(_LOAD, _NUMBER_AT),
        *_if(_IS_AT_LEAST, _NUMBERS_OF_X32, [_step(_RETURN, _KILL)]),
    ]
    for number in numbers:
        steps += _if(_IS, number, [_refuse(_EPERM)])
    # It hides what it is asked for in memory; the C library then takes the older call.
    steps += _if(_IS, _CLONE3, [_refuse(_ENOSYS)])
    steps += _if(_IS, _CLONE[machine], _only_if(_HAS_BITS, _CLONE_THREAD))
    steps += _if(_IS, _TGKILL[machine], _only_if(_IS, pid))
    steps += _if(_IS, _PRLIMIT[machine], _only_if(_IS, 0))
    return b"".join([*steps, _step(_RETURN, _ALLOW)])


def _numbers_refused(column: int) -> list[int]:
    calls = [call.split() for line in _REFUSED.strip().splitlines() for call in line.split(",")]
    return [int(call[column]) for call in calls if call[column] != "-"]


def _only_if(condition: int, value: int) -> list[bytes]:
    """Allow the call if its first argument is so, else refuse it."""
    refused = _unless(condition, value, _refuse(_EPERM))
    return [_step(_LOAD, _FIRST_ARGUMENT_AT), *refused, _step(_RETURN, _ALLOW)]


def _if(condition: int, value: int, steps: list[bytes]) -> list[bytes]:
    return [_step(condition, value, skip_if_false=len(steps)), *steps]


def _unless(condition: int, value: int, step: bytes) -> list[bytes]:
    return [_step(condition, value, skip_if_true=1), step]


def _refuse(error: int) -> bytes:
    return _step(_RETURN, _FAIL_WITH | error)


def _step(code: int, value: int, *, skip_if_true: int = 0, skip_if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, skip_if_true, skip_if_false, value)
