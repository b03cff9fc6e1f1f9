"""A message is acted on once, however often and however concurrently it arrives."""

import asyncio
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import inbox


async def test_a_message_is_news_once_per_consumer(engine: AsyncEngine) -> None:
    event_id = uuid4()

    async with engine.begin() as connection:
        assert await inbox.claim(connection, [("a", event_id)])
    async with engine.begin() as connection:
        assert not await inbox.claim(connection, [("a", event_id)])
        assert await inbox.claim(connection, [("b", event_id)])


async def test_a_claim_is_given_back_when_the_work_fails(engine: AsyncEngine) -> None:
    event_id = uuid4()

    async with engine.connect() as connection:
        assert await inbox.claim(connection, [("a", event_id)])
        await connection.rollback()
    async with engine.begin() as connection:
        assert await inbox.claim(connection, [("a", event_id)])


async def test_of_two_deliveries_at_once_one_waits_and_loses(engine: AsyncEngine) -> None:
    event_id = uuid4()

    async with engine.connect() as first, engine.connect() as second:
        assert await inbox.claim(first, [("a", event_id)])
        rival = asyncio.create_task(inbox.claim(second, [("a", event_id)]))
        await asyncio.wait({rival}, timeout=0.2)
        assert not rival.done()
        await first.commit()

        assert not await rival


async def test_claims_are_forgotten_only_when_nothing_can_be_replayed(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for days in (inbox.KEPT_DAYS + 1, inbox.KEPT_DAYS - 1):
            await connection.execute(
                text(
                    "insert into inbox values"
                    " ('a', gen_random_uuid(), now() - make_interval(days => :days))"
                ),
                {"days": days},
            )

        assert await inbox.forget_old(connection) == 1
