"""The disks of the stack: a file system in memory for each server, so that it can be full.

It takes the right to mount, which root of a container mostly has. Without it the servers live on
the machine's own disk, and filling it is refused and counted as missed.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.schedule import DISKS

BYTES = 3 * 1024**3
"""A limit, not a cost: only what is written takes memory."""


class CannotFill(Exception):  # noqa: N818  # says what happened
    """This machine lets us mount nothing."""


class Disks:
    """Where PostgreSQL, RabbitMQ and S3 keep their data."""

    def __init__(self, folder: Path, *, are_ours: bool) -> None:
        self._folder, self.are_ours = folder, are_ours

    async def fill(self, server: str, for_s: float, *, leave_bytes: int) -> None:
        """Leave so little room for a while: the limit falls to what is in use, and that much."""
        if not self.are_ours:
            raise CannotFill
        folder = self._folder / server
        used = shutil.disk_usage(folder).used
        try:
            _mount("-o", f"remount,size={used + leave_bytes}", folder)
            await asyncio.sleep(for_s)
        finally:
            _mount("-o", f"remount,size={BYTES}", folder)


@contextmanager
def open_disks(folder: Path) -> Iterator[Disks]:
    """Mount them, and take them away in the end."""
    places = [folder / server for server in DISKS]
    _unmount(places)
    try:
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
            _mount("-t", "tmpfs", "-o", f"size={BYTES}", "rekindle-chaos", place)
    except (OSError, subprocess.CalledProcessError):
        yield Disks(folder, are_ours=False)
        return
    try:
        yield Disks(folder, are_ours=True)
    finally:
        _unmount(places)


def _mount(*options: str | Path) -> None:
    subprocess.run(["mount", *options], check=True, capture_output=True)


def _unmount(places: list[Path]) -> None:
    for place in places:
        if os.path.ismount(place):
            subprocess.run(["umount", "--lazy", place], check=True)
