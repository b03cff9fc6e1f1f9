"""Clocks of our own programs that can be set while they run, by the distribution's libfaketime.

It is loaded once, into the nursery, and so is in every program that is forked from it. Each of
these has a file of its own that says how far its wall clock is off; the monotonic one is right.
What libfaketime breaks: `time.sleep` raises, for CPython sleeps until a moment of the monotonic
clock, which the library mistakes for one of the wall clock. Our programs wait in their event loop.
"""

from pathlib import Path

from deploy.local import packages
from deploy.local.home import Home, write_private
from deploy.local.trouble import StackError

PACKAGE = "libfaketime"
CACHED_S = 1
"""The library looks at its file again when more whole seconds than these have passed."""

HEARD_WITHIN_S = 2
SETTINGS = {
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    # A mend for an old C library. With it every wait for the interpreter's lock ends at once, and
    # threads that want it spin. The library asks for it again and again, so each program is told.
    "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    "FAKETIME_CACHE_DURATION": str(CACHED_S),
    "NO_FAKE_STAT": "1",
}


def library() -> Path:
    folder = packages.unpacked("faketime", [PACKAGE])
    found = sorted(folder.glob("usr/lib/*/faketime/libfaketime.so.1"))
    if not found:
        raise StackError(f"The package {PACKAGE} holds no library for this machine.")
    return found[0]


def of_nursery() -> dict[str, str]:
    """What the nursery is started with, so that its children's clocks can be set."""
    return {"LD_PRELOAD": str(library()), **SETTINGS}


def of_program(home: Home, name: str) -> dict[str, str]:
    """What tells one program which file its clock follows."""
    return {"FAKETIME_TIMESTAMP_FILE": str(_file(home, name)), **SETTINGS}


def put(home: Home, name: str, offset_s: float) -> None:
    """Set the clock of a program so many seconds ahead, or back; also for its next starts."""
    _file(home, name).parent.mkdir(exist_ok=True)
    write_private(_file(home, name), f"{offset_s:+.0f}\n")


def _file(home: Home, name: str) -> Path:
    return home.folder / "clocks" / name
