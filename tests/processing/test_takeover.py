"""A leader that is killed, or only stands still, is followed by the one that stands by."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.processing.conftest import CREDITS_SECRET, ENDPOINTS, KEY, Emulator
from tests.processing.rows import add_job, job, open_account
from tests.processing.serving import free_port

STARTED_WITHIN_S = 20
TAKEN_OVER_WITHIN_S = {signal.SIGKILL: 5.0, signal.SIGSTOP: 10.0}
LEADER = (
    "select pid from pg_locks where locktype = 'advisory' and granted"
    " and database = (select oid from pg_database where datname = current_database())"
    " and pid in (select pid from pg_stat_activity where application_name = 'processing-leader')"
)

Dispatchers = dict[str, subprocess.Popen[bytes]]


@pytest.fixture(name="dispatchers")
def _dispatchers(
    database_url: Callable[[str], str], s3: dict[str, str], emulator: Emulator
) -> Iterator[Dispatchers]:
    """Two real dispatcher processes for one endpoint; credits is away and must not matter."""
    environment = {
        **os.environ,
        "REKINDLE_ENV": "local",
        "DATABASE_URL": database_url("processing"),
        "INTERNAL_SECRETS": CREDITS_SECRET,
        "CREDITS_URL": f"http://127.0.0.1:{free_port()}",
        "CREDITS_SECRET": CREDITS_SECRET,
        "RUNPOD_API_URL": emulator.api_url,
        "RUNPOD_ENDPOINTS": ENDPOINTS,
        "RUNPOD_API_KEY": KEY,
        **s3,
    }
    command = (sys.executable, "-m", "services.processing", "dispatcher")
    started = {
        name: subprocess.Popen(
            command,
            env={**environment, "PGAPPNAME": name},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for name in ("one", "other")
    }
    yield started
    for process in started.values():
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP])
async def test_the_other_takes_over(
    engine: AsyncEngine, dispatchers: Dispatchers, sign: signal.Signals
) -> None:
    await until_started(engine, within_s=STARTED_WITHIN_S)
    leader = await who_leads(engine, dispatchers)

    dispatchers[leader].send_signal(sign)
    took_s = await until_started(engine, within_s=STARTED_WITHIN_S)

    assert took_s <= TAKEN_OVER_WITHIN_S[sign]
    assert await who_leads(engine, dispatchers) != leader


async def until_started(engine: AsyncEngine, *, within_s: float) -> float:
    """How long a new job waits for its start."""
    began = asyncio.get_running_loop().time()
    job_id = await add_job(engine, await open_account(engine))
    async with asyncio.timeout(within_s):
        while (await job(engine, job_id)).state != "RUNNING":
            await asyncio.sleep(0.02)
    return asyncio.get_running_loop().time() - began


async def who_leads(engine: AsyncEngine, dispatchers: Dispatchers) -> str:
    """The process at the other end of the session that holds the lock, by its port."""
    async with engine.connect() as connection:
        (port,) = (
            await connection.exec_driver_sql(
                f"select client_port from pg_stat_activity where pid in ({LEADER})"
            )
        ).one()
    for name, process in dispatchers.items():
        if process.poll() is None and port in ports_of(process.pid):
            return name
    raise AssertionError(f"nobody has port {port}")


def ports_of(pid: int) -> set[int]:
    """Local ports of a process's TCP connections, as Linux tells them."""
    sockets = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            target = str(entry.readlink())
            if target.startswith("socket:["):
                sockets.add(target[8:-1])
    table = Path(f"/proc/{pid}/net/tcp").read_text("ascii")
    rows = [line.split() for line in table.splitlines()[1:]]
    return {int(row[1].split(":")[1], 16) for row in rows if row[9] in sockets}
