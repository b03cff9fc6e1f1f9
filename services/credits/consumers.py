"""What credits does when it hears a message, and what it sweeps up without one."""

import asyncio

import structlog
from faststream.rabbit import RabbitBroker
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.billing.v1 import PlanChanged
from contracts.message import Message
from contracts.processing.v1 import JobCancelled, JobCompleted, JobFailed, JobRejected
from services.credits import accounts, holds
from services.kit import bus, failpoints, inbox

QUEUE = "rk.credits.events"
PREFETCH = 16
SWEEP_EVERY_S = 60
SWEEP_BATCH = 200

log = structlog.get_logger()


def listen(broker: RabbitBroker, engine: AsyncEngine) -> None:
    bus.listen(broker, engine, queue=QUEUE, prefetch=PREFETCH, handlers=HANDLERS)


async def capture(job: JobCompleted, delivery: bus.Delivery) -> None:
    async with delivery.transaction() as connection:
        await holds.capture(connection, job_id=job.job_id)


async def release_failed(job: JobFailed, delivery: bus.Delivery) -> None:
    async with delivery.transaction() as connection:
        await holds.release(connection, job_id=job.job_id)


async def release_cancelled(job: JobCancelled, delivery: bus.Delivery) -> None:
    async with delivery.transaction() as connection:
        await holds.release(connection, job_id=job.job_id, reason="Returned: you stopped the job")


async def release_rejected(job: JobRejected, delivery: bus.Delivery) -> None:
    async with delivery.transaction() as connection:
        await holds.release(connection, job_id=job.job_id, reason="Returned: the job never started")


async def change_plan(change: PlanChanged, delivery: bus.Delivery) -> None:
    async with delivery.transaction() as connection:
        await accounts.change_plan(connection, change)


HANDLERS: dict[type[Message], bus.Handler] = {
    JobCompleted: capture,
    JobFailed: release_failed,
    JobCancelled: release_cancelled,
    JobRejected: release_rejected,
    PlanChanged: change_plan,
}


async def sweep_for_ever(engine: AsyncEngine) -> None:
    """Expire forgotten holds, add the month's free credits and forget old messages, each minute."""
    while True:
        try:
            more = await sweep(engine)
        except Exception as error:  # noqa: BLE001  # a killed Postgres raises from many families
            log.warning("sweep.interrupted", error=repr(error)[:200])
            more = False
        await asyncio.sleep(0 if more else SWEEP_EVERY_S)


async def sweep(engine: AsyncEngine) -> bool:
    """One bounded round; whether there may be more to do at once."""
    await failpoints.reach("on_sweeper_tick")
    expired = await holds.expire_old(engine, batch=SWEEP_BATCH)
    added = await accounts.add_free_credits(engine, batch=SWEEP_BATCH)
    async with engine.begin() as connection:
        forgotten = await inbox.forget_old(connection)
    if expired or added or forgotten:
        log.info("sweep.done", expired=expired, added=added, forgotten=forgotten)
    return SWEEP_BATCH in (expired, added)
