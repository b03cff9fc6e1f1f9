"""An account has one plan; every change of it is said once."""

import asyncio
import os
import sys
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.catalog import EVENTS_HEARD
from contracts.gateway.v1 import AccountOpened
from services.billing import consumers, subscriptions
from services.kit import bus, inbox
from services.kit.identity import TokenSource
from tests.billing.places import SECRET
from tests.kit.messages import account_opened, running, send

TOKENS = TokenSource(issuer="gateway", audience="billing", secret=SECRET)


async def said(engine: AsyncEngine) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        rows = await connection.scalars(text("select payload from outbox order by id"))
        return [{"type": payload["type"], **payload["data"]} for payload in rows]


async def open_free(engine: AsyncEngine, account_id: UUID) -> bool:
    async with engine.begin() as connection:
        return await subscriptions.open_free(connection, account_id)


async def give(engine: AsyncEngine, account_id: UUID, plan: str) -> bool:
    async with engine.begin() as connection:
        return await subscriptions.give(connection, account_id=account_id, plan=plan)


def free(account_id: UUID, *, version: int) -> dict[str, Any]:
    return {
        "type": "billing.plan.changed.v1",
        "account_id": str(account_id),
        "version": version,
        "plan": "free",
        "tier": "standard",
        "credits_monthly": 3,
        "period": "",
    }


async def test_an_opened_account_begins_free_once(engine: AsyncEngine) -> None:
    account_id = uuid4()

    assert await open_free(engine, account_id)
    assert not await open_free(engine, account_id)

    assert await said(engine) == [free(account_id, version=1)]


async def test_a_gift_is_said_with_a_period_of_its_own(engine: AsyncEngine) -> None:
    account_id = uuid4()

    assert await give(engine, account_id, "remember")
    assert not await give(engine, account_id, "remember")
    assert await give(engine, account_id, "cherish")

    first, second = await said(engine)
    assert first == {
        **free(account_id, version=1),
        "plan": "remember",
        "tier": "priority",
        "credits_monthly": 25,
        "period": first["period"],
    }
    assert first["period"].startswith("gift:")
    assert (second["plan"], second["credits_monthly"], second["version"]) == ("cherish", 60, 2)
    assert second["period"] not in ("", first["period"])


async def test_a_gift_before_the_first_sign_in_is_kept(engine: AsyncEngine) -> None:
    account_id = uuid4()
    await give(engine, account_id, "remember")

    assert not await open_free(engine, account_id)

    assert len(await said(engine)) == 1


async def test_a_gift_taken_back_is_the_free_plan(engine: AsyncEngine) -> None:
    account_id = uuid4()
    await give(engine, account_id, "forever")

    assert await give(engine, account_id, "free")

    assert (await said(engine))[-1] == free(account_id, version=2)


async def test_the_same_gift_from_many_hands_is_given_once(engine: AsyncEngine) -> None:
    account_id = uuid4()

    given = await asyncio.gather(*(give(engine, account_id, "cherish") for _ in range(10)))

    assert sum(given) == 1
    assert len(await said(engine)) == 1


async def test_the_subscription_is_shown_to_its_owner(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    account_id, stranger = uuid4(), uuid4()
    await give(engine, account_id, "remember")

    async def shown(owner: UUID) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {TOKENS.token(owner)}"}
        answer: dict[str, Any] = (await client.get("/v1/subscription", headers=headers)).json()
        assert datetime.fromisoformat(answer.pop("since"))
        return answer

    unpaid = {
        "interval": None,
        "renews_at": None,
        "ends_at": None,
        "payment_due": False,
        "payment_detail": None,
        "priority_until": None,
    }
    gift = {"plan": "remember", "tier": "priority", "source": "gift", **unpaid}
    assert await shown(account_id) == gift
    assert await shown(stranger) == {
        "plan": "free",
        "tier": "standard",
        "source": "free",
        **unpaid,
    }


async def run(url: str, *arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.billing",
        *arguments,
        env=os.environ | {"DATABASE_URL": url, "REKINDLE_ENV": "local"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def test_an_operator_gives_a_plan_by_command(engine: AsyncEngine, url: str) -> None:
    account_id = uuid4()

    first = await run(url, "subscribe", str(account_id), "remember")
    again = await run(url, "subscribe", str(account_id), "remember")
    wrong, _, why = await run(url, "subscribe", str(account_id), "platinum")

    assert first == (0, f"{account_id} is now on the plan remember.\n", "")
    assert again == (0, f"{account_id} is already on the plan remember.\n", "")
    assert wrong == 2
    assert "platinum" in why
    assert "Traceback" not in why
    assert len(await said(engine)) == 1


async def test_billing_hears_of_opened_accounts_on_the_broker(
    engine: AsyncEngine, amqp_url: str
) -> None:
    assert set(consumers.HANDLERS) == set(EVENTS_HEARD["billing"])
    broker = bus.create_broker(amqp_url, name="tests")
    consumers.listen(broker, engine)
    account_id = uuid4()
    opened = account_opened(account_id)

    async with running(broker):
        for envelope in (opened, opened, account_opened(account_id)):
            await send(broker, envelope)
        for _ in range(200):
            async with engine.connect() as connection:
                heard = await connection.scalar(text("select count(*) from inbox"))
            if heard == 2:
                break
            await asyncio.sleep(0.02)

    assert heard == 2
    assert await said(engine) == [free(account_id, version=1)]


async def test_a_redelivered_account_is_not_acted_on_again(engine: AsyncEngine) -> None:
    account = AccountOpened(account_id=uuid4())
    delivery = inbox.Delivery(engine, consumers.QUEUE, account_opened(account.account_id))
    await consumers.open_account(account, delivery)

    with pytest.raises(inbox.AlreadyHandled):
        await consumers.open_account(account, delivery)


async def test_what_was_heard_long_ago_is_forgotten(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "insert into inbox (consumer, event_id, received_at) values"
                " ('old', gen_random_uuid(), now() - interval '1 year'),"
                " ('new', gen_random_uuid(), now())"
            )
        )
    forgetting = asyncio.create_task(consumers.forget_for_ever(engine))
    async with asyncio.timeout(10):
        while len(left := await consumers_in(engine)) > 1:
            await asyncio.sleep(0.02)
    forgetting.cancel()

    assert left == ["new"]


async def consumers_in(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return list(await connection.scalars(text("select consumer from inbox")))
