"""Failpoints that a program is to be started with next time: one file each, taken once."""

from dataclasses import replace

from deploy.local.home import Home, write_private
from deploy.local.process import Process

VARIABLE = "REKINDLE_FAILPOINT"
SUFFIX = ".failpoints"


def arm(home: Home, program: str, points: str) -> None:
    """Arm points (`name:how,…`) for the next start of a program; only for that one."""
    write_private(home.folder / f"{program}{SUFFIX}", points)


def is_waited_for(home: Home, process: Process) -> bool:
    """Whether somebody wants the program to start armed."""
    return (home.folder / f"{process.name}{SUFFIX}").exists()


def take(home: Home, process: Process) -> Process:
    """The program as it is to be started now: armed if that was asked for, else as it is."""
    file = home.folder / f"{process.name}{SUFFIX}"
    try:
        points = file.read_text()
    except FileNotFoundError:
        return process
    file.unlink()
    return replace(process, environment={**process.environment, VARIABLE: points})
