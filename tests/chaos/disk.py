"""The disk of the stack: a file system of its own in memory, so that it can be full.

It takes the right to mount, which root of a container mostly has. Without it the stack lives on
the machine's own disk, and filling it is refused and counted as missed.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BYTES = 6 * 1024**3
"""A limit, not a cost: only what is written takes memory."""

LEFT_WHEN_FULL_BYTES = 64 * 1024


class CannotFill(Exception):  # noqa: N818  # says what happened
    """This machine lets us mount nothing."""


class Disk:
    """Where PostgreSQL, RabbitMQ and S3 keep their data."""

    def __init__(self, folder: Path, *, is_ours: bool) -> None:
        self._folder, self.is_ours = folder, is_ours

    async def fill(self, for_s: float) -> None:
        """Leave no room for a while: the limit falls to what is in use."""
        if not self.is_ours:
            raise CannotFill
        used = shutil.disk_usage(self._folder).used
        try:
            _mount("remount", f"size={used + LEFT_WHEN_FULL_BYTES}", self._folder)
            await asyncio.sleep(for_s)
        finally:
            _mount("remount", f"size={BYTES}", self._folder)


@contextmanager
def open_disk(folder: Path) -> Iterator[Disk]:
    """Mount it, and take it away in the end."""
    folder.mkdir(parents=True, exist_ok=True)
    _unmount(folder)
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={BYTES}", "rekindle-chaos", folder],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        yield Disk(folder, is_ours=False)
        return
    try:
        yield Disk(folder, is_ours=True)
    finally:
        _unmount(folder)


def _mount(*options: str | Path) -> None:
    *wishes, folder = options
    subprocess.run(["mount", "-o", ",".join(map(str, wishes)), folder], check=True)


def _unmount(folder: Path) -> None:
    if os.path.ismount(folder):
        subprocess.run(["umount", "--lazy", folder], check=True)
