"""Billing beside the emulator: somebody pays on its pages, and its events are acted on."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing import event_log
from services.billing.acting import Actor
from services.billing.checkouts import Cashier
from tests.stripe.browser import CARD, Browser
from tests.stripe.conftest import Emulator

SOON = timedelta(minutes=10)


class Till:
    """An account at the till: what it pays with, what time it is, and what credits is told."""

    def __init__(self, cashier: Cashier, emulator: Emulator) -> None:
        self.cashier, self.emulator = cashier, emulator
        self.account_id: UUID = uuid4()
        self.ahead = timedelta()
        self.browser = Browser(emulator.url)

    @property
    def engine(self) -> AsyncEngine:
        return self.cashier.engine

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    async def page(self, key: str) -> str:
        """Begin a purchase; the address of the page to pay on."""
        begun = await self.cashier.sell(self.account_id, key, key=str(uuid4()))
        assert begun.url
        return begun.url

    async def pay(self, page: str, card: str = CARD) -> httpx.Response:
        """Send a card; what the page says then has been acted on."""
        answer = await asyncio.to_thread(self.browser.pay, page, card)
        await self.act()
        return answer

    async def answer(self, question: httpx.Response, answer: str) -> httpx.Response:
        """Answer the question of a bank."""
        said = await asyncio.to_thread(self.browser.answer, question, answer)
        await self.act()
        return said

    async def bought(self, key: str, card: str = CARD) -> None:
        answer = await self.pay(await self.page(key), card)
        assert answer.is_redirect, answer.text

    async def keep_card(self, number: str) -> None:
        """Choose another card in the portal."""
        portal = await self.cashier.open_portal(self.account_id, "payment_method")
        answer = await asyncio.to_thread(self.browser.send, portal, do="card", number=number)
        assert answer.is_success, answer.text
        await self.act()

    async def open_invoice(self) -> str:
        """The address of the page of an invoice that waits to be paid."""
        wanted: Any = {"status": "open"}
        (invoice,) = (await self.cashier.stripe.api.invoices.list_async(wanted)).data
        assert invoice.hosted_invoice_url
        return str(invoice.hosted_invoice_url)

    async def wait(self, days: float) -> None:
        """Let time pass, at Stripe and here."""
        wish = {"seconds": int(days * 24 * 3600)}
        async with httpx.AsyncClient(base_url=self.emulator.url, trust_env=False) as web:
            (await web.post("/__control/clock", json=wish)).raise_for_status()
        self.ahead += timedelta(days=days)
        await self.act()

    async def act(self) -> None:
        """Every event of the emulator's comes, twice, and is acted on; then what is due."""
        actor = Actor(self.engine, self.cashier.stripe, clock=self.now)
        async with self.engine.begin() as connection:
            async for event in self.cashier.stripe.events_since(datetime.now(UTC) - SOON):
                await event_log.store(connection, event)
        while await actor.act_once():
            pass
        while await actor.settle_due():
            pass

    async def told(self) -> list[tuple[str, int]]:
        """What credits was told, in order."""
        return [
            (row.kind, row.amount)
            for row in await self._rows("select kind, amount from credit_moves order by said_at")
        ]

    async def states(self) -> list[str]:
        """How the checkouts stand."""
        return [row.state for row in await self._rows("select state from checkouts")]

    async def said(self, kind: str) -> list[dict[str, Any]]:
        """The events of one type that were said, in order."""
        rows = await self._rows("select payload from outbox order by id")
        return [row.payload["data"] for row in rows if row.payload["type"] == kind]

    async def untreated(self) -> list[str]:
        """Events that were not acted on."""
        query = (
            "select type || ': ' || coalesce(note, '') as which from stripe_events"
            " where state in ('stored', 'parked', 'refused')"
        )
        return [row.which for row in await self._rows(query)]

    async def _rows(self, query: str) -> Any:
        async with self.engine.connect() as connection:
            return (await connection.execute(text(query))).all()
