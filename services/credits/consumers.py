"""What credits does when it hears a message, and what it sweeps up without one.

Delivered jobs are what it hears of most; those that arrive together are paid for together.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from faststream.rabbit import RabbitBroker
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.billing.v1 import (
    CreditsBlocked,
    CreditsPurchased,
    CreditsRestored,
    CreditsRevoked,
    CreditsUnblocked,
    PlanChanged,
    SubscriptionEnded,
)
from contracts.gateway.v1 import AccountErased
from contracts.message import Message
from contracts.processing.v1 import JobCancelled, JobCompleted, JobFailed, JobRejected
from services.credits import accounts, audit, holds, ledger, money
from services.kit import failpoints, inbox, telemetry, together
from services.kit.db import Connection
from services.kit.together import Heard

QUEUE = "rk.credits.events"
PREFETCH = 50
SWEEP_EVERY_S = 60
SWEEP_BATCH = 200

log = structlog.get_logger()


def listen(broker: RabbitBroker, engine: AsyncEngine) -> None:
    together.listen(
        broker, engine, queue=QUEUE, prefetch=PREFETCH, messages=(JobCompleted, *RARE), act=act
    )


async def act(connection: Connection, heard: Sequence[Heard]) -> None:
    """Spend the holds of all jobs that were delivered at once, then do the rest one by one."""
    delivered = {
        message.job_id: delivery.cause
        for message, delivery in heard
        if isinstance(message, JobCompleted)
    }
    if delivered:
        await holds.capture(connection, delivered)
    for message, delivery in heard:
        if type(message) in RARE:
            with telemetry.caused_by(delivery.cause, doing=f"{QUEUE} {message.type}"):
                await RARE[type(message)](connection, message)


async def release_failed(connection: Connection, job: JobFailed) -> None:
    await holds.release(connection, job_id=job.job_id)


async def release_cancelled(connection: Connection, job: JobCancelled) -> None:
    await holds.release(connection, job_id=job.job_id, reason="Returned: you stopped the job")


async def release_rejected(connection: Connection, job: JobRejected) -> None:
    await holds.release(connection, job_id=job.job_id, reason="Returned: the job never started")


RARE: dict[type[Message], Callable[[Connection, Any], Awaitable[None]]] = {
    JobFailed: release_failed,
    JobCancelled: release_cancelled,
    JobRejected: release_rejected,
    PlanChanged: accounts.change_plan,
    CreditsPurchased: money.purchased,
    CreditsRevoked: money.revoked,
    CreditsRestored: money.restored,
    CreditsBlocked: money.blocked,
    CreditsUnblocked: money.unblocked,
    SubscriptionEnded: money.ended,
    AccountErased: money.erased,
}


async def sweep_for_ever(engine: AsyncEngine) -> None:
    """Expire holds, add the month's free credits, prove the books once a day, each minute."""
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
    await audit.prove_nightly(engine)
    async with engine.begin() as connection:
        await ledger.make_months(connection)
        forgotten = await inbox.forget_old(connection)
    if expired or added or forgotten:
        log.info("sweep.done", expired=expired, added=added, forgotten=forgotten)
    return SWEEP_BATCH in (expired, added)
