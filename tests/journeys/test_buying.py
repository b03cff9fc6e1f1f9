"""A newcomer buys with one command: a page opens, a card pays, the credits arrive."""

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from sdk.rekindle import FeedEvent, Rekindle
from sdk.rekindle.tokens import TokenStore
from tests.journeys import people
from tests.sdk.scripted import measured
from tests.stripe.browser import Browser

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-c", "from sdk.rekindle.cli import main; main()")
SECONDS_MAX = 60.0
DECLINED = "4000000000000002"

State = dict[str, Any]


class Newcomer:
    """Somebody at a terminal, who has just signed up, and at a browser."""

    def __init__(self, stack: State, home: Path) -> None:
        self._stack, self._home = stack, home
        self.browser = Browser(stack["stripe_url"])

    async def sign_up(self) -> None:
        tokens = await people.sign_up(self._stack)
        store = TokenStore(self._home / "config" / "rekindle" / "tokens.json")
        store.write(self._stack["gateway_url"], tokens)

    @asynccontextmanager
    async def typing(self, *arguments: str) -> AsyncIterator[Process]:
        process = await asyncio.create_subprocess_exec(
            *PROGRAM,
            *arguments,
            cwd=self._home,
            env={
                **measured(),
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "XDG_CONFIG_HOME": str(self._home / "config"),
                "REKINDLE_URL": self._stack["gateway_url"],
                "BROWSER": "true",  # a program that opens nothing
            },
            stdout=PIPE,
            stderr=PIPE,
        )
        try:
            async with asyncio.timeout(SECONDS_MAX):
                yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def said(self, *arguments: str) -> str:
        async with self.typing(*arguments) as process:
            output, _ = await process.communicate()
        return output.decode()

    async def changed(self, command: str, before: str) -> str:
        """What a command says once it no longer says what it said before."""
        async with asyncio.timeout(SECONDS_MAX):
            while (said := await self.said(command)) == before:
                await asyncio.sleep(0.2)
        return said


@pytest.fixture
async def newcomer(stack: State, tmp_path: Path) -> AsyncIterator[Newcomer]:
    newcomer = Newcomer(stack, tmp_path)
    await newcomer.sign_up()
    yield newcomer
    newcomer.browser.close()


async def address_of(process: Process) -> str:
    """The page that the command leads to."""
    assert process.stderr
    async for line in process.stderr:
        if line.startswith(b"http"):
            return line.decode().strip()
    raise AssertionError("no address was said")


async def test_everything_on_sale_is_listed_with_its_price(newcomer: Newcomer) -> None:
    listed = await newcomer.said("buy")

    assert "10 credits, once" in listed
    assert "$4.99" in listed
    assert "$19.99 a month, $199.90 a year" in listed
    assert "free" not in listed


async def test_credits_are_bought_on_the_page_and_arrive(newcomer: Newcomer) -> None:
    async with newcomer.typing("buy", "10") as process:
        address = await address_of(process)
        declined = await asyncio.to_thread(newcomer.browser.pay, address, DECLINED)
        assert declined.status_code == 402
        assert process.returncode is None
        await asyncio.to_thread(newcomer.browser.pay, address)
        output, _ = await process.communicate()

    assert "Bought: 10 credits. 3 → 13 credits (plan free)" in output.decode()


async def test_a_plan_is_bought_on_the_page_and_its_credits_arrive(newcomer: Newcomer) -> None:
    async with newcomer.typing("buy", "cherish", "--json") as process:
        await asyncio.to_thread(newcomer.browser.pay, await address_of(process))
        output, _ = await process.communicate()

    said = json.loads(output)
    assert said["checkout"]["state"] == "paid"
    assert (said["receipt"]["amount"], said["balance"]["available"]) == (60, 63)
    async with newcomer.typing("buy", "forever") as process:
        _, refusal = await process.communicate()
    assert process.returncode == 1
    assert b"subscribed to cherish" in refusal


async def test_a_plan_is_seen_and_cancelled_on_the_page_with_the_loss_said_before(
    newcomer: Newcomer,
) -> None:
    assert await newcomer.said("plan") == "You are on the plan free. See others: `rekindle buy`.\n"
    async with newcomer.typing("plan", "cancel") as process:
        _, refusal = await process.communicate()
    assert process.returncode == 1
    assert b"no subscription that could be cancelled" in refusal
    async with newcomer.typing("buy", "remember") as process:
        await asyncio.to_thread(newcomer.browser.pay, await address_of(process))
        await process.communicate()

    async with newcomer.typing("plan", "cancel") as process:
        _, said = await process.communicate()
    address, before = said.decode().split()[-1], await newcomer.said("plan")
    page = await asyncio.to_thread(newcomer.browser.open, address)
    (mine,) = set(re.findall(r'name="subscription" value="([^"]+)"', page.text))
    await asyncio.to_thread(newcomer.browser.send, address, do="cancel", subscription=mine)
    after = await newcomer.changed("plan", before)

    assert b"all credits are lost on" in said
    assert b": 28 as of now. The plan is free then." in said
    assert before.startswith("You are on the plan remember, paid by the month. It renews on ")
    assert "It is cancelled and ends on " in after
    assert "renews" not in after


async def test_what_is_not_on_sale_is_refused_before_anything_is_begun(newcomer: Newcomer) -> None:
    for wish in (("11",), ("platinum",), ("free",), ("10", "--yearly")):
        async with newcomer.typing("buy", *wish) as process:
            _, refusal = await process.communicate()
        assert process.returncode == 1
        assert b"is not on sale" in refusal


async def test_a_disputed_payment_is_told_in_the_feed_until_it_is_lost(
    stack: State, newcomer: Newcomer
) -> None:
    async with await people.new_user(stack) as user, control(stack) as web:
        assert (await user.credits.balance()).available == 3  # the month's come with being read
        checkout = await user.purchases.top_up(10)
        assert checkout.url
        await asyncio.to_thread(newcomer.browser.pay, checkout.url)
        await user.purchases.wait(checkout, timeout_s=SECONDS_MAX)
        session = await web.get(f"/v1/checkout/sessions/{checkout.url.rpartition('/')[2]}")
        wish = {"payment_intent": session.json()["payment_intent"]}
        told = asyncio.create_task(_told(user, until="credits.balance.revoked"))
        dispute = (await web.post("/__control/dispute", json=wish)).json()["id"]
        async with asyncio.timeout(SECONDS_MAX):
            while (await user.credits.balance()).blocked == 0:
                await asyncio.sleep(0.1)
        await web.post("/__control/decide", json={"dispute": dispute, "outcome": "lost"})
        async with asyncio.timeout(SECONDS_MAX):
            feed = await told

    assert [(one.type, one.data["amount"], one.data["available"]) for one in feed] == [
        ("credits.balance.granted", 10, 13),
        ("credits.balance.blocked", 10, 3),
        ("credits.balance.unblocked", 10, 13),
        ("credits.balance.revoked", 10, 3),
    ]
    assert [one.data["reason"] for one in feed] == [
        "Bought: 10 credits",
        "Blocked: a payment is disputed",
        "No longer blocked",
        "Taken back: the dispute was lost",
    ]


def control(stack: State) -> httpx.AsyncClient:
    """The emulator, asked as its operator."""
    key = stack["environments"]["billing"]["STRIPE_API_KEY"]
    return httpx.AsyncClient(
        base_url=stack["stripe_url"],
        headers={"Authorization": f"Bearer {key}"},
        trust_env=False,
    )


async def _told(user: Rekindle, *, until: str) -> list[FeedEvent]:
    """What the feed says of a purchase, from its grant up to an event of this type."""
    feed: list[FeedEvent] = []
    async for event in user.events(after=0):
        if feed or event.data.get("reason") == "Bought: 10 credits":
            feed.append(event)
        if event.type == until:
            break
    return feed
