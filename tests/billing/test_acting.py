"""Acting on events: patiently when Stripe is away, once whoever acts, and after any crash."""

import asyncio
import os
import signal
import sys
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing import customers, event_log, facts, reading, recording
from services.billing.acting import Actor
from services.billing.customers import LeaseLost
from services.billing.stripe_client import Stripe
from tests.billing.places import SECRET
from tests.billing.served import Served
from tests.billing.world import World

pytestmark = pytest.mark.usefixtures("logs")

BURST, BURST_CUSTOMERS, BURST_WITHIN_S = 10_000, 40, 150
KILLED_WITHIN_S = 60


@pytest.fixture
async def customer(priced: AsyncEngine, account: Served) -> tuple[UUID, World]:
    """An account with a customer at Stripe."""
    return await a_customer(priced, account)


@pytest.fixture
async def actor(priced: AsyncEngine, stripe: Stripe, customer: tuple[UUID, World]) -> Actor:
    _, world = customer
    return Actor(priced, stripe, clock=lambda: world.now)


async def a_customer(engine: AsyncEngine, account: Served) -> tuple[UUID, World]:
    account_id = uuid4()
    world = account.worlds.setdefault(f"cus_{account_id}", World(f"cus_{account_id}"))
    async with engine.begin() as connection:
        await customers.add(connection, account_id, world.customer_id)
    return account_id, world


async def store(engine: AsyncEngine, events: list[facts.Event]) -> None:
    async with engine.begin() as connection:
        for event in events:
            await event_log.store(connection, event)


async def at_once(engine: AsyncEngine) -> None:
    """Do not wait for what was put off."""
    async with engine.begin() as connection:
        await connection.execute(text("update stripe_events set next_attempt_at = now()"))


async def states(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return set(await connection.scalars(text("select state from stripe_events")))


async def bought(engine: AsyncEngine) -> list[int]:
    query = "select amount from credit_moves where kind = 'grant' order by said_at"
    async with engine.connect() as connection:
        return list(await connection.scalars(text(query)))


async def test_a_plan_a_top_up_and_what_went_back_are_read_with_the_official_library(
    actor: Actor, customer: tuple[UUID, World]
) -> None:
    _, world = customer
    contract = world.subscribe("remember")
    intent = world.top_up(100)
    world.advance(world.now + timedelta(days=14))
    world.change(contract, "cherish", interval="month")
    world.refund(intent, 1333)
    dispute = world.dispute(intent)
    await store(actor.engine, world.events)

    while await actor.act_once():
        pass

    assert await states(actor.engine) == {"handled"}
    async with actor.engine.connect() as connection:
        rows = await connection.execute(text("select cause, amount from credit_moves"))
        moves = {row.cause: row.amount for row in rows}
    upgrade = next(cause for cause in moves if cause.startswith("upgrade:"))
    assert moves == {
        f"sub:{contract.id}:0": 25,
        f"topup:{intent}": 100,
        upgrade: 17,
        f"claw:ch_{intent}:1333": 33,
        f"disp:{dispute}:block": 66,
    }


@pytest.mark.parametrize("code", [500, 503, 429])
async def test_while_stripe_is_away_events_wait_and_nothing_is_lost(
    actor: Actor, customer: tuple[UUID, World], account: Served, code: int
) -> None:
    customer[1].top_up(30)
    await store(actor.engine, customer[1].events)
    account.fails_with = [code] * 3  # the library itself tries some of them three times

    await actor.act_once()
    account.fails_with = []
    assert await states(actor.engine) == {"stored"}
    assert not await actor.act_once()  # not before its time
    await at_once(actor.engine)
    await actor.act_once()

    assert await states(actor.engine) == {"handled"}
    assert await bought(actor.engine) == [30]


async def test_after_three_days_an_event_is_parked_and_can_be_replayed(
    actor: Actor, customer: tuple[UUID, World], account: Served, logs: list[Any]
) -> None:
    _, world = customer
    world.top_up(30)
    await store(actor.engine, world.events)
    async with actor.engine.begin() as connection:
        await connection.execute(
            text("update stripe_events set received_at = now() - interval '3 days 1 second'")
        )
    account.fails_with = [500] * 3

    await actor.act_once()
    assert await states(actor.engine) == {"parked"}
    assert "stripe.event.parked" in [e["event"] for e in logs if e["log_level"] == "error"]
    async with actor.engine.begin() as connection:
        ((name, kind, _, note),) = await event_log.parked(connection, limit=10)
        assert await event_log.replay(connection, [name, "evt_unknown"]) == 1
    assert kind == "checkout.session.completed"
    assert "StripeAway" in note
    while await actor.act_once():
        pass

    assert await states(actor.engine) == {"handled"}
    assert await bought(actor.engine) == [30]


async def test_waits_grow_up_to_an_hour(engine: AsyncEngine) -> None:
    world = World("cus_1")
    world.top_up(10)
    await store(engine, world.events)
    waits = []
    for _ in range(16):
        async with engine.begin() as connection:
            await event_log.try_later(connection, [world.events[0].id], why="away")
            wait = text("select extract(epoch from next_attempt_at - now()) from stripe_events")
            waits.append(float(await connection.scalar(wait) or 0))

    assert 1 <= waits[0] <= 2
    assert max(waits) <= event_log.RETRY_S_MAX
    assert waits[-1] >= event_log.RETRY_S_MAX / 2


async def test_an_event_of_nobody_we_know_is_parked(
    actor: Actor, account: Served, logs: list[Any]
) -> None:
    stranger = account.worlds.setdefault("cus_stranger", World("cus_stranger"))
    intent = stranger.top_up(30)
    stranger.dispute(intent)
    await store(actor.engine, stranger.events)

    await actor.act_once()

    assert await states(actor.engine) == {"parked"}
    assert await bought(actor.engine) == []
    assert "stripe.event.of_nobody" in [entry["event"] for entry in logs]


async def test_many_who_act_at_once_give_once(
    actor: Actor, customer: tuple[UUID, World], stripe: Stripe
) -> None:
    _, world = customer
    world.subscribe("cherish")
    world.top_up(30)
    await store(actor.engine, world.events)
    actors = [Actor(actor.engine, stripe, clock=lambda: world.now) for _ in range(6)]

    for _ in range(10):
        await asyncio.gather(*(one.act_once() for one in actors))

    assert await states(actor.engine) == {"handled"}
    assert sorted(await bought(actor.engine)) == [30, 60]


async def test_who_was_too_slow_writes_nothing(
    actor: Actor, customer: tuple[UUID, World], stripe: Stripe
) -> None:
    """What was read before somebody else took the customer over is old."""
    _, world = customer
    contract = world.subscribe("cherish")
    async with actor.engine.begin() as connection:
        (slow,) = await customers.lease(connection, [world.customer_id])
        assert await customers.lease(connection, [world.customer_id]) == []
        await connection.execute(text("update customers set leased_until = '-infinity'"))
    old = await reading.read(stripe, world.customer_id, ("subscription", contract.id))
    async with actor.engine.begin() as connection:
        (quick,) = await customers.lease(connection, [world.customer_id])

    async with actor.engine.begin() as connection:
        with pytest.raises(LeaseLost):
            await customers.hold(connection, slow)
        await customers.hold(connection, quick)
        await recording.record(connection, quick, old)


async def test_nothing_is_asked_of_stripe_inside_a_transaction(
    actor: Actor, customer: tuple[UUID, World], account: Served
) -> None:
    _, world = customer
    world.top_up(30)
    await store(actor.engine, world.events)
    account.hangs = True
    acting = asyncio.create_task(actor.act_once())
    async with asyncio.timeout(20):
        while not account.asked:
            await asyncio.sleep(0.02)
    async with actor.engine.connect() as connection:
        idle = await connection.scalar(
            text(
                "select count(*) from pg_stat_activity where application_name = 'tests'"
                " and state like 'idle in transaction%' and pid <> pg_backend_pid()"
            )
        )
    account.hangs = False
    await acting

    assert idle == 0


@pytest.mark.timeout(300)
async def test_a_burst_of_ten_thousand_events_is_acted_on_in_bounded_time(
    priced: AsyncEngine, stripe: Stripe, account: Served
) -> None:
    known = [await a_customer(priced, account) for _ in range(BURST_CUSTOMERS)]
    world = known[0][1]
    for _, one in known:
        one.subscribe("remember")
        one.top_up(10)
    events = [event for _, one in known for event in one.events]
    copies = [
        event.model_copy(update={"id": f"{event.id}_{number}"})
        for number in range(BURST // len(events) + 1)
        for event in events
    ][:BURST]
    await store(priced, copies)
    actor = Actor(priced, stripe, clock=lambda: world.now)

    async with asyncio.timeout(BURST_WITHIN_S):
        while await actor.act_once():
            pass

    assert await states(priced) <= {"handled", "ignored"}
    assert sorted(await bought(priced)) == sorted([10, 25] * BURST_CUSTOMERS)


@pytest.fixture
async def consumer_environment(
    priced: AsyncEngine, url: str, account: Served, amqp_url: str
) -> dict[str, str]:
    return {
        "REKINDLE_ENV": "local",
        "DATABASE_URL": url,
        "AMQP_URL": amqp_url,
        "STRIPE_API_KEY": "sk_test_of_the_tests",
        "STRIPE_API_URL": account.url,
        "INTERNAL_SECRETS": SECRET,
    }


async def started(environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.billing",
        "consumer",
        env=os.environ | environment,
        stdout=asyncio.subprocess.DEVNULL,
    )


@pytest.mark.parametrize("where", ["while it reads", "before it commits"])
async def test_killed_between_storing_and_acting_nothing_is_lost_and_nothing_doubled(
    consumer_environment: dict[str, str],
    priced: AsyncEngine,
    account: Served,
    customer: tuple[UUID, World],
    where: str,
) -> None:
    _, world = customer
    world.now = datetime.now(world.now.tzinfo) - timedelta(minutes=1)
    world.subscribe("cherish")
    await store(priced, world.events)
    account.hangs = where == "while it reads"

    async with priced.connect() as blocker:
        if not account.hangs:
            await blocker.execute(text("lock table credit_moves in access exclusive mode"))
        first = await started(consumer_environment)
        async with asyncio.timeout(KILLED_WITHIN_S):
            while not account.asked or not (account.hangs or await is_blocked(priced)):
                await asyncio.sleep(0.05)
        first.send_signal(signal.SIGKILL)
        await first.wait()
        await blocker.rollback()
    account.hangs = False
    assert await bought(priced) == []
    async with priced.begin() as connection:  # as if the lease had run out
        await connection.execute(text("update customers set leased_until = '-infinity'"))

    second = await started(consumer_environment)
    try:
        async with asyncio.timeout(KILLED_WITHIN_S):
            while await states(priced) != {"handled"}:
                await asyncio.sleep(0.1)
    finally:
        second.terminate()
        await second.wait()
    assert await bought(priced) == [60]


async def is_blocked(engine: AsyncEngine) -> bool:
    query = (
        "select exists (select from pg_stat_activity where application_name = 'billing-consumer'"
        " and wait_event_type = 'Lock')"
    )
    async with engine.connect() as connection:
        return bool(await connection.scalar(text(query)))
