"""The leader: starts jobs, follows attempts, tidies up. One per GPU endpoint; the rest stand by.

Leadership is a session lock on a connection of its own: when the connection dies the lock dies
with it, and so does the leader's work, since every start is written on that very connection. A
leader that is frozen says nothing on it, and loses it to the time-out of idle sessions.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit import telemetry
from services.kit.client import ServiceClient
from services.kit.db import create_engine, create_unpooled_engine
from services.kit.settings import load
from services.kit.storage import open_storage
from services.processing import reconciling
from services.processing.dispatching import start_next
from services.processing.holds import Holds
from services.processing.polling import Poller
from services.processing.runpod import RunPod
from services.processing.settings import DispatcherSettings

STATEMENT_TIMEOUT_S = 5
DISPATCH_EVERY_S = 0.05
POLL_EVERY_S = 0.075
SETTLE_EVERY_S = 5.0
LEAD_RETRY_S = 1.0
FROZEN_AFTER_S = 3
"""Many times the pause between two looks: a leader that is silent for so long has stopped."""

ERROR_PAUSE_S = 1.0
LIMITS = {
    "statement_timeout": STATEMENT_TIMEOUT_S,
    "idle_session_timeout": FROZEN_AFTER_S,
    "idle_in_transaction_session_timeout": FROZEN_AFTER_S,
}
"""Of the leader's own session: whoever stands by must not wait for one that has stopped."""

log = structlog.get_logger()

_LEAD = text(
    "select pg_try_advisory_lock(hashtext('dispatcher:' || current_schema()), hashtext(:endpoint))"
)


@dataclass(frozen=True, slots=True)
class Duties:
    """What a leader works with."""

    engine: AsyncEngine
    poller: Poller
    holds: Holds
    endpoint: str
    slots: int


async def main() -> None:
    """Lead, or stand by, until told to stop."""
    settings = load(DispatcherSettings)
    telemetry.configure_logs("processing", level=settings.log_level)
    working = asyncio.create_task(_work(settings))
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, working.cancel)
    await asyncio.wait([working])
    if not working.cancelled():
        working.result()


async def _work(settings: DispatcherSettings) -> None:
    url = settings.database_url.get_secret_value()
    engine = create_engine(url, name="processing-dispatcher", pool_size=settings.database_pool_size)
    runpod = RunPod(
        settings.runpod_api_url,
        endpoint_id=settings.runpod_endpoint_id,
        api_key=settings.runpod_api_key.get_secret_value(),
    )
    credits_ = ServiceClient(
        settings.credits_url,
        caller="processing",
        service="credits",
        secret=settings.credits_secret.get_secret_value(),
    )
    holds = Holds(credits_)
    try:
        async with open_storage(settings) as storage:
            duties = Duties(
                engine=engine,
                poller=Poller(engine, runpod, storage),
                holds=holds,
                endpoint=settings.runpod_endpoint_id,
                slots=settings.gpu_slots,
            )
            await lead(url, duties)
    finally:
        await holds.close()
        await runpod.close()
        await engine.dispose()


async def lead(url: str, duties: Duties) -> None:
    """Lead whenever nobody else does, for ever, whatever dies meanwhile."""
    unpooled = create_unpooled_engine(url, name="processing-leader").execution_options(
        isolation_level="READ COMMITTED"
    )
    while True:
        try:
            async with unpooled.connect() as connection:
                if await _leads(connection, duties.endpoint):
                    log.info("dispatcher.leads", endpoint=duties.endpoint, slots=duties.slots)
                    await _do_duties(connection, duties)
        except Exception as error:  # noqa: BLE001  # a killed Postgres raises from many families
            log.warning("dispatcher.interrupted", error=repr(error)[:200])
        await asyncio.sleep(LEAD_RETRY_S)


async def _leads(connection: AsyncConnection, endpoint: str) -> bool:
    async with connection.begin():
        for limit, seconds in LIMITS.items():
            await connection.execute(text(f"set {limit} = '{seconds}s'"))
        return bool((await connection.execute(_LEAD, {"endpoint": endpoint})).scalar_one())


async def _do_duties(connection: AsyncConnection, duties: Duties) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_dispatch(connection, duties))
        group.create_task(_keep(duties.poller.look, every_s=POLL_EVERY_S))
        settle = partial(reconciling.settle_pending, duties.engine, duties.holds)
        group.create_task(_keep(settle, every_s=SETTLE_EVERY_S))
        for tidy in (reconciling.end_waiting, reconciling.end_unchecked):
            group.create_task(_keep(partial(tidy, duties.engine), every_s=SETTLE_EVERY_S))


async def _dispatch(connection: AsyncConnection, duties: Duties) -> None:
    """Start what may start. An error here ends the leadership: the lock may be gone."""
    while True:
        async with connection.begin():
            started = await start_next(connection, slots=duties.slots, endpoint=duties.endpoint)
        if started:
            log.info("job.started", job_id=str(started))
        else:
            await asyncio.sleep(DISPATCH_EVERY_S)


async def _keep(duty: Callable[[], Awaitable[object]], *, every_s: float) -> None:
    """Do one duty again and again; its trouble is logged and ends nothing."""
    while True:
        pause_s = every_s
        try:
            await duty()
        except Exception as error:  # noqa: BLE001  # it is tried again, whatever it was
            log.warning("duty.interrupted", error=repr(error)[:200])
            pause_s = ERROR_PAUSE_S
        await asyncio.sleep(pause_s)
