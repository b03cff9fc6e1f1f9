"""Somebody erases an account: what the gateway knew is gone, and does not come back."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.message import Event
from services.gateway import consumers, erasures, shares, visitors
from tests.gateway.conftest import OpenDoor
from tests.gateway.doors import Door, person
from tests.gateway.test_events import completed, consuming, say
from tests.gateway.test_feed import append
from tests.gateway.test_visitors import session_of

WITHIN_S = 10
TRACES = ("accounts", "sessions", "feeds", "user_events", "idempotency", "handoffs", "shares")


async def rows(engine: AsyncEngine, query: str, **values: Any) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query), values)]


def told(message: type[Event], account_id: UUID) -> Event:
    return message.model_validate({"account_id": account_id})


async def forgotten_by_all(engine: AsyncEngine, account_id: UUID) -> list[tuple[Any, ...]]:
    async with engine.begin() as connection:
        said: list[Event] = [told(message, account_id) for message in erasures.CLEARED]
        await erasures.note_cleared(connection, said)
    return await rows(engine, "select waiting_for, finished_at is not null from erasures")


async def test_everything_goes_in_one_go_and_everybody_is_told(
    door: Door, engine: AsyncEngine
) -> None:
    async with door.visit(person()) as visitor:
        account_id = UUID((await visitor.get("/v1/me")).json()["account_id"])
        await visitor.post("/v1/handoffs")
        async with engine.begin() as connection:
            await append(connection, account_id)
            await shares.share(
                connection, account_id=account_id, job_id=uuid4(), days=1, secret="any"
            )

        answer = await visitor.delete("/v1/me", params={"confirm": str(account_id)})
        again = await visitor.delete("/v1/me", params={"confirm": str(account_id)})

    assert answer.status_code == 202
    assert answer.json()["account_id"] == str(account_id)
    assert any("invoices" in kept for kept in answer.json()["kept"])
    assert (again.status_code, again.json()["code"]) == (403, "account-was-erased")
    for table in TRACES:
        assert await rows(engine, f"select count(*) from {table}") == [(0,)], table
    said = await rows(engine, "select routing_key from outbox order by id")
    assert said[-1] == ("gateway.account.erased.v1",)
    assert await forgotten_by_all(engine, account_id) == [([], True)]


@pytest.mark.parametrize("confirm", ["", "yes", str(uuid4())])
async def test_without_the_accounts_own_id_nothing_is_erased(
    door: Door, engine: AsyncEngine, confirm: str
) -> None:
    async with door.visit(person()) as visitor:
        await visitor.get("/v1/me")

        refused = await visitor.delete("/v1/me", params={"confirm": confirm})

        assert (refused.status_code, refused.json()["code"]) == (400, "erasure-unconfirmed")
        assert (await visitor.get("/v1/me")).status_code == 200


async def test_a_browser_is_signed_out_and_another_site_cannot_do_it(
    door: Door, engine: AsyncEngine
) -> None:
    async with door.browse(rekindle=await session_of(engine, door.issuer_url)) as browser:
        account_id = (await browser.get("/v1/me")).json()["account_id"]
        confirmed = {"confirm": account_id}

        foreign = await browser.delete(
            "/v1/me", params=confirmed, headers={"origin": "https://elsewhere.example"}
        )
        own = await browser.delete("/v1/me", params=confirmed, headers={"origin": door.url})

        assert (foreign.status_code, own.status_code) == (403, 202)
        assert own.headers["set-cookie"].startswith('rekindle="";')
        assert (await browser.get("/v1/me")).status_code == 401


async def test_another_process_of_the_gateway_learns_of_it(
    open_door: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitors, "KNOWN_FOR_S", 0.1)
    here, there, subject = open_door(), open_door(), person()
    async with here.visit(subject) as visitor, there.visit(subject) as elsewhere:
        account_id = (await visitor.get("/v1/me")).json()["account_id"]
        assert (await elsewhere.get("/v1/me")).json()["account_id"] == account_id
        await visitor.delete("/v1/me", params={"confirm": account_id})
        await asyncio.sleep(0.2)

        refused = await elsewhere.get("/v1/me")

    assert (refused.status_code, refused.json()["code"]) == (403, "account-was-erased")


async def test_what_is_heard_late_leaves_nothing(
    door: Door, engine: AsyncEngine, amqp_url: str
) -> None:
    async with door.visit(person()) as visitor:
        account_id = UUID((await visitor.get("/v1/me")).json()["account_id"])
        await visitor.delete("/v1/me", params={"confirm": str(account_id)})
    other = uuid4()

    async with consuming(amqp_url, engine) as broker, asyncio.timeout(WITHIN_S):
        await say(broker, completed(account_id))
        await say(broker, completed(other))
        while not (feeds := await rows(engine, "select account_id from feeds")):
            await asyncio.sleep(0.05)

    assert feeds == [(other,)]


async def test_after_a_month_nothing_tells_whose_it_was(door: Door, engine: AsyncEngine) -> None:
    subject = person()
    async with door.visit(subject) as visitor:
        account_id = UUID((await visitor.get("/v1/me")).json()["account_id"])
        await visitor.delete("/v1/me", params={"confirm": str(account_id)})
        async with engine.begin() as connection:
            past = "update erasures set asked_at = now() - interval '32 days'"
            await connection.execute(text(past))
            await append(connection, account_id)

        await consumers.sweep(engine)
        anew = await visitor.get("/v1/me")

    assert await rows(engine, "select person_hash from erasures") == [(None,)]
    assert await rows(engine, "select count(*) from feeds") == [(0,)]
    assert anew.status_code == 200
    assert anew.json()["account_id"] != str(account_id)


async def test_who_has_begun_anew_may_erase_that_too(door: Door, engine: AsyncEngine) -> None:
    """Though the sweep has not yet forgotten whose the first account was."""
    async with door.visit(person()) as visitor:
        for _ in range(2):
            account_id = (await visitor.get("/v1/me")).json()["account_id"]
            erased = await visitor.delete("/v1/me", params={"confirm": account_id})
            assert erased.status_code == 202
            async with engine.begin() as connection:
                past = "update erasures set asked_at = asked_at - interval '32 days'"
                await connection.execute(text(past))


async def test_it_is_finished_when_the_last_service_has_said_so(
    door: Door, engine: AsyncEngine
) -> None:
    async with door.visit(person()) as visitor:
        account_id = UUID((await visitor.get("/v1/me")).json()["account_id"])
        await visitor.delete("/v1/me", params={"confirm": str(account_id)})
    for number, message in enumerate(erasures.CLEARED, 1):
        async with engine.begin() as connection:
            for _ in range(2):  # the broker may bring it twice
                await erasures.note_cleared(connection, [told(message, account_id)])

        ((finished,),) = await rows(engine, "select finished_at is not null from erasures")
        assert finished == (number == len(erasures.CLEARED))
