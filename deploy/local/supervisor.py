"""Starts the programs in order of need, keeps them running, stops them in reverse."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from deploy.local import armed
from deploy.local.children import Child, Nursery, spawn
from deploy.local.home import Home
from deploy.local.lock import born
from deploy.local.process import Process
from deploy.local.trouble import StackError

POLL_S = 0.05
START_TRIES_MAX = 3
RESTARTS_MAX = 20
"""One after the other: whoever ran for a while in between has recovered."""

PAUSE_FIRST_S = 0.2
PAUSE_MAX_S = 5.0
STEADY_AFTER_S = 10.0
SETTLED_AFTER_S = 2.0
# Everything is stopped within ten seconds, even when something does not listen.
STOP_BUDGET_S = 9.0
KILL_PATIENCE_S = 0.5
LOG_TAIL_LINES = 5
LOG_TAIL_BYTES = 8192

Changed = Callable[[dict[str, dict[str, Any]]], None]
Say = Callable[[str], None]


class Supervisor:
    """One task per program; `changed` hears of every new process id.

    `nursery` is what the nursery is told by its environment beside what all programs are.
    """

    def __init__(
        self,
        home: Home,
        processes: Iterable[Process],
        *,
        changed: Changed,
        say: Say,
        nursery: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self.processes = {process.name: process for process in processes}
        self.running: dict[str, Child] = {}
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._nursery = Nursery(home.logs / "nursery.log", nursery or {})
        self._ready = {name: asyncio.Event() for name in self.processes}
        self._keepers: list[asyncio.Task[None]] = []
        self._entries: dict[str, dict[str, Any]] = {}
        self._changed = changed
        self._say = say
        self._last_end = -SETTLED_AFTER_S
        self._started = False
        self._stopping = False

    async def start(self) -> None:
        """Start everything as early as its needs allow; returns when all is ready."""
        self._keepers = [
            asyncio.create_task(self._keep(process)) for process in self.processes.values()
        ]
        while not (self._all_ready() and self._is_settled()):
            await asyncio.wait({self.failed}, timeout=POLL_S)
            if self.failed.done():
                await self.failed
        self._started = True

    async def stop(self) -> None:
        """Stop the layers from the top, within a layer all at once, never over the budget."""
        deadline = time.monotonic() + STOP_BUDGET_S
        self._stopping = True
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for layer in sorted({process.layer for process in self.processes.values()}, reverse=True):
            names = [name for name in self.running if self.processes[name].layer == layer]
            await asyncio.gather(*(self._end(name, deadline) for name in names))
        await self._nursery.stop()

    def _all_ready(self) -> bool:
        return all(event.is_set() for event in self._ready.values())

    def _is_settled(self) -> bool:
        """Whether no program has ended lately: one without a door may end after it was ready."""
        return time.monotonic() - self._last_end > SETTLED_AFTER_S

    async def _keep(self, process: Process) -> None:
        """Run one program for as long as the stack runs."""
        try:
            if process.nursed:
                await self._nursery.start()
            for need in process.needs:
                if need in self._ready:
                    await self._ready[need].wait()
            await self._run_again_and_again(process)
        except (StackError, OSError) as trouble:
            self._fail(StackError(f"{process.name} could not be started: {trouble}"))
        except asyncio.CancelledError:
            raise
        except Exception as fault:  # noqa: BLE001 - whatever it is, starting must not hang on it
            self._fail(fault)

    async def _run_again_and_again(self, process: Process) -> None:
        pause, restarts = PAUSE_FIRST_S, 0
        while restarts < RESTARTS_MAX:
            began = time.monotonic()
            child = await self._spawn(process)
            ended = asyncio.ensure_future(child.wait())
            if not self._ready[process.name].is_set():
                await self._becomes_ready(process, ended)
            code = await ended
            self._last_end = time.monotonic()
            # What it started itself would hold its ports and locks.
            _send(self.running.pop(process.name), signal.SIGKILL, group=True)
            restarts += 1
            if not self._started and restarts >= START_TRIES_MAX:
                raise StackError(self._last_words(process, f"it ended with code {code}"))
            # Whoever armed a failpoint has ended it, which says nothing of its health.
            is_wanted = armed.is_waited_for(self.home, process)
            if self._started and (is_wanted or time.monotonic() - began > STEADY_AFTER_S):
                pause, restarts = PAUSE_FIRST_S, 0
            self._say(f"{process.name} ended with code {code}: starting it again.")
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_MAX_S)
        self._say(self._last_words(process, f"{process.name} ended {RESTARTS_MAX} times: given up"))

    async def _becomes_ready(self, process: Process, ended: "asyncio.Future[int]") -> None:
        deadline = time.monotonic() + process.start_timeout_s
        while not ended.done():
            if await process.ready():
                if process.prepare:
                    await process.prepare()
                self._ready[process.name].set()
                return
            if time.monotonic() > deadline:
                late = f"it was not ready after {process.start_timeout_s:.0f} s"
                raise StackError(self._last_words(process, late))
            await asyncio.sleep(POLL_S)

    async def _spawn(self, process: Process) -> Child:
        begin = self._nursery.spawn if process.nursed else spawn
        child = await begin(armed.take(self.home, process), self._log(process))
        self.running[process.name] = child
        self._entries[process.name] = {
            "pid": child.pid,
            "port": process.port,
            "log": str(self._log(process)),
            "born": born(child.pid),
            "stop_signal": int(process.stop_signal),
            "stop_group": process.stop_group,
        }
        self._changed(self._entries)
        return child

    async def _end(self, name: str, deadline: float) -> None:
        process, child = self.processes[name], self.running[name]
        patience = min(process.stop_timeout_s, deadline - time.monotonic())
        _send(child, process.stop_signal, group=process.stop_group)
        with suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), max(patience, KILL_PATIENCE_S))
        # What it started itself must not outlive it.
        _send(child, signal.SIGKILL, group=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), KILL_PATIENCE_S)

    def _fail(self, trouble: Exception) -> None:
        if not self.failed.done() and not self._stopping:
            self.failed.set_exception(trouble)

    def _log(self, process: Process) -> Path:
        return self.home.logs / f"{process.name}.log"

    def _last_words(self, process: Process, what: str) -> str:
        """Say what happened and the end of the log, where the reason usually stands."""
        log = self._log(process)
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        tail = "\n  ".join(lines[-LOG_TAIL_LINES:])
        return f"{what}. The end of {log}:\n  {tail}"


def _send(child: Child, number: signal.Signals, *, group: bool) -> None:
    with suppress(ProcessLookupError):
        if group:
            os.killpg(child.pid, number)
        else:
            os.kill(child.pid, number)
