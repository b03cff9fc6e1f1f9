"""Erase an account: Stripe deletes its customers, and with them whatever they still pay for.

    AccountErased ─▶ tombstone: nothing is sold to the account ─▶ Stripe deletes ─▶ said

A purchase that Stripe is being asked for right now is waited for: it may bring one more customer.

What was paid stays in the books, under the account's id, as tax law wants it; so do Stripe's
invoices.
"""

import asyncio
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.billing.v1 import AccountCleared
from services.billing.models import checkouts, customers
from services.billing.stripe_client import Stripe
from services.kit import erasures

PAUSE_S = 5
ASKED_WITHIN = timedelta(minutes=5)
"""Far longer than Stripe may be asked for one purchase: after that nobody asks any more."""

log = structlog.get_logger()


async def erase_for_ever(engine: AsyncEngine, stripe: Stripe) -> None:
    """Go on with erasures, whatever is away meanwhile."""
    while True:
        try:
            await sweep(engine, stripe)
        except Exception as error:  # noqa: BLE001  # Stripe and a killed Postgres have many families
            log.warning("erasing.interrupted", error=repr(error)[:200])
        await asyncio.sleep(PAUSE_S)


async def sweep(engine: AsyncEngine, stripe: Stripe) -> None:
    """Go on with every erasure that is not finished."""
    async with engine.begin() as connection:
        accounts = await erasures.unfinished(connection)
    for account_id in accounts:
        await _erase(engine, stripe, account_id)


async def _erase(engine: AsyncEngine, stripe: Stripe, account_id: UUID) -> None:
    """Delete what Stripe has of the account, and say so when nothing more can come to be there."""
    c, page = customers.c, checkouts.c
    async with engine.begin() as connection:
        # First: what is no longer being made when we look is among what is found.
        being_made = await connection.scalar(
            sa.select(sa.func.count()).where(
                page.account_id == account_id,
                page.state == "open",
                page.session_id.is_(None),
                page.created_at > sa.func.now() - ASKED_WITHIN,
            )
        )
        known = await connection.scalars(sa.select(c.customer_id).where(c.account_id == account_id))
        customer_ids = known.all()
        opened = await connection.scalars(
            sa.select(page.session_id).where(
                page.account_id == account_id, page.state == "open", page.session_id.is_not(None)
            )
        )
        session_ids = opened.all()
    for session_id in session_ids:
        await stripe.expire_session(session_id)
    for customer_id in customer_ids:
        await stripe.delete_customer(customer_id)
    if being_made:
        return
    async with engine.begin() as connection:
        await erasures.finish(connection, account_id, AccountCleared(account_id=account_id))
