"""Purchases on Stripe's own page: a plan by the month or the year, or credits once.

    open ──▶ paid | failed | expired

A checkout is written down before Stripe is asked, and found again by its Idempotency-Key: a crash
or a lost answer in between leads to the same page. Nothing is given here: webhooks bring the money.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing import books, customers, prices
from services.billing.errors import (
    AlreadySubscribed,
    NothingToManage,
    OtherCheckout,
    UnknownItem,
)
from services.billing.models import checkouts
from services.billing.plans import ITEMS, Item
from services.billing.standing import NEVER_BEGAN, Cover
from services.billing.stripe_client import Stripe
from services.kit import erasures
from services.kit.db import Connection, uuid7
from services.kit.problems import NotFound

State = Literal["open", "paid", "failed", "expired"]
Purpose = Literal["manage", "cancel", "change_plan", "payment_method"]

FLOWS: dict[Purpose, str] = {
    "cancel": "subscription_cancel",
    "change_plan": "subscription_update",
    "payment_method": "payment_method_update",
}


@dataclass(frozen=True, slots=True)
class Checkout:
    checkout_id: UUID
    lookup_key: str
    price_id: str
    state: State
    url: str | None

    @property
    def item(self) -> Item:
        return ITEMS[self.lookup_key]


@dataclass(frozen=True, slots=True)
class Cashier:
    """Who sells: our books, Stripe, and where people come back to."""

    engine: AsyncEngine
    stripe: Stripe
    public_url: str
    automatic_tax: bool

    async def sell(self, account_id: UUID, lookup_key: str, *, key: str) -> Checkout:
        """A page to buy an item on; the same one for the same key."""
        if lookup_key not in ITEMS:
            raise UnknownItem(on_sale=list(ITEMS))
        async with self.engine.begin() as connection:
            checkout = await _begin(connection, account_id, lookup_key, key=key)
        if checkout.url or checkout.state != "open":
            return checkout
        customer_id = await self._customer(account_id)
        session_id, url = await self.stripe.create_session(
            self._session(account_id, customer_id, checkout), key=f"checkout:{checkout.checkout_id}"
        )
        if checkout.item.plan:
            await self._expire_others(account_id, checkout)
        async with self.engine.begin() as connection:
            await connection.execute(
                sa.update(checkouts)
                .where(checkouts.c.id == checkout.checkout_id)
                .values(session_id=session_id, url=url)
            )
        return Checkout(
            checkout.checkout_id, checkout.lookup_key, checkout.price_id, checkout.state, url
        )

    async def open_portal(self, account_id: UUID, purpose: Purpose) -> str:
        """The address of Stripe's page for cards, invoices, change of plan and cancellation."""
        async with self.engine.begin() as connection:
            customer_id = await customers.find(connection, account_id)
            cover = await running(connection, account_id)
        if customer_id is None:
            raise NothingToManage
        back = f"{self.public_url}/?portal=left"
        params: dict[str, Any] = {"customer": customer_id, "return_url": back}
        if purpose != "manage" and (cover or purpose == "payment_method"):
            flow: dict[str, Any] = {"type": FLOWS[purpose]}
            if cover and purpose != "payment_method":
                flow[flow["type"]] = {"subscription": cover.subscription.subscription_id}
            params["flow_data"] = flow
        return await self.stripe.create_portal(params, key=f"portal:{uuid7()}")

    async def _customer(self, account_id: UUID) -> str:
        """The account's customer, made at the first purchase."""
        async with self.engine.begin() as connection:
            known = await customers.find(connection, account_id)
            number = await customers.count(connection, account_id)
        if known:
            return known
        made = await self.stripe.create_customer(account_id, number=number)
        async with self.engine.begin() as connection:
            await customers.add(connection, account_id, made)
            kept = await customers.find(connection, account_id)
        assert kept, account_id
        return kept

    def _session(self, account_id: UUID, customer_id: str, checkout: Checkout) -> dict[str, Any]:
        back = f"{self.public_url}/?checkout={checkout.checkout_id}"
        params: dict[str, Any] = {
            "mode": "subscription" if checkout.item.plan else "payment",
            "customer": customer_id,
            "client_reference_id": str(account_id),
            "line_items": [{"price": checkout.price_id, "quantity": 1}],
            "allow_promotion_codes": True,
            "success_url": f"{back}&outcome=paid",
            "cancel_url": f"{back}&outcome=left",
        }
        if self.automatic_tax:
            params["automatic_tax"] = {"enabled": True}
            params["customer_update"] = {"address": "auto"}
        return params

    async def _expire_others(self, account_id: UUID, checkout: Checkout) -> None:
        """Nobody should subscribe twice because two pages were open."""
        c = checkouts.c
        query = sa.select(c.session_id).where(
            c.account_id == account_id,
            c.id != checkout.checkout_id,
            c.state == "open",
            c.session_id.is_not(None),
            c.lookup_key.in_([key for key, item in ITEMS.items() if item.plan]),
        )
        async with self.engine.begin() as connection:
            others: Sequence[str] = (await connection.scalars(query)).all()
        for session_id in others:
            await self.stripe.expire_session(session_id)


async def find(connection: Connection, account_id: UUID, checkout_id: UUID) -> Checkout:
    """A checkout of this account, for who waits for its end."""
    c = checkouts.c
    row = await _read(connection, c.account_id == account_id, c.id == checkout_id)
    if row is None:
        raise NotFound
    return row


async def running(connection: Connection, account_id: UUID) -> Cover | None:
    """The subscription that the account pays for, or will go on paying for."""
    covers = (await books.read(connection, account_id)).covers
    running = [
        cover
        for cover in covers
        if cover.subscription.ended_at is None and cover.subscription.status not in NEVER_BEGAN
    ]
    return max(running, key=lambda cover: cover.subscription.started_at, default=None)


async def _begin(
    connection: Connection, account_id: UUID, lookup_key: str, *, key: str
) -> Checkout:
    """Write a purchase down, or find the one that has this key."""
    c = checkouts.c
    if await erasures.is_erased(connection, account_id):
        raise NotFound
    by_key = (c.account_id == account_id, c.idempotency_key == key)
    known = await _read(connection, *by_key)
    if known is None:
        cover = await running(connection, account_id)
        if ITEMS[lookup_key].plan and cover:
            raise AlreadySubscribed(cover.subscription.plan)
        new = insert(checkouts).values(
            id=uuid7(),
            account_id=account_id,
            idempotency_key=key,
            lookup_key=lookup_key,
            price_id=await prices.require(connection, lookup_key),
        )
        await connection.execute(new.on_conflict_do_nothing())
        known = await _read(connection, *by_key)
    assert known, account_id
    if known.lookup_key != lookup_key:
        raise OtherCheckout
    return known


async def _read(connection: Connection, *where: Any) -> Checkout | None:
    c = checkouts.c
    query = sa.select(c.id, c.lookup_key, c.price_id, c.state, c.url).where(*where)
    row = (await connection.execute(query)).one_or_none()
    return Checkout(*row) if row else None
