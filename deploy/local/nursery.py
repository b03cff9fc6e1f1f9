"""One process that has imported what all services share, and becomes each of them by forking.

Thirteen Python programs import the same libraries. Doing it once makes the start several seconds
shorter on two cores and the whole stack several hundred megabytes lighter; afterwards each is a
process of its own like any other. Orders come as JSON lines on standard input, ends leave as JSON
lines on standard output; when the supervisor goes, so does the nursery.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

# No numpy, OpenCV or Pillow: few need them, and they start threads.
SHARED = (
    "uvicorn.main",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.lifespan.on",
    "uvloop",
    "fastapi",
    "httpx",
    "aiohttp",
    "asyncpg",
    "sqlalchemy.ext.asyncio",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "aio_pika",
    "faststream.rabbit",
    "pydantic_settings",
    "structlog",
    "opentelemetry.trace",
    "jose.jwt",
    "aioboto3",
    "aiobotocore.session",
    "services.kit.bus",
    "services.kit.db",
    "services.kit.http",
    "services.kit.identity",
    "services.kit.inbox",
    "services.kit.outbox",
    "services.kit.storage",
    "services.kit.telemetry",
    "contracts.catalog",
)
CHILD_ENDED = (signal.SIGCHLD,)


def main() -> None:
    for name in SHARED:
        # Whoever needs it will say so itself, in its own log.
        with suppress(Exception):
            importlib.import_module(name)
    gc.collect()
    # The collector must not touch, and so copy, what the forks share.
    gc.freeze()
    signal.signal(signal.SIGCHLD, _report_ends)
    _say({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        # The end of a child is told after its beginning, however soon it comes.
        signal.pthread_sigmask(signal.SIG_BLOCK, CHILD_ENDED)
        leads, closed_when_it_leads = os.pipe()
        if (pid := os.fork()) == 0:
            os.setsid()
            os.close(leads)
            os.close(closed_when_it_leads)
            _become(order)
        os.close(closed_when_it_leads)
        # Whoever hears of it may signal its group at once.
        os.read(leads, 1)
        os.close(leads)
        _say({"order": order["order"], "pid": pid})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, CHILD_ENDED)


def _report_ends(*_: object) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _say({"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _say(word: dict[str, Any]) -> None:
    os.write(1, json.dumps(word).encode() + b"\n")


def _become(order: dict[str, Any]) -> None:
    """Turn into `python -m module arguments…` with its own log and environment."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, CHILD_ENDED)
    silence = os.open(os.devnull, os.O_RDONLY)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((silence, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(silence)
    os.close(log)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - a descriptor, not a path
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, write_through=True)  # type: ignore[union-attr]
    os.chdir(order["directory"])
    os.environ.clear()
    os.environ.update(order["environment"])
    with suppress(OSError):  # what ps and top show; not every system lets it be set
        Path("/proc/self/comm").write_text(order["name"])
    module, *arguments = order["arguments"]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
