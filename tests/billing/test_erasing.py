"""An account is erased: Stripe charges nothing any more, and sells it nothing."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import AccountErased
from services.billing import erasing
from services.billing.stripe_client import Stripe
from services.kit import erasures
from tests.billing.test_purchases import buy, environment, kept, shop
from tests.stripe.conftest import Emulator

__all__ = ["environment", "shop"]

CLEARED = "billing.account.cleared.v1"


async def erase(engine: AsyncEngine, account_id: UUID) -> None:
    async with engine.begin() as connection:
        await erasures.begin(connection, AccountErased(account_id=account_id).account_id)


async def said(engine: AsyncEngine, account_id: UUID) -> list[Any]:
    query = text("select routing_key from outbox where aggregate_id = :id")
    async with engine.connect() as connection:
        return list(await connection.scalars(query, {"id": account_id}))


async def test_its_customer_is_deleted_and_its_pages_are_closed(
    shop: httpx.AsyncClient, engine: AsyncEngine, emulator: Emulator, emulated: Stripe
) -> None:
    account_id = uuid4()
    await buy(shop, account_id, plan="cherish", interval="month")

    await erase(engine, account_id)
    await asyncio.gather(erasing.sweep(engine, emulated), erasing.sweep(engine, emulated))

    (session,) = kept(emulator, "checkout.session")
    assert session["status"] == "expired"
    (customer,) = kept(emulator, "customer")
    assert customer["_deleted"]
    assert (await said(engine, account_id)).count(CLEARED) == 1
    refused = await buy(shop, account_id, key="two", top_up=10)
    assert refused.status_code == 404


async def test_while_stripe_is_away_it_is_tried_again(
    shop: httpx.AsyncClient, engine: AsyncEngine, emulator: Emulator, emulated: Stripe
) -> None:
    account_id = uuid4()
    await buy(shop, account_id, top_up=10)
    await erase(engine, account_id)
    emulator.app.state.faults.answer_500 = 10

    with pytest.raises(Exception, match="Stripe"):
        await erasing.sweep(engine, emulated)
    meanwhile = await said(engine, account_id)
    emulator.app.state.faults.clear()
    await erasing.sweep(engine, emulated)

    assert CLEARED not in meanwhile
    assert CLEARED in await said(engine, account_id)


async def test_a_purchase_that_stripe_is_being_asked_for_is_waited_for(
    shop: httpx.AsyncClient, engine: AsyncEngine, emulator: Emulator, emulated: Stripe
) -> None:
    account_id = uuid4()
    emulator.app.state.faults.slow_calls, emulator.app.state.faults.slow_seconds = 2, 0.3
    purchase = asyncio.create_task(buy(shop, account_id, top_up=10))
    async with engine.connect() as connection:
        while not await connection.scalar(text("select count(*) from checkouts")):
            await connection.rollback()
            await asyncio.sleep(0.01)

    await erase(engine, account_id)
    await erasing.sweep(engine, emulated)
    meanwhile = await said(engine, account_id)
    await purchase
    await erasing.sweep(engine, emulated)

    assert meanwhile == []
    (customer,) = kept(emulator, "customer")
    assert customer["_deleted"]
    assert await said(engine, account_id) == [CLEARED]


async def test_who_is_just_beginning_something_is_waited_for(engine: AsyncEngine) -> None:
    account_id = uuid4()

    async with engine.begin() as connection:
        assert not await erasures.is_erased(connection, account_id)
        erased = asyncio.create_task(erase(engine, account_id))
        await asyncio.sleep(0.2)
        assert not erased.done()

    await erased
    async with engine.begin() as connection:
        assert await erasures.is_erased(connection, account_id)


async def test_a_purchase_that_died_is_not_waited_for_for_ever(
    shop: httpx.AsyncClient, engine: AsyncEngine, emulator: Emulator, emulated: Stripe
) -> None:
    account_id = uuid4()
    emulator.app.state.faults.answer_500 = 10
    assert (await buy(shop, account_id, top_up=10)).status_code == 503
    emulator.app.state.faults.clear()
    await erase(engine, account_id)

    await erasing.sweep(engine, emulated)
    meanwhile = await said(engine, account_id)
    async with engine.begin() as connection:
        await connection.execute(
            text("update checkouts set created_at = now() - cast(:late as interval)"),
            {"late": erasing.ASKED_WITHIN},
        )
    await erasing.sweep(engine, emulated)

    assert meanwhile == []
    assert await said(engine, account_id) == [CLEARED]


async def test_who_never_bought_anything_is_forgotten_at_once(
    engine: AsyncEngine, emulated: Stripe
) -> None:
    account_id = uuid4()

    await erase(engine, account_id)
    await erasing.sweep(engine, emulated)

    assert await said(engine, account_id) == [CLEARED]
