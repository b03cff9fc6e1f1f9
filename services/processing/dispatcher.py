"""The leader: starts jobs, follows attempts, tidies up. One per GPU endpoint; the rest stand by.

Leadership is a session lock on a connection of its own: when the connection dies the lock dies
with it, and so does the leader's work, since every start is written on that very connection. A
leader that is frozen says nothing on it, and loses it to the time-out of idle sessions.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit import failpoints, inbox, telemetry
from services.kit.client import ServiceClient
from services.kit.db import create_engine, create_unpooled_engine
from services.kit.settings import load
from services.kit.storage import Storage, open_storage
from services.processing import budgets, costs, endpoints, erasing, reconciling, sweeping
from services.processing.bills import Bills, open_bills
from services.processing.budgets import Limits
from services.processing.dispatching import NORMAL, start_next
from services.processing.endpoints import PROBE_EVERY
from services.processing.holds import Holds
from services.processing.polling import Poller
from services.processing.runpod import RunPod, RunPodError, open_endpoints
from services.processing.settings import DispatcherSettings

STATEMENT_TIMEOUT_S = 5
DISPATCH_EVERY_S, BUSY_EVERY_S, BUSY_FOR_S = 0.05, 0.02, 2.0
"""Where a job has just started the next one is soon asked for: then looks come closer."""

POLL_EVERY_S = 0.075
SETTLE_EVERY_S = 5.0
RECONCILE_EVERY_S = 3_600.0
FORGET_EVERY_S = 3_600.0
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
    runpod: RunPod
    storage: Storage
    holds: Holds
    slots: int
    known: Collection[str] = ()
    limits: Limits = NORMAL
    bills: Bills | None = None

    @property
    def endpoint(self) -> str:
        """The endpoint that is led."""
        return self.runpod.endpoint_id


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
    credits_ = ServiceClient(
        settings.credits_url,
        caller="processing",
        service="credits",
        secret=settings.credits_secret.get_secret_value(),
    )
    holds = Holds(credits_)
    try:
        limits = Limits(
            free=settings.cost_limit_free_usd,
            paid=settings.cost_limit_paid_usd,
            free_account=settings.cost_limit_free_account_usd,
            paid_account=settings.cost_limit_paid_account_usd,
        )
        known = [endpoint.id for endpoint in settings.runpod_endpoints]
        async with (
            open_storage(settings) as storage,
            open_endpoints(
                settings.runpod_api_url,
                known,
                api_key=settings.runpod_api_key.get_secret_value(),
            ) as runpods,
            open_bills(
                settings.runpod_billing_url, api_key=settings.runpod_api_key.get_secret_value()
            ) as bills,
            asyncio.TaskGroup() as leading,
        ):
            for endpoint in settings.runpod_endpoints:
                duties = Duties(
                    engine=engine,
                    runpod=runpods[endpoint.id],
                    storage=storage,
                    holds=holds,
                    slots=endpoint.slots,
                    known=known,
                    limits=limits,
                    bills=bills,
                )
                leading.create_task(lead(url, duties))
    finally:
        await holds.close()
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
                    await failpoints.reach("on_leader_change")
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
    poller = Poller(duties.engine, duties.runpod, duties.storage, known=duties.known)
    await _say_who_leads(duties)
    async with asyncio.TaskGroup() as group:
        group.create_task(_dispatch(connection, duties))
        group.create_task(_keep(poller.look, every_s=POLL_EVERY_S))
        group.create_task(_keep(partial(_say_who_leads, duties), every_s=SETTLE_EVERY_S))
        group.create_task(_keep(partial(_probe, duties), every_s=PROBE_EVERY.total_seconds()))
        for sweep in (sweeping.sweep, erasing.sweep):
            tidy_up = partial(sweep, duties.engine, duties.storage)
            group.create_task(_keep(tidy_up, every_s=SETTLE_EVERY_S))
        group.create_task(_keep(partial(_begin_day, duties), every_s=SETTLE_EVERY_S))
        group.create_task(_keep(partial(_reconcile, duties), every_s=RECONCILE_EVERY_S))
        group.create_task(_keep(partial(_forget, duties), every_s=FORGET_EVERY_S))
        settle = partial(reconciling.settle_pending, duties.engine, duties.holds)
        group.create_task(_keep(settle, every_s=SETTLE_EVERY_S))
        for tidy in (reconciling.end_waiting, reconciling.end_unchecked):
            group.create_task(_keep(partial(tidy, duties.engine), every_s=SETTLE_EVERY_S))


async def _say_who_leads(duties: Duties) -> None:
    async with duties.engine.begin() as connection:
        await endpoints.lead(connection, duties.endpoint, slots=duties.slots)


async def _probe(duties: Duties) -> None:
    """Ask a paused endpoint whether it answers again."""
    async with duties.engine.connect() as connection:
        if not await endpoints.is_paused(connection, duties.endpoint):
            return
    try:
        await duties.runpod.health()
    except RunPodError as error:
        log.warning("endpoint.still_paused", endpoint=duties.endpoint, error=repr(error)[:200])
        return
    async with duties.engine.begin() as connection:
        await endpoints.resume(connection, duties.endpoint)


async def _forget(duties: Duties) -> None:
    async with duties.engine.begin() as connection:
        await inbox.forget_old(connection)


async def _begin_day(duties: Duties) -> None:
    async with duties.engine.begin() as connection:
        await budgets.begin_day(connection)


async def _reconcile(duties: Duties) -> None:
    """Compare what we reckon with what RunPod bills."""
    if duties.bills is None:
        return
    billed = await duties.bills.of_last_day(duties.endpoint)
    async with duties.engine.begin() as connection:
        await costs.reconcile(connection, duties.endpoint, billed)


async def _dispatch(connection: AsyncConnection, duties: Duties) -> None:
    """Start what may start. An error here ends the leadership: the lock may be gone."""
    loop = asyncio.get_running_loop()
    busy_until = 0.0
    while True:
        async with connection.begin():
            started = await start_next(
                connection, slots=duties.slots, endpoint=duties.endpoint, limits=duties.limits
            )
        if started:
            log.info("job.started", job_id=str(started))
            busy_until = loop.time() + BUSY_FOR_S
        else:
            await asyncio.sleep(BUSY_EVERY_S if loop.time() < busy_until else DISPATCH_EVERY_S)


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
