"""One run of the stack, from its lock to its last process, in this terminal or detached from it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.local import lock, s3, seed, stack
from deploy.local.home import Home, State
from deploy.local.places import ROOT
from deploy.local.supervisor import Supervisor
from deploy.local.trouble import StackError, require_free_space

DETACHED_START_TIMEOUT_S = 900
STOP_TIMEOUT_S = 30
POLL_S = 0.05
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(text: str) -> None:
    print(text, flush=True)


@asynccontextmanager
async def running(home: Home, options: stack.Options) -> AsyncIterator[State]:
    """Run the stack for as long as the block lasts; it starts with everything ready.

    Ctrl-C and the polite signals cancel the task that runs this, wherever it is.
    """
    _cancel_on_signals()
    home.create()
    require_free_space(home.folder)
    with lock.only_run(home) as notes:
        began = time.monotonic()
        plan = await asyncio.to_thread(stack.build, home, options)
        for note in [*notes, *plan.notes]:
            say(note)
        state = _first_state(plan)

        def changed(entries: dict[str, dict[str, Any]]) -> None:
            state["processes"] = entries
            home.write_state(state)

        _keep_last_logs(home)
        supervisor = Supervisor(
            home, plan.processes, changed=changed, say=say, nursery=plan.nursery
        )
        try:
            for prepare in plan.preparations:
                await prepare()
            await supervisor.start()
            await seed.once(home, state, options)
            state["ready"] = True
            home.write_state(state)
            say(f"Everything is ready after {time.monotonic() - began:.1f} s.")
            yield state
        finally:
            await _stop(supervisor)
            s3.remove_sockets(home)
            home.state_file.unlink(missing_ok=True)


async def photo(home: Home, *, path: Path | None, kind: str) -> bool:
    """Do the main job once; in a process of its own, for the imaging libraries weigh a lot."""
    chosen = ["--photo", str(path)] if path else []
    command = ["-m", "deploy.local", "demo", "--home", str(home.folder), "--kind", kind, *chosen]
    child = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT)
    try:
        return await child.wait() == 0
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            child.terminate()
        await child.wait()
        raise


def detach(home: Home, arguments: list[str]) -> State:
    """Start the same command in the background and wait until all is ready."""
    home.create()
    if pid := lock.owner(home):
        raise StackError(f"The stack in {home.folder} already runs (process {pid}).")
    log = home.logs / "supervisor.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", "up", *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + DETACHED_START_TIMEOUT_S
    while time.monotonic() < deadline:
        state = home.state()
        if state.get("ready") and state.get("supervisor_pid") == child.pid:
            return state
        if child.poll() is not None:
            raise StackError(log.read_text().strip() or "The stack ended without a word.")
        time.sleep(POLL_S)
    raise StackError(f"The stack was not ready after {DETACHED_START_TIMEOUT_S} s: see {log}.")


def stop(home: Home) -> bool:
    """End the run of this home, if there is one, and what it may have left."""
    pid = lock.owner(home)
    if pid is None:
        leftovers = [e for e in home.state().get("processes", {}).values() if lock.is_alive(e)]
        lock.end(leftovers)
        home.state_file.unlink(missing_ok=True)
        return bool(leftovers)
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while lock.owner(home) == pid:
        if time.monotonic() > deadline:
            raise StackError(f"Process {pid} does not stop: end it with `kill -9 {pid}`.")
        time.sleep(POLL_S)
    return True


def _first_state(plan: stack.Stack) -> State:
    return {
        **plan.facts,
        "ready": False,
        "supervisor_pid": os.getpid(),
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processes": {},
    }


def _cancel_on_signals() -> None:
    task = asyncio.current_task()
    assert task
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


async def _stop(supervisor: Supervisor) -> None:
    """Stop to the end, however impatient the user is: half a stop leaves programs behind."""
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, lambda: None)
    began = time.monotonic()
    await supervisor.stop()
    say(f"Everything is stopped after {time.monotonic() - began:.1f} s.")


def _keep_last_logs(home: Home) -> None:
    for log in home.logs.glob("*.log"):
        if log.name != "supervisor.log":
            log.replace(log.with_suffix(".log.before"))
