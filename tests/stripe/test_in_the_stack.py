"""Billing and the emulator in the running stack: bought on a page, heard by webhook, given."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.kit.client import ServiceClient
from tests.conftest import State
from tests.stripe.browser import Browser

SECONDS_MAX = 60.0


class Rekindle:
    """What the gateway would ask of billing and credits, for one account."""

    def __init__(self, stack: State) -> None:
        environment = stack["environments"]["gateway"]
        self.account_id: UUID = uuid4()
        self._clients = {
            service: ServiceClient(
                environment[f"{service.upper()}_URL"],
                caller="gateway",
                service=service,
                secret=environment[f"{service.upper()}_SECRET"],
            )
            for service in ("billing", "credits")
        }

    async def ask(self, service: str, method: str, path: str, body: Any = None) -> Any:
        answer = await self._clients[service].request(
            method,
            path,
            account_id=None if path.startswith("/internal") else self.account_id,
            json=body,
            headers={"idempotency-key": str(uuid4())} if method == "POST" else None,
        )
        assert answer.status < 400, answer.body
        return json.loads(answer.body)

    async def credits(self) -> int:
        found = await self.ask("credits", "GET", "/v1/credits")
        available: int = found["available"]
        return available

    async def until(self, is_so: Callable[[Any], bool], service: str, path: str) -> Any:
        """What a service says as soon as it is so."""
        async with asyncio.timeout(SECONDS_MAX):
            while not is_so(found := await self.ask(service, "GET", path)):
                await asyncio.sleep(0.2)
        return found

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()


@pytest.fixture
async def rekindle(stack: State) -> AsyncIterator[Rekindle]:
    rekindle = Rekindle(stack)
    yield rekindle
    await rekindle.close()


@pytest.fixture
async def browser(stack: State) -> AsyncIterator[Browser]:
    browser = Browser(stack["stripe_url"])
    yield browser
    browser.close()


async def buy(rekindle: Rekindle, browser: Browser, **what: Any) -> str:
    """Pay on the hosted page; the way back names the checkout."""
    page = await rekindle.ask("billing", "POST", "/v1/checkout", what)
    left = await asyncio.to_thread(browser.pay, page["url"])
    assert page["id"] in left.headers["location"]
    return str(page["id"])


async def test_a_top_up_bought_on_the_page_becomes_credits(
    rekindle: Rekindle, browser: Browser
) -> None:
    before = await rekindle.credits()

    checkout = await buy(rekindle, browser, top_up=10)

    await rekindle.until(
        lambda found: found["state"] == "paid", "billing", f"/v1/checkout/{checkout}"
    )
    await rekindle.until(lambda found: found["available"] == before + 10, "credits", "/v1/credits")


async def test_a_plan_bought_on_the_page_is_what_the_account_is_on(
    rekindle: Rekindle, browser: Browser, stack: State
) -> None:
    await buy(rekindle, browser, plan="cherish", interval="month")

    await rekindle.until(lambda found: found["plan"] == "cherish", "billing", "/v1/subscription")
    await rekindle.until(lambda found: found["available"] >= 60, "credits", "/v1/credits")
    portal = await rekindle.ask("billing", "POST", "/v1/portal", {"purpose": "manage"})
    page = await asyncio.to_thread(browser.open, portal["url"])
    assert "Cancel at the end of the period" in page.text


async def test_money_given_back_takes_the_credits_with_it(
    rekindle: Rekindle, browser: Browser, stack: State
) -> None:
    before = await rekindle.credits()
    page = await rekindle.ask("billing", "POST", "/v1/checkout", {"top_up": 30})
    await asyncio.to_thread(browser.pay, page["url"])
    await rekindle.until(lambda found: found["available"] == before + 30, "credits", "/v1/credits")
    session = page["url"].rpartition("/")[2]

    async with httpx.AsyncClient(base_url=stack["stripe_url"], trust_env=False) as web:
        key = stack["environments"]["billing"]["STRIPE_API_KEY"]
        headers = {"Authorization": f"Bearer {key}"}
        found = await web.get(f"/v1/checkout/sessions/{session}", headers=headers)
        wish = {"payment_intent": found.json()["payment_intent"]}
        (await web.post("/__control/refund", json=wish)).raise_for_status()

    await rekindle.until(lambda found: found["available"] == before, "credits", "/v1/credits")


async def test_what_is_left_of_what_was_bought_is_a_liability(
    rekindle: Rekindle, browser: Browser
) -> None:
    before = await rekindle.ask("billing", "GET", "/internal/metrics/business")

    await buy(rekindle, browser, top_up=100)
    await rekindle.until(lambda found: found["available"] >= 100, "credits", "/v1/credits")

    after = await rekindle.ask("billing", "GET", "/internal/metrics/business")
    # Jobs of earlier tests may still end meanwhile, and be paid.
    assert after["credits_outstanding"] >= before["credits_outstanding"] + 50
    assert after["liability_cents"] > 0
