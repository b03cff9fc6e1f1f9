"""The feed: numbered in the order of commits, and without anything that is not the user's."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.catalog import EVENTS_HEARD
from contracts.credits.v1 import HoldPlaced
from contracts.processing.v1 import JobCompleted, JobStarted
from contracts.uploads.v1 import PhotoAccepted, PhotoDeleted
from services.gateway import consumers, feed, idempotency, sessions
from services.gateway.idempotency import Attempt, StoredAnswer

NOW = datetime.now(UTC)


def deleted() -> PhotoDeleted:
    return PhotoDeleted(photo_id=uuid4(), account_id=uuid4(), version=3)


async def add(engine: AsyncEngine, account_id: UUID, count: int) -> None:
    async with engine.begin() as connection:
        for _ in range(count):
            await feed.append(connection, account_id, deleted(), time=NOW)


async def test_a_higher_number_is_never_visible_first(engine: AsyncEngine) -> None:
    account_id = uuid4()
    async with engine.connect() as slow, engine.connect() as fast:
        await slow.begin()
        await feed.append(slow, account_id, deleted(), time=NOW)
        await fast.begin()
        overtaking = asyncio.create_task(feed.append(fast, account_id, deleted(), time=NOW))
        await asyncio.wait({overtaking}, timeout=0.2)
        assert not overtaking.done()

        await slow.commit()
        assert await overtaking == 2
        await fast.commit()


async def test_numbers_have_no_gaps_though_writers_fail(engine: AsyncEngine) -> None:
    account_id = uuid4()

    async def write(number: int) -> None:
        async with engine.connect() as connection, connection.begin() as transaction:
            await feed.append(connection, account_id, deleted(), time=NOW)
            if number % 3 == 0:
                await transaction.rollback()

    await asyncio.gather(*(write(number) for number in range(30)))

    async with engine.begin() as connection:
        events = await feed.read(connection, account_id, after=0)
    assert [event.seq for event in events] == list(range(1, 21))


async def test_accounts_do_not_wait_for_one_another(engine: AsyncEngine) -> None:
    async with engine.connect() as one, engine.connect() as other:
        await one.begin()
        await other.begin()
        await feed.append(one, uuid4(), deleted(), time=NOW)
        async with asyncio.timeout(1):
            assert await feed.append(other, uuid4(), deleted(), time=NOW) == 1


def test_every_event_heard_says_what_it_shows() -> None:
    assert set(feed.SHOWN) == set(EVENTS_HEARD["gateway"])
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
        assert str(account_id) not in str(feed.shown(message))
    assert feed.shown(accepted)["photo_id"] == str(photo_id)
    assert feed.shown(completed)["job_id"] == str(job_id)


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
