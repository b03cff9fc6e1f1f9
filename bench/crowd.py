"""Accounts that can order: signed up at the issuer, paid for, each with one photo that is ready.

Everything goes through the public API, but for the credits, which an operator's rule grants.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.gpu import SIZE
from bench.local import Running
from sdk.rekindle import Rekindle
from services.billing import subscriptions
from services.credits import accounts
from tests.journeys import people, photos

PLAN = "forever"
CREDITS = 1_000_000
AT_ONCE = 4
LOOK_EVERY_S, LOOKS_MAX = 0.1, 300


@dataclass(frozen=True, slots=True)
class Person:
    """Who orders, and on which photo."""

    account_id: UUID
    token: str
    photo_id: UUID


async def gather(stack: Running, number: int) -> list[Person]:
    """So many people with credits without end."""
    places = asyncio.Semaphore(AT_ONCE)
    with tempfile.TemporaryDirectory(prefix="rekindle-bench-") as folder:
        path = photos.jpeg(Path(folder) / "photo.jpg", size=SIZE)

        async def join() -> Person:
            async with places:
                return await _join(stack, path)

        crowd = await asyncio.gather(*(join() for _ in range(number)))
    await _pay(stack, [person.account_id for person in crowd])
    return crowd


async def _join(stack: Running, path: Path) -> Person:
    token = await people.access_token(stack.facts)
    async with Rekindle(stack.facts["gateway_url"], token) as rekindle:
        account = await rekindle.me()
        photo = await rekindle.photos.add(path)
        assert photo.state == "ready", photo
    return Person(UUID(str(account.account_id)), token, photo.id)


async def _pay(stack: Running, account_ids: Sequence[UUID]) -> None:
    billing, credits_ = stack.engine("billing"), stack.engine("credits")
    for account_id in account_ids:
        async with billing.begin() as connection:
            await subscriptions.give(connection, account_id=account_id, plan=PLAN)
    processing = stack.engine("processing")
    for _ in range(LOOKS_MAX):  # the news has to arrive
        if await _on_plan(processing) >= len(account_ids):
            break
        await asyncio.sleep(LOOK_EVERY_S)
    for account_id in account_ids:
        async with credits_.begin() as connection:
            await accounts.bring_up_to_date(connection, account_id)
            await accounts.grant(
                connection,
                account_id=account_id,
                amount=CREDITS,
                cause="bench",
                reason="For a benchmark",
            )
    for engine in (billing, credits_, processing):
        await engine.dispose()


async def _on_plan(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        query = text("select count(*) from accounts where plan = :plan")
        return int((await connection.execute(query, {"plan": PLAN})).scalar_one())
