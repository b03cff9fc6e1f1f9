"""Programs in the peers' environment, which `make bench` sets up from its own lock.

A peer says `ready` when it may be measured, does its round when it is told `go`, and then says what
it did as one line of JSON. Whoever does not is an error: a ratio to nothing says nothing.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from deploy.local import bootstrap, environments, wheels
from deploy.local.places import BENCH_PYTHON, LOCKS, PROJECT_PYTHON, ROOT

ROUND_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 15.0


class PeerFailed(Exception):  # noqa: N818  # says what happened
    """A peer did not do what it is measured by."""


def set_up() -> None:
    """Bring the peers' environment up to date."""
    lock = LOCKS / "bench.txt"
    stamp = BENCH_PYTHON.parent.parent / ".rekindle-complete"
    if not wheels.is_current(stamp, [lock]):
        print("Setting up the peers' environment.", flush=True)
        bootstrap.environment(BENCH_PYTHON, lock)
        wheels.write_stamp(stamp, [lock])


@dataclass(frozen=True, slots=True)
class Peer:
    """A running program that is measured."""

    name: str
    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        return self.process.pid

    async def ready(self) -> dict[str, Any]:
        """Wait until it may be measured; what it says about its preparation."""
        return await self.says()

    async def go(self, order: str = "go") -> dict[str, Any]:
        """Let it do one round of what it is told; what it did."""
        assert self.process.stdin
        self.process.stdin.write(f"{order}\n".encode())
        return await self.says()

    async def says(self) -> dict[str, Any]:
        """The next line it says."""
        assert self.process.stdout
        try:
            line = await asyncio.wait_for(self.process.stdout.readline(), ROUND_TIMEOUT_S)
            said = json.loads(line)
        except (TimeoutError, ValueError) as error:
            raise PeerFailed(f"{self.name} said nothing that can be used: {error!r}") from error
        assert isinstance(said, dict), said
        return said


@asynccontextmanager
async def running(
    name: str, command: Sequence[str], settings: Mapping[str, str], *, ours: bool = False
) -> AsyncIterator[Peer]:
    """Run `python command…` in the peers' environment (or ours) for as long as the block lasts."""
    python = PROJECT_PYTHON if ours else BENCH_PYTHON
    process = await asyncio.create_subprocess_exec(
        str(python),
        *command,
        env={**environments.base(), **settings},
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=sys.stderr,
    )
    try:
        yield Peer(name, process)
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
