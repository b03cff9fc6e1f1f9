"""Which price at Stripe is for what: a price that was ever ours goes on counting."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from services.billing import facts, plans
from services.billing.errors import PricesNotSynced
from services.billing.models import prices
from services.billing.plans import Item
from services.kit.db import Connection


async def items(connection: Connection) -> dict[str, Item]:
    """Everything that can have been bought, by the id of its price."""
    p = prices.c
    rows = await connection.execute(sa.select(p.price_id, p.lookup_key))
    return {row.price_id: plans.ITEMS[row.lookup_key] for row in rows}


async def require(connection: Connection, lookup_key: str) -> str:
    """The price that something is sold for now."""
    p = prices.c
    query = sa.select(p.price_id).where(p.lookup_key == lookup_key, p.is_current)
    found: str | None = await connection.scalar(query)
    if found is None:
        raise PricesNotSynced
    return found


async def keep(connection: Connection, current: Sequence[facts.Price]) -> None:
    """Write down what is sold for which price from now on."""
    ids = [price.id for price in current]
    keys = [price.lookup_key for price in current]
    p = prices.c
    await connection.execute(
        sa.update(prices)
        .where(p.lookup_key.in_(keys), p.price_id.not_in(ids))
        .values(is_current=False)
    )
    for price in current:
        known = {
            "lookup_key": price.lookup_key,
            "amount_cents": price.unit_amount,
            "currency": price.currency,
            "is_current": True,
        }
        new = insert(prices).values(price_id=price.id, **known)
        await connection.execute(
            new.on_conflict_do_update(index_elements=[p.price_id], set_={"is_current": True})
        )
