"""The message doors of processing: what it hears, and which rule acts on it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any

from faststream.rabbit import RabbitBroker
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.billing.v1 import PlanChanged
from contracts.credits.v1 import HoldExpired, HoldRefunded
from contracts.gateway.v1 import AccountErased
from contracts.message import Message
from contracts.processing.v1 import CheckResult, PreparePhoto, StartAttempt
from contracts.uploads.v1 import PhotoAccepted, PhotoDeleted
from services.kit import bus, consuming
from services.kit.db import create_engine
from services.kit.inbox import Delivery
from services.kit.settings import load
from services.kit.storage import open_storage
from services.kit.telemetry import configure_logs
from services.processing import accounts, erasing, jobs, preparation, reviews
from services.processing.preparation import Preparer
from services.processing.results import Checker
from services.processing.runpod import open_endpoints
from services.processing.sandbox import Crashed, Sandbox
from services.processing.settings import ConsumerSettings
from services.processing.submitting import Submitter

EVENTS_AT_ONCE = 16
AT_ONCE = {"prepare": 2, "attempts": 8, "checks": 2}
PRIORITY_FACTOR = 4
"""Paid plans are worked on four times as broadly; the others never stop."""

Handler = Callable[[Any, Delivery], Awaitable[None]]


async def main() -> None:
    """Consume until told to stop."""
    settings = load(ConsumerSettings)
    configure_logs("processing", level=settings.log_level)
    async with open_broker(settings) as broker:
        await consuming.run(broker)


@asynccontextmanager
async def open_broker(settings: ConsumerSettings) -> AsyncIterator[RabbitBroker]:
    """A broker with every queue of processing behind it, not started yet."""
    engine = create_engine(
        settings.database_url.get_secret_value(),
        name="processing-consumer",
        pool_size=settings.database_pool_size,
    )
    broker = bus.create_broker(settings.amqp_url.get_secret_value(), name="processing")
    sandbox = Sandbox(workers=settings.imaging_workers)
    async with (
        open_storage(settings) as storage,
        open_endpoints(
            settings.runpod_api_url,
            [endpoint.id for endpoint in settings.runpod_endpoints],
            api_key=settings.runpod_api_key.get_secret_value(),
        ) as runpods,
    ):
        submitter = Submitter(
            engine,
            storage,
            runpods,
            webhook_base=settings.runpod_webhook_base,
            webhook_secret=settings.webhook_secret.get_secret_value(),
        )
        subscribe(
            broker,
            engine,
            preparer=Preparer(engine, storage, sandbox),
            submitter=submitter,
            checker=Checker(engine, storage, sandbox),
        )
        try:
            yield broker
        finally:
            sandbox.close()
            await engine.dispose()


def subscribe(
    broker: RabbitBroker,
    engine: AsyncEngine,
    *,
    preparer: Preparer,
    submitter: Submitter,
    checker: Checker,
) -> None:
    """Hear every queue of processing."""

    @_tried_again
    async def prepare(command: PreparePhoto, delivery: Delivery) -> None:
        await preparer.prepare(command, delivery.transaction)

    async def start(command: StartAttempt, delivery: Delivery) -> None:
        await submitter.submit(command.attempt_id, delivery)

    @_tried_again
    async def check(command: CheckResult, delivery: Delivery) -> None:
        await checker.check(command.attempt_id, delivery)

    work: dict[str, tuple[type[Message], Handler]] = {
        "prepare": (PreparePhoto, prepare),
        "attempts": (StartAttempt, start),
        "checks": (CheckResult, check),
    }
    bus.listen(
        broker,
        engine,
        queue="rk.processing.events",
        prefetch=EVENTS_AT_ONCE,
        handlers={
            PhotoAccepted: _photo_accepted,
            PhotoDeleted: _photo_deleted,
            PlanChanged: _plan_changed,
            HoldExpired: _hold_expired,
            HoldRefunded: _hold_refunded,
            AccountErased: _account_erased,
        },
    )
    for name, (message, handler) in work.items():
        for tier, factor in (("priority", PRIORITY_FACTOR), ("standard", 1)):
            bus.listen(
                broker,
                engine,
                queue=f"rk.processing.{name}.{tier}",
                prefetch=AT_ONCE[name] * factor,
                handlers={message: handler},
            )


async def _photo_accepted(event: PhotoAccepted, delivery: Delivery) -> None:
    async with delivery.transaction() as connection:
        await preparation.accept(connection, event)


async def _photo_deleted(event: PhotoDeleted, delivery: Delivery) -> None:
    async with delivery.transaction() as connection:
        await preparation.forget(connection, event.photo_id, account_id=event.account_id)


async def _plan_changed(event: PlanChanged, delivery: Delivery) -> None:
    async with delivery.transaction() as connection:
        await accounts.change_plan(
            connection,
            event.account_id,
            plan=event.plan,
            tier=event.tier,
            version=event.version,
        )


async def _hold_expired(event: HoldExpired, delivery: Delivery) -> None:
    async with delivery.transaction() as connection:
        await jobs.fail(
            connection,
            event.job_id,
            code="hold-expired",
            detail="The job took too long; its credits have come back.",
        )


async def _hold_refunded(event: HoldRefunded, delivery: Delivery) -> None:
    async with delivery.transaction() as connection:
        await reviews.note(connection, event.job_id, reason=event.reason)


async def _account_erased(event: AccountErased, delivery: Delivery) -> None:
    async with delivery.transaction() as connection:
        await erasing.begin(connection, event)


def _tried_again(handler: Handler) -> Handler:
    """A decoder that died is worth another try; of what is away the bus knows by itself."""

    @wraps(handler)
    async def tried(message: Any, delivery: Delivery) -> None:
        try:
            await handler(message, delivery)
        except Crashed as error:
            raise bus.Transient(repr(error)[:200]) from error

    return tried
