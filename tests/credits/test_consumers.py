"""What credits does when it hears a message, on a real broker."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.billing.v1 import PlanChanged
from contracts.catalog import EVENTS_HEARD
from contracts.message import Envelope, Event
from contracts.processing.v1 import JobCancelled, JobCompleted, JobFailed, JobRejected
from services.credits import consumers
from services.kit import bus, inbox, together
from services.kit.db import uuid7
from tests.credits.bank import Bank
from tests.kit.messages import send

WAIT_MAX_S = 10


def envelope(event: Event) -> Envelope:
    return Envelope(
        id=uuid7(),
        source="/rekindle/tests",
        type=event.type,
        time=datetime.now(UTC),
        subject="tests",
        correlationid=uuid4(),
        data=event.model_dump(mode="json"),
    )


def completed(job_id: UUID, account_id: UUID) -> JobCompleted:
    return JobCompleted(
        job_id=job_id,
        account_id=account_id,
        version=4,
        job_kind="restore_colourize",
        price=4,
        result_key="results/x.png",
        sha256="0" * 64,
        width=480,
        height=640,
        engine="cpu",
        gpu_seconds=1.5,
    )


def ended(kind: type[Event], job_id: UUID, account_id: UUID) -> Event:
    facts: dict[str, Any] = {"job_id": job_id, "account_id": account_id, "version": 4}
    if kind is JobFailed:
        facts |= {"code": "quality", "detail": "It would not come out right."}
    if kind is JobRejected:
        facts |= {"code": "abandoned"}
    return kind.model_validate(facts)


def plan_changed(account_id: UUID) -> PlanChanged:
    return PlanChanged(
        account_id=account_id,
        version=1,
        plan="remember",
        tier="priority",
        credits_monthly=25,
        period="gift:1",
    )


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = asyncio.get_running_loop().time() + WAIT_MAX_S
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


@pytest.fixture
async def hear(bank: Bank, amqp_url: str) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """Publish messages to a running consumer and wait until it has acted on the last."""
    broker = bus.create_broker(amqp_url, name="tests")
    consumers.listen(broker, bank.engine)
    await bus.start(broker)

    async def hear(*messages: Event | Envelope) -> None:
        for message in messages:
            sent = message if isinstance(message, Envelope) else envelope(message)
            await send(broker, sent)

            async def acted(event_id: UUID = sent.id) -> bool:
                return bool(
                    await bank.rows("select 1 from inbox where event_id = :id", id=event_id)
                )

            await until(acted)

    yield hear
    await broker.stop()


Hear = Callable[..., Awaitable[None]]


def acting(bank: Bank) -> bus.Handler:
    """What credits does with messages, without a broker."""
    return together.handler(bank.engine, size_max=consumers.PREFETCH, act=consumers.act)


async def everything(bank: Bank) -> list[Any]:
    return [
        await bank.rows(f"select * from {table} order by 1")
        for table in ("accounts", "movements", "entries", "holds", "outbox", "inbox")
    ]


async def test_credits_hears_what_the_catalogue_says() -> None:
    assert {JobCompleted, *consumers.RARE} == set(EVENTS_HEARD["credits"])


async def test_a_plan_brings_its_credits_and_a_delivered_job_spends_them(
    bank: Bank, hear: Hear
) -> None:
    account_id = uuid4()

    await hear(plan_changed(account_id))
    job_id = await bank.hold(account_id, amount=4)
    await hear(completed(job_id, account_id))

    assert await bank.receipts(account_id) == [
        ("grant", 25, 25, 0),
        ("hold", 4, 21, 4),
        ("capture", 4, 21, 0),
    ]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (JobFailed, "Returned: the job ended without a result"),
        (JobCancelled, "Returned: you stopped the job"),
        (JobRejected, "Returned: the job never started"),
    ],
)
async def test_a_job_without_a_result_gives_its_credits_back(
    bank: Bank, hear: Hear, kind: type[Event], text: str
) -> None:
    account_id = await bank.open_account(amount=10)
    job_id = await bank.hold(account_id, amount=4)

    await hear(ended(kind, job_id, account_id))

    assert await bank.balance(account_id) == (10, 0)
    assert await bank.rows("select reason from movements where kind = 'release'") == [(text,)]


async def test_a_job_that_never_had_a_hold_moves_nothing(bank: Bank, hear: Hear) -> None:
    account_id = await bank.open_account(amount=10)

    await hear(
        ended(JobRejected, uuid4(), account_id),
        ended(JobFailed, uuid4(), account_id),
        completed(uuid4(), account_id),
    )

    assert await bank.balance(account_id) == (10, 0)


async def test_the_same_job_completed_twice_is_spent_once(bank: Bank, hear: Hear) -> None:
    account_id = await bank.open_account(amount=10)
    job_id = await bank.hold(account_id, amount=4)
    repeated = envelope(completed(job_id, account_id))

    # The same message again, and the same fact a day later in a message of its own.
    await hear(repeated, repeated, completed(job_id, account_id))

    assert await bank.balance(account_id) == (6, 0)


@pytest.mark.parametrize("delivered_first", [True, False])
async def test_of_completed_and_failed_the_first_decides(
    bank: Bank, hear: Hear, *, delivered_first: bool
) -> None:
    account_id = await bank.open_account(amount=10)
    job_id = await bank.hold(account_id, amount=4)
    story = [completed(job_id, account_id), ended(JobFailed, job_id, account_id)]

    await hear(*(story if delivered_first else reversed(story)))

    assert await bank.balance(account_id) == ((6, 0) if delivered_first else (10, 0))


@pytest.mark.parametrize(
    "message",
    [plan_changed, *(lambda a, k=k: ended(k, uuid4(), a) for k in (JobFailed, JobCancelled))],
)
async def test_a_redelivered_message_is_not_acted_on_again(
    bank: Bank, message: Callable[[UUID], Event]
) -> None:
    event = message(await bank.open_account(amount=10))
    delivery = inbox.Delivery(bank.engine, consumers.QUEUE, envelope(event))
    handle = acting(bank)
    await handle(event, delivery)
    before = await everything(bank)

    await handle(event, delivery)

    assert await everything(bank) == before


async def test_a_completed_job_that_is_redelivered_is_not_acted_on_again(bank: Bank) -> None:
    account_id = await bank.open_account(amount=10)
    event = completed(await bank.hold(account_id, amount=4), account_id)
    delivery = inbox.Delivery(bank.engine, consumers.QUEUE, envelope(event))

    handle = acting(bank)

    for _ in range(2):
        await handle(event, delivery)

    assert await bank.balance(account_id) == (6, 0)


async def test_jobs_that_are_delivered_together_are_paid_for_together(bank: Bank) -> None:
    accounts = [await bank.open_account(amount=20) for _ in range(3)]
    paid = [(await bank.hold(account_id, amount=2), account_id) for account_id in accounts * 3]
    failed = await bank.hold(accounts[0], amount=5)
    stopped = ended(JobFailed, failed, accounts[0])
    before = len(await bank.said())
    handle = acting(bank)

    events = [*(completed(*one) for one in paid), completed(uuid4(), accounts[1]), stopped]
    sent = [envelope(event) for event in events]
    await asyncio.gather(
        *(
            handle(event, inbox.Delivery(bank.engine, consumers.QUEUE, told))
            for event, told in zip(events, sent, strict=True)
        )
    )

    assert [await bank.balance(account_id) for account_id in accounts] == [(14, 0)] * 3
    assert {await bank.state(job_id) for job_id, _ in paid} == {"captured"}
    assert await bank.state(failed) == "released"
    said = await bank.rows("select payload from outbox order by id")
    causes = {row[0]["data"]["job_id"]: row[0]["causationid"] for row in said[before:]}
    assert causes == {
        str(event.job_id): str(told.id)  # type: ignore[attr-defined]
        for event, told in zip(events, sent, strict=True)
        if event is not events[-2]
    }


async def test_what_fails_is_not_remembered_as_done(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = plan_changed(uuid4())
    delivery = inbox.Delivery(bank.engine, consumers.QUEUE, envelope(event))

    async def fail(*_: object, **__: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr("services.credits.pools.say", fail)
        with pytest.raises(ConnectionError):
            await acting(bank)(event, delivery)
    assert await bank.rows("select 1 from accounts") == []
    await acting(bank)(event, delivery)

    assert await bank.balance(event.account_id) == (25, 0)


async def test_the_sweep_does_everything_that_is_due(bank: Bank) -> None:
    account_id, free = await bank.open_account(amount=10), uuid4()
    now = datetime.now(UTC)
    await bank.hold(account_id, amount=4, at=now - timedelta(days=2))
    await bank.read(free, at=now - timedelta(days=32))

    assert not await consumers.sweep(bank.engine)

    assert await bank.balance(account_id) == (10, 0)
    assert await bank.balance(free) == (6, 0)


async def test_the_consumer_process_sweeps_listens_and_stops(bank: Bank, amqp_url: str) -> None:
    account_id = await bank.open_account(amount=10)
    await bank.hold(account_id, amount=4, at=datetime.now(UTC) - timedelta(days=2))
    job_id = await bank.hold(account_id, amount=3)
    url = bank.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.credits",
        "consumer",
        env=os.environ | {"DATABASE_URL": url, "AMQP_URL": amqp_url, "REKINDLE_ENV": "local"},
        stdout=asyncio.subprocess.PIPE,
    )
    broker = bus.create_broker(amqp_url, name="tests")
    await bus.start(broker)

    async def settled() -> bool:
        return await bank.balance(account_id) == (7, 0)

    async def said_that_it_swept() -> bool:
        assert process.stdout
        return b"sweep.done" in await process.stdout.readline()

    try:
        await send(broker, envelope(completed(job_id, account_id)))
        await until(settled)
        await until(said_that_it_swept)
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        await broker.stop()

    assert process.returncode == 0


async def test_who_is_erased_while_a_job_runs_pays_nothing_whatever_comes_late(
    bank: Bank, hear: Hear
) -> None:
    """Erasing stops the jobs first; what a GPU has still in hand may be done all the same."""
    account_id = await bank.open_account(amount=10)
    job_id = await bank.hold(account_id, amount=4)

    await hear(ended(JobCancelled, job_id, account_id), completed(job_id, account_id))
    await hear(ended(JobFailed, job_id, account_id))

    assert await bank.balance(account_id) == (10, 0)
    assert await bank.state(job_id) == "released"


async def test_the_books_know_a_pseudonym_and_nobody(bank: Bank) -> None:
    """So they can stay when somebody is erased. Whoever adds words to them, look here."""
    words = await bank.rows(
        "select table_name, column_name from information_schema.columns"
        " where table_schema = 'credits' and data_type in ('text', 'json', 'jsonb')"
        " and table_name in ('accounts', 'holds', 'movements', 'entries', 'causes', 'seals')"
        " order by 1, 2"
    )

    assert words == [
        *(("accounts", column) for column in ("month_added", "plan", "tier")),
        *(("causes", column) for column in ("cause", "closes", "kind")),
        ("entries", "bucket"),
        *(("holds", column) for column in ("reason", "state")),
        *(("movements", column) for column in ("cause", "kind", "reason")),
    ]
