"""Bring products, prices and the customer portal at Stripe in line with what is on offer here.

Stripe's prices cannot be changed: another amount is another price, which takes the lookup key over.
Who subscribed to the old one goes on paying it. Done twice, nothing is left to do.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing import facts, prices
from services.billing.plans import CURRENCY, Item
from services.billing.stripe_client import Stripe


@dataclass(slots=True)
class Sync:
    """One run: what it does is said, and done unless it only looks."""

    stripe: Stripe
    is_dry_run: bool
    done: list[str] = field(default_factory=list)
    _products: set[str] = field(default_factory=set)

    async def run(self, engine: AsyncEngine, items: Sequence[Item], *, return_url: str) -> None:
        found = await self.stripe.prices([item.lookup_key for item in items])
        current = [await self._price(item, found.get(item.lookup_key)) for item in items]
        known = [price for price in current if price]
        if not self.is_dry_run:
            async with engine.begin() as connection:
                await prices.keep(connection, known)
        plans_ = [price for item, price in zip(items, current, strict=True) if item.plan and price]
        await self._portal(items, plans_, return_url=return_url)

    async def _price(self, item: Item, found: facts.CataloguePrice | None) -> facts.Price | None:
        """The price that an item is sold for, made if it is not there."""
        await self._product(item)
        is_right = (
            found is not None
            and found.active
            and (found.unit_amount, found.currency) == (item.price_cents, CURRENCY)
            and found.interval == item.interval
        )
        if is_right:
            return found
        was = f" instead of {found.unit_amount}" if found else ""
        self.done.append(f"price {item.lookup_key}: {item.price_cents} {CURRENCY}{was}")
        if self.is_dry_run:
            return found
        params: dict[str, Any] = {
            "product": item.product_key,
            "currency": CURRENCY,
            "unit_amount": item.price_cents,
            "lookup_key": item.lookup_key,
            "transfer_lookup_key": True,
        }
        if item.interval:
            params["recurring"] = {"interval": item.interval}
        previous = found.id if found else "none"
        key = f"price:{item.lookup_key}:{item.price_cents}:{previous}"
        return await self.stripe.create_price(params, key=key)

    async def _product(self, item: Item) -> None:
        """Products have our own ids, so that looking for one is enough."""
        if item.product_key in self._products:
            return
        self._products.add(item.product_key)
        name = await self.stripe.product_name(item.product_key)
        if name == item.title:
            return
        self.done.append(f"product {item.product_key}: {item.title}")
        if self.is_dry_run:
            return
        if name is None:
            await self.stripe.create_product(item.product_key, item.title)
        else:
            await self.stripe.rename_product(item.product_key, item.title)

    async def _portal(
        self, items: Sequence[Item], plan_prices: Sequence[facts.Price], *, return_url: str
    ) -> None:
        """What customers may do for themselves: never end before what is paid for has ended."""
        by_product: dict[str, list[str]] = {}
        keys = {item.lookup_key: item.product_key for item in items}
        for price in plan_prices:
            by_product.setdefault(keys[price.lookup_key or ""], []).append(price.id)
        wanted = _portal(by_product, return_url)
        digest = sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:32]
        found = await self.stripe.portal_configuration()
        if found and found.digest == digest:
            return
        self.done.append("portal: what customers may change")
        if not self.is_dry_run:
            params = {**wanted, "metadata": {"rekindle": digest}}
            await self.stripe.keep_portal(params, found, key=f"portal:{digest}")


def _portal(by_product: dict[str, list[str]], return_url: str) -> dict[str, Any]:
    conditions = [{"type": "decreasing_item_amount"}, {"type": "shortening_interval"}]
    products = [{"product": name, "prices": ids} for name, ids in sorted(by_product.items())]
    return {
        "business_profile": {"headline": "Rekindle"},
        "default_return_url": return_url,
        "features": {
            "customer_update": {"enabled": True, "allowed_updates": ["address", "tax_id"]},
            "invoice_history": {"enabled": True},
            "payment_method_update": {"enabled": True},
            "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
            "subscription_update": {
                "enabled": True,
                "default_allowed_updates": ["price"],
                "products": products,
                # A higher plan is paid for and counts at once, a lower one from the next period on.
                "proration_behavior": "always_invoice",
                "schedule_at_period_end": {"conditions": conditions},
            },
        },
    }
