"""The feed: numbered in the order of commits, and without anything that is not the user's."""

import asyncio
import json
import random
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.catalog import EVENTS_HEARD
from contracts.credits.v1 import HoldPlaced
from contracts.processing.v1 import JobCompleted, JobStarted
from contracts.uploads.v1 import PhotoAccepted, PhotoDeleted
from services.gateway import consumers, erasures, feed, idempotency, sessions
from services.gateway.idempotency import Attempt, StoredAnswer
from services.kit.db import Connection

NOW = datetime.now(UTC)


def deleted(account_id: UUID) -> PhotoDeleted:
    return PhotoDeleted(photo_id=uuid4(), account_id=account_id, version=3)


async def append(connection: Connection, *account_ids: UUID) -> None:
    await feed.append(connection, [(deleted(account_id), NOW) for account_id in account_ids])


async def numbers(engine: AsyncEngine, account_id: UUID) -> list[int]:
    async with engine.begin() as connection:
        return [event.seq for event in await feed.read(connection, account_id, after=0)]


async def add(engine: AsyncEngine, account_id: UUID, count: int) -> None:
    async with engine.begin() as connection:
        for _ in range(count):
            await append(connection, account_id)


async def test_a_higher_number_is_never_visible_first(engine: AsyncEngine) -> None:
    account_id = uuid4()
    async with engine.connect() as slow, engine.connect() as fast:
        await slow.begin()
        await append(slow, account_id)
        await fast.begin()
        overtaking = asyncio.create_task(append(fast, account_id))
        await asyncio.wait({overtaking}, timeout=0.2)
        assert not overtaking.done()

        await slow.commit()
        await overtaking
        await fast.commit()

    assert await numbers(engine, account_id) == [1, 2]


async def test_numbers_have_no_gaps_though_writers_fail(engine: AsyncEngine) -> None:
    account_id = uuid4()

    async def write(number: int) -> None:
        async with engine.connect() as connection, connection.begin() as transaction:
            await append(connection, account_id)
            if number % 3 == 0:
                await transaction.rollback()

    await asyncio.gather(*(write(number) for number in range(30)))

    assert await numbers(engine, account_id) == list(range(1, 21))


async def test_accounts_do_not_wait_for_one_another(engine: AsyncEngine) -> None:
    async with engine.connect() as one, engine.connect() as other:
        await one.begin()
        await other.begin()
        await append(one, uuid4())
        async with asyncio.timeout(1):
            await append(other, uuid4())


async def test_events_of_many_accounts_are_numbered_in_their_order(engine: AsyncEngine) -> None:
    one, other = uuid4(), uuid4()
    heard = [deleted(account_id) for account_id in (one, other, one, one, other)]
    async with engine.begin() as connection:
        await append(connection, other)
        await feed.append(connection, [(message, NOW) for message in heard])

        events = await feed.read(connection, one, after=0)
        assert [event.data["photo_id"] for event in events] == [
            str(message.photo_id) for message in heard if message.account_id == one
        ]
        assert [event.seq for event in events] == [1, 2, 3]
        assert [event.seq for event in await feed.read(connection, other, after=1)] == [2, 3]


async def test_writers_of_the_same_accounts_do_not_lock_each_other_out(
    engine: AsyncEngine,
) -> None:
    crowd = [uuid4() for _ in range(20)]

    async def write(account_ids: list[UUID]) -> None:
        async with engine.begin() as connection:
            await append(connection, *account_ids)

    orders = [random.sample(crowd, len(crowd)) for _ in range(30)]
    await asyncio.gather(*(write(account_ids) for account_ids in orders))

    assert await numbers(engine, crowd[0]) == list(range(1, 31))


def test_every_event_heard_says_what_it_shows() -> None:
    assert set(feed.SHOWN) | set(erasures.CLEARED) == set(EVENTS_HEARD["gateway"])
    for message, fields in feed.SHOWN.items():
        assert set(fields) <= set(message.model_fields), message
        assert not [name for name in fields if name.endswith("_key") or name == "sha256"], message


def test_nothing_internal_is_shown() -> None:
    account_id, job_id, photo_id = uuid4(), uuid4(), uuid4()
    accepted = PhotoAccepted(
        photo_id=photo_id,
        account_id=account_id,
        version=2,
        object_key=f"originals/{account_id}/{photo_id}",
        media_type="image/jpeg",
        size_bytes=9,
        width=3,
        height=3,
    )
    completed = JobCompleted(
        job_id=job_id,
        account_id=account_id,
        version=5,
        job_kind="restore",
        price=2,
        result_key=f"results/{account_id}/{job_id}",
        sha256="0" * 64,
        width=3,
        height=3,
        engine="cpu",
        gpu_seconds=1.5,
    )

    for message in (accepted, completed):
        assert str(account_id) not in feed.shown(message)
    assert json.loads(feed.shown(accepted))["photo_id"] == str(photo_id)
    assert json.loads(feed.shown(completed))["job_id"] == str(job_id)


def test_an_event_is_called_by_its_name_without_the_version() -> None:
    assert feed.name_of(HoldPlaced) == "credits.hold.placed"
    assert feed.name_of(JobStarted) == "processing.job.started"


@pytest.mark.parametrize(
    ("seen", "place"),
    [(None, (5, False)), (5, (5, False)), (3, (3, False)), (1, (5, True)), (9, (5, True))],
)
async def test_reading_goes_on_where_it_stopped_unless_that_is_gone(
    engine: AsyncEngine, seen: int | None, place: tuple[int, bool]
) -> None:
    account_id = uuid4()
    await add(engine, account_id, 5)
    async with engine.begin() as connection:
        await connection.execute(text("delete from user_events where seq <= 2"))
        assert await feed.place(connection, account_id, seen=seen) == place


async def test_what_is_old_is_swept_and_nothing_else(engine: AsyncEngine) -> None:
    account_id, old, new = uuid4(), Attempt(uuid4(), "r", "old"), Attempt(uuid4(), "r", "new")
    await add(engine, account_id, 3)
    async with engine.begin() as connection:
        for attempt in (old, new):
            assert await idempotency.claim(connection, attempt, body=b"{}") is None
            await idempotency.keep(connection, attempt, StoredAnswer(202, {}, b"{}"))
        await connection.execute(
            text("update user_events set recorded_at = now() - interval '8 days' where seq = 1")
        )
        await connection.execute(
            text("update idempotency set created_at = now() - interval '25 hours' where key='old'")
        )

    await consumers.sweep(engine)

    async with engine.begin() as connection:
        kept = await connection.execute(text("select key from idempotency"))
        assert kept.scalars().all() == ["new"]
        assert [e.seq for e in await feed.read(connection, account_id, after=0)] == [2, 3]
        assert await sessions.find(connection, "nobody") is None
