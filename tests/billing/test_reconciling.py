"""A webhook that never came loses nothing: Stripe's own list of events is compared with ours."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing import customers, event_log
from services.billing.acting import Actor
from services.billing.reconciling import Reconciler
from services.billing.stripe_client import Stripe
from tests.backups import back_up, restore
from tests.billing.histories import state_of
from tests.billing.served import Served
from tests.billing.test_purchases import run
from tests.billing.world import World

pytestmark = pytest.mark.usefixtures("logs")

A_WHILE = timedelta(minutes=10)


@pytest.fixture
async def world(priced: AsyncEngine, account: Served) -> World:
    """A customer whose life is going on, and of whom nobody has told us yet."""
    name = f"cus_{uuid4()}"
    world = World(name, begins=datetime.now(UTC) - timedelta(hours=2))
    account.worlds[name] = world
    async with priced.begin() as connection:
        await customers.add(connection, account_id(world), name)
    world.subscribe("cherish")
    intent = world.top_up(100)
    world.refund(intent, 1333)
    return world


def account_id(world: World) -> UUID:
    return UUID(world.customer_id.removeprefix("cus_"))


@pytest.fixture
def reconciler(priced: AsyncEngine, stripe: Stripe, world: World) -> Reconciler:
    return Reconciler(priced, stripe, clock=lambda: world.now + A_WHILE)


async def given(engine: AsyncEngine) -> dict[str, int]:
    query = "select kind, sum(amount) from credit_moves group by kind"
    async with engine.connect() as connection:
        return {row[0]: row[1] for row in await connection.execute(text(query))}


async def test_what_never_came_is_reported_and_nothing_is_changed(
    reconciler: Reconciler, world: World
) -> None:
    report = await reconciler.reconcile(fix=False)

    acted_on = [e for e in world.events if e.type in event_log.ACTED_ON]
    assert len(report.missing_events) == report.events == len(acted_on)
    assert any("grant 60" in difference for difference in report.differences)
    assert any("grant 100" in difference for difference in report.differences)
    assert any("revoke 33" in difference for difference in report.differences)
    assert report.problems == []
    assert await given(reconciler.engine) == {}
    assert (await reconciler.reconcile(fix=False)).missing_events == report.missing_events


async def test_with_fix_everything_is_there_and_the_next_report_is_clean(
    reconciler: Reconciler, world: World, stripe: Stripe
) -> None:
    await reconciler.reconcile(fix=True)

    assert await given(reconciler.engine) == {"grant": 160, "revoke": 33}
    assert (await state_of(reconciler.engine, account_id(world)))["plan"] == (
        "cherish",
        "priority",
        "paid",
    )
    assert (await reconciler.reconcile(fix=False)).is_clean
    actor = Actor(reconciler.engine, stripe, clock=lambda: world.now)
    while await actor.act_once():
        pass
    assert await given(reconciler.engine) == {"grant": 160, "revoke": 33}


async def test_what_came_and_was_acted_on_is_no_difference(
    reconciler: Reconciler, world: World, stripe: Stripe
) -> None:
    async with reconciler.engine.begin() as connection:
        for event in world.events:
            await event_log.store(connection, event)
    actor = Actor(reconciler.engine, stripe, clock=lambda: world.now)
    while await actor.act_once():
        pass

    assert (await reconciler.reconcile(fix=False)).is_clean


async def test_each_quarter_of_an_hour_lost_events_are_fetched_and_acted_on(
    reconciler: Reconciler, world: World, stripe: Stripe
) -> None:
    report = await reconciler.catch_up()

    assert report.missing_events
    actor = Actor(reconciler.engine, stripe, clock=lambda: world.now)
    while await actor.act_once():
        pass
    assert await given(reconciler.engine) == {"grant": 160, "revoke": 33}
    assert (await reconciler.catch_up()).is_clean


async def test_what_happened_just_now_may_still_be_on_its_way(
    priced: AsyncEngine, stripe: Stripe, world: World
) -> None:
    early = Reconciler(priced, stripe, clock=lambda: world.now + timedelta(minutes=1))

    assert (await early.reconcile(fix=False)).events == 0


async def test_a_customer_that_is_none_of_ours_is_a_problem_to_look_at(
    reconciler: Reconciler, account: Served, world: World
) -> None:
    await reconciler.reconcile(fix=True)
    stranger = account.worlds.setdefault("cus_other", World("cus_other", begins=world.now))
    stranger.top_up(10)

    report = await reconciler.reconcile(fix=True)

    assert len(report.problems) == 1
    assert "no customer of ours" in report.problems[0]


async def test_money_that_our_books_lost_is_found_again(
    reconciler: Reconciler, world: World
) -> None:
    """As after a restore of yesterday's backup."""
    await reconciler.reconcile(fix=True)
    async with reconciler.engine.begin() as connection:
        await connection.execute(text("delete from refunds"))

    assert not (await reconciler.reconcile(fix=False)).is_clean
    await reconciler.reconcile(fix=True)

    assert (await reconciler.reconcile(fix=False)).is_clean
    moved = await given(reconciler.engine)
    assert moved["grant"] == 160
    assert moved["revoke"] - moved["restore"] == 33


async def test_after_yesterdays_backup_what_is_missing_is_listed_and_not_fixed_silently(
    reconciler: Reconciler, world: World, admin_url: str
) -> None:
    await reconciler.reconcile(fix=True)
    yesterday = await back_up(admin_url, "billing", "credits")
    world.top_up(100)
    await reconciler.reconcile(fix=True)
    assert await given(reconciler.engine) == {"grant": 260, "revoke": 33}

    await restore(yesterday)
    report = await reconciler.reconcile(fix=False)

    assert report.missing_events
    assert [one for one in report.differences if "grant 100" in one]
    assert await given(reconciler.engine) == {"grant": 160, "revoke": 33}
    now = await back_up(admin_url, "billing", "credits")
    # Whoever looks at a customer counts its lease up.
    assert {table.name for table in now.rows if now.rows[table] != yesterday.rows[table]} <= {
        "customers"
    }
    await reconciler.reconcile(fix=True)
    assert await given(reconciler.engine) == {"grant": 260, "revoke": 33}
    assert (await reconciler.reconcile(fix=False)).is_clean


async def test_two_sweeps_at_once_are_one(reconciler: Reconciler, world: World) -> None:
    await asyncio.gather(*(reconciler._once_among_many(is_thorough=True) for _ in range(3)))

    assert await given(reconciler.engine) == {"grant": 160, "revoke": 33}


async def test_while_stripe_is_away_the_sweep_waits_for_the_next_round(
    reconciler: Reconciler, account: Served, logs: list[Any]
) -> None:
    account.fails_with = [500] * 3
    sweeping = asyncio.create_task(reconciler.reconcile_for_ever())
    async with asyncio.timeout(20):
        while not [entry for entry in logs if entry["event"] == "reconcile.interrupted"]:
            await asyncio.sleep(0.05)
    sweeping.cancel()

    assert await given(reconciler.engine) == {}


async def test_an_operator_reconciles_and_looks_at_parked_events_by_command(
    url: str, account: Served, world: World, priced: AsyncEngine
) -> None:
    environment = {
        "DATABASE_URL": url,
        "REKINDLE_ENV": "local",
        "STRIPE_API_KEY": "sk_test_of_the_tests",
        "STRIPE_API_URL": account.url,
    }
    differs = await run(environment, "reconcile")
    fixed = await run(environment, "reconcile", "--fix")
    clean = await run(environment, "reconcile", "--json")
    async with priced.begin() as connection:
        await connection.execute(text("update stripe_events set state = 'parked', note = 'why'"))
    parked = await run(environment, "parked")
    replayed = await run(environment, "replay", world.events[0].id, "evt_unknown")

    assert differs[0] == 1
    assert "differs: " in differs[1]
    assert "Nothing was changed" in differs[1]
    assert fixed[0] == 1
    assert clean[0] == 0
    assert '"differences": []' in clean[1]
    assert f"{world.events[0].id} customer.subscription.created: why" in parked[1]
    assert replayed == (1, "1 of 2 events will be acted on again.\n")
