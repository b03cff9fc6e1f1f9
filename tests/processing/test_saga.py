"""The whole way of a job, every part of it real: broker, relay, consumers, leader, credits."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from uuid import UUID

import httpx
import pytest
from PIL import Image
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.credits.v1 import HoldExpired, HoldRefunded
from contracts.uploads.v1 import PhotoDeleted
from services.credits import consumers as credits_consumers
from services.kit import bus, relay
from services.kit.client import ServiceClient
from services.kit.settings import load
from services.kit.storage import NoSuchObject, Storage
from services.processing import dispatcher
from services.processing.consumers import open_broker
from services.processing.dispatcher import Duties
from services.processing.holds import Holds
from services.processing.runpod import RunPod
from services.processing.settings import ConsumerSettings
from tests.credits.bank import Bank
from tests.processing import pictures, rows
from tests.processing.conftest import (
    CREDITS_SECRET,
    ENDPOINTS,
    KEY,
    WEBHOOK_SECRET,
    Credits,
    Emulator,
)
from tests.processing.people import WITHIN_S, Customer, Worker, running

MASTER = (1200, 900)


@pytest.fixture(name="worker")
async def _worker(emulator: Emulator) -> AsyncIterator[Worker]:
    worker = Worker(emulator)
    async with running(worker.work()):
        yield worker


@pytest.fixture(name="customer")
async def _customer(
    engine: AsyncEngine,
    storage: Storage,
    bank: Bank,
    credits_: Credits,
    client_of: Callable[[UUID], httpx.AsyncClient],
    saga: None,
) -> Customer:
    account_id = await bank.open_account(amount=10)
    await rows.execute(
        engine,
        "insert into accounts values (:id, 'remember', 'priority', 720, 1)",
        id=account_id,
    )
    return Customer(engine, storage, bank, client_of(account_id), account_id)


@pytest.fixture(name="saga")
async def _saga(
    address: str,
    amqp_url: str,
    database_url: Callable[[str], str],
    s3: dict[str, str],
    emulator: Emulator,
    credits_: Credits,
    engine: AsyncEngine,
    bank: Bank,
    storage: Storage,
    runpod: RunPod,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[None]:
    environment = {
        "REKINDLE_ENV": "local",
        "DATABASE_URL": database_url("processing"),
        "AMQP_URL": amqp_url,
        "RUNPOD_API_URL": emulator.api_url,
        "RUNPOD_ENDPOINTS": ENDPOINTS,
        "RUNPOD_API_KEY": KEY,
        "RUNPOD_WEBHOOK_BASE": address,
        "WEBHOOK_SECRET": WEBHOOK_SECRET,
        "IMAGING_WORKERS": "1",
        **s3,
    }
    with monkeypatch.context() as given:
        for name, value in environment.items():
            given.setenv(name, value)
        settings = load(ConsumerSettings)
    holds = Holds(
        ServiceClient(
            credits_.address, caller="processing", service="credits", secret=CREDITS_SECRET
        )
    )
    duties = Duties(
        engine=engine,
        runpod=runpod,
        storage=storage,
        holds=holds,
        slots=4,
    )
    async with AsyncExitStack() as everything:
        consumer = await everything.enter_async_context(open_broker(settings))
        speaker = bus.create_broker(amqp_url, name="tests-relay")
        bookkeeper = bus.create_broker(amqp_url, name="tests-credits")
        credits_consumers.listen(bookkeeper, bank.engine)
        for broker in (consumer, speaker, bookkeeper):
            await bus.start(broker)
            everything.push_async_callback(broker.stop)
        everything.push_async_callback(holds.close)
        for service in ("processing", "credits"):
            work = relay.relay(database_url(service), speaker, schema=service)
            await everything.enter_async_context(running(work))
        await everything.enter_async_context(
            running(dispatcher.lead(database_url("processing"), duties))
        )
        yield


async def test_a_photo_becomes_a_result_that_is_paid_for(
    customer: Customer, worker: Worker, storage: Storage
) -> None:
    photo_id = await customer.add_photo(pictures.textured(*MASTER))
    job_id = await customer.order(photo_id)
    await customer.until_credits(available=8, held=2)

    shown = await customer.until(job_id, "completed", "failed")

    assert (shown["state"], shown["attempts"], shown["problem"]) == ("completed", 1, None)
    async with httpx.AsyncClient(trust_env=False) as browser:
        picture = await browser.get(shown["result"]["url"])
    assert hashlib.sha256(picture.content).hexdigest() == shown["result"]["sha256"]
    assert (shown["result"]["width"], shown["result"]["height"]) == (960, 720)
    await customer.until_credits(available=8, held=0)
    for key in (
        f"masters/{customer.account_id}/{photo_id}-2.jpg",
        f"previews/{customer.account_id}/{photo_id}-2.webp",
        f"thumbnails/{customer.account_id}/{photo_id}-2.webp",
    ):
        assert await storage.size(key) > 0


async def test_a_result_that_fails_its_check_is_tried_again_with_another_seed(
    customer: Customer, worker: Worker
) -> None:
    good = worker.make
    blank = Image.new("RGB", (960, 720), (128, 128, 128))
    worker.make = lambda given: blank if not worker.runs[1:] else good(given)

    job_id = await customer.order(await customer.add_photo(pictures.textured(*MASTER)))
    shown = await customer.until(job_id, "completed", "failed")

    assert (shown["state"], shown["attempts"]) == ("completed", 2)
    assert len({run["options"]["seed"] for run in worker.runs}) == 2
    await customer.until_credits(available=8, held=0)


async def test_results_that_never_pass_cost_nothing(customer: Customer, worker: Worker) -> None:
    worker.make = lambda _: pictures.textured(900, 900)

    job_id = await customer.order(await customer.add_photo(pictures.textured(*MASTER)))
    shown = await customer.until(job_id, "completed", "failed")

    assert (shown["state"], shown["attempts"]) == ("failed", 3)
    assert shown["problem"]["code"] == "quality"
    await customer.until_credits(available=10, held=0)
    states = [a.state for a in await rows.attempts_of(customer.engine, job_id)]
    assert states == ["QC_FAILED"] * 3


async def test_another_file_than_the_reported_one_is_never_shown(
    customer: Customer, worker: Worker
) -> None:
    worker.lies = {"sha256": "0" * 64}

    job_id = await customer.order(await customer.add_photo(pictures.textured(*MASTER)))
    shown = await customer.until(job_id, "completed", "failed")

    assert (shown["state"], shown["result"]) == ("failed", None)
    for attempt in await rows.attempts_of(customer.engine, job_id):
        with pytest.raises(NoSuchObject):
            await customer.storage.size(attempt.result_key)


async def test_a_photo_the_worker_refuses_costs_nothing(customer: Customer, worker: Worker) -> None:
    worker.make = lambda _: '{"class": "input", "detail": "cannot read"}'

    job_id = await customer.order(await customer.add_photo(pictures.textured(*MASTER)))
    shown = await customer.until(job_id, "completed", "failed")

    assert (shown["problem"]["code"], shown["attempts"]) == ("photo-not-workable", 1)
    await customer.until_credits(available=10, held=0)


async def test_a_photo_that_cannot_be_prepared_fails_its_job(
    customer: Customer, worker: Worker
) -> None:
    photo_id = await customer.add_photo(pictures.textured(*MASTER), broken=True)
    answer = await customer.client.post(
        "/v1/jobs?patient=true",
        json={"kind": "restore", "photo_ids": [str(photo_id)]},
        headers={"Idempotency-Key": "k1"},
    )
    if answer.status_code == 202:
        shown = await customer.until(UUID(answer.json()["id"]), "failed", "completed")
        assert shown["problem"]["code"] == "not-a-photo"
    else:
        assert answer.json()["code"] == "photo-unusable"

    await customer.until_credits(available=10, held=0)
    assert worker.runs == []


async def test_a_lost_webhook_costs_seconds_and_nothing_else(
    customer: Customer, worker: Worker, emulator: Emulator
) -> None:
    await emulator.fault(lose_webhook=1)

    job_id = await customer.order(await customer.add_photo(pictures.textured(*MASTER)))
    shown = await customer.until(job_id, "completed", "failed")

    assert shown["state"] == "completed"
    (attempt,) = await rows.attempts_of(customer.engine, job_id)
    assert attempt.hint_at is None


async def test_a_doubled_webhook_and_a_time_out_end_in_one_result(
    customer: Customer, worker: Worker, emulator: Emulator
) -> None:
    await emulator.fault(duplicate_webhook=2, time_out_next=1)

    job_id = await customer.order(await customer.add_photo(pictures.textured(*MASTER)))
    shown = await customer.until(job_id, "completed", "failed")

    assert (shown["state"], shown["attempts"]) == ("completed", 2)
    await customer.until_credits(available=8, held=0)


async def test_a_running_job_can_be_cancelled_and_costs_nothing(
    customer: Customer, emulator: Emulator
) -> None:
    job_id = await customer.order(await customer.add_photo(pictures.textured(*MASTER)))
    await customer.until(job_id, "running")

    answer = await customer.client.post(f"/v1/jobs/{job_id}/cancel")

    assert answer.json()["state"] == "cancelled"
    await customer.until_credits(available=10, held=0)
    async with asyncio.timeout(WITHIN_S):
        while emulator.endpoint.health()["jobs"]["inQueue"]:
            await asyncio.sleep(0.05)


async def test_a_hold_that_expired_ends_its_job(customer: Customer) -> None:
    job_id = await customer.order(await customer.add_photo(pictures.textured(*MASTER)))
    await customer.until(job_id, "running")

    await customer.say(
        HoldExpired(
            job_id=job_id, account_id=customer.account_id, version=9, amount=2, available=10
        ),
        about=job_id,
    )

    shown = await customer.until(job_id, "failed", "completed")
    assert shown["problem"]["code"] == "hold-expired"


async def test_a_result_that_its_owner_rejects_is_noted_for_review(customer: Customer) -> None:
    job_id = await customer.order(await customer.add_photo(pictures.textured(*MASTER)))
    await customer.until(job_id, "running")
    for _ in range(2):
        rejected = HoldRefunded(
            job_id=job_id,
            account_id=customer.account_id,
            version=9,
            amount=2,
            available=10,
            reason="likeness",
        )
        await customer.say(rejected, about=job_id)

    async with asyncio.timeout(WITHIN_S):
        while not (noted := await reviews_of(customer.engine)):
            await asyncio.sleep(0.05)
    assert noted == [(job_id, "likeness")]


async def reviews_of(engine: AsyncEngine) -> list[tuple[UUID, str]]:
    async with engine.connect() as connection:
        found = await connection.execute(text("select job_id, reason from reviews"))
        return [tuple(row) for row in found]


async def test_a_deleted_photo_leaves_nothing_to_prepare(
    customer: Customer, storage: Storage
) -> None:
    photo_id = await customer.add_photo(pictures.textured(*MASTER))
    await customer.say(
        PhotoDeleted(photo_id=photo_id, account_id=customer.account_id, version=3), about=photo_id
    )
    async with asyncio.timeout(WITHIN_S):
        while await state_of(customer.engine, photo_id) != "deleted":
            await asyncio.sleep(0.05)

    answer = await customer.client.post(
        "/v1/jobs?patient=true",
        json={"kind": "restore", "photo_ids": [str(photo_id)]},
        headers={"Idempotency-Key": "k1"},
    )

    assert answer.status_code == 404


async def state_of(engine: AsyncEngine, photo_id: UUID) -> str | None:
    async with engine.connect() as connection:
        found = await connection.execute(
            text("select state from preparations where photo_id = :id"), {"id": photo_id}
        )
        return found.scalar_one_or_none()
