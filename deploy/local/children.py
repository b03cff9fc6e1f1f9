"""Starting programs and hearing of their end: directly, or by the nursery."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from deploy.local import environments
from deploy.local.places import ROOT
from deploy.local.process import Process
from deploy.local.trouble import StackError

NURSERY_TIMEOUT_S = 60.0
LOST = -9


class Child(Protocol):
    @property
    def pid(self) -> int: ...

    async def wait(self) -> int: ...


async def spawn(process: Process, log: Path) -> Child:
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *process.command,
            env=dict(process.environment),
            cwd=process.directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


class Nursed:
    """A child of the nursery, known by its id and by what the nursery says of it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await asyncio.shield(self.ended)


class Nursery:
    """Our side of `deploy.local.nursery`; started when first needed, and anew if it died."""

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        self._log, self._environment = log, environment
        self._program: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._starting = asyncio.Lock()
        self._orders: dict[int, asyncio.Future[Nursed]] = {}
        self._children: dict[int, Nursed] = {}
        self._last_order = 0

    async def start(self) -> None:
        async with self._starting:
            if self._program is None:
                await self._launch()
        try:
            await asyncio.wait_for(self._ready.wait(), NURSERY_TIMEOUT_S)
        except TimeoutError:
            raise StackError(f"The nursery did not start: see {self._log}.") from None

    async def spawn(self, process: Process, log: Path) -> Child:
        """Fork a program whose command is `python -m module arguments…`."""
        await self.start()
        assert self._program
        assert self._program.stdin
        self._last_order += 1
        answer = self._orders[self._last_order] = asyncio.get_running_loop().create_future()
        order = {
            "order": self._last_order,
            "name": process.name,
            "arguments": process.command[2:],
            "environment": dict(process.environment),
            "directory": str(process.directory),
            "log": str(log),
        }
        self._program.stdin.write(json.dumps(order).encode() + b"\n")
        return await asyncio.wait_for(answer, NURSERY_TIMEOUT_S)

    async def stop(self) -> None:
        """Let it go; its children have been stopped before."""
        if self._program and self._listening:
            assert self._program.stdin
            self._program.stdin.close()
            await self._listening

    async def _launch(self) -> None:
        with self._log.open("ab") as log:
            self._program = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "deploy.local.nursery",
                env={**environments.base(), **self._environment},
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._program.stdout
        self._listening = asyncio.create_task(self._listen(self._program.stdout))

    async def _listen(self, words: asyncio.StreamReader) -> None:
        while line := await words.readline():
            self._hear(json.loads(line))
        program, self._program = self._program, None
        self._ready.clear()
        assert program
        await program.wait()
        # Without it nobody hears how its children end: to us they have.
        for child in self._children.values():
            child.ended.set_result(LOST)
        self._children.clear()
        for answer in self._orders.values():
            answer.set_exception(StackError("the nursery ended"))
        self._orders.clear()

    def _hear(self, word: dict[str, Any]) -> None:
        if "ready" in word:
            self._ready.set()
        elif "order" in word:
            child = self._children[word["pid"]] = Nursed(word["pid"])
            answer = self._orders.pop(word["order"])
            if not answer.done():
                answer.set_result(child)
        else:
            self._children.pop(word["ended"]).ended.set_result(word["code"])
