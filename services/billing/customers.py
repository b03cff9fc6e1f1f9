"""Whose customer at Stripe is whose account: the mapping is ours, and nobody else's word counts.

Whoever works on a customer holds its lease: what it reads from Stripe meanwhile is newer than what
anybody wrote down before. A holder that was too slow finds another number, and writes nothing.
"""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from services.billing.models import customers
from services.kit.db import Connection

LEASED_FOR_S = 120
"""Longer than everything that is asked of Stripe for one customer may take."""

_TAKE = sa.text(
    """
    update customers set lease = lease + 1,
        leased_until = now() + make_interval(secs => :leased_for_s)
    from (
        select customer_id as id from customers
        where customer_id = any(:customer_ids) and leased_until < now()
        order by customer_id for update skip locked
    ) free
    where customer_id = free.id returning customer_id, account_id, lease
    """
)


class LeaseLost(Exception):  # noqa: N818  # an outcome
    """Somebody else works on this customer by now: what was read may be old."""


@dataclass(frozen=True, slots=True)
class Leased:
    """A customer that nobody else works on."""

    customer_id: str
    account_id: UUID
    lease: int


async def find(connection: Connection, account_id: UUID) -> str | None:
    """The customer that an account buys as."""
    c = customers.c
    found: str | None = await connection.scalar(
        sa.select(c.customer_id).where(c.account_id == account_id, c.deleted_at.is_(None))
    )
    return found


async def is_known(connection: Connection, customer_id: str) -> bool:
    query = sa.select(sa.func.count()).where(customers.c.customer_id == customer_id)
    return bool(await connection.scalar(query))


async def count(connection: Connection, account_id: UUID) -> int:
    """How many customers the account ever was."""
    query = sa.select(sa.func.count()).where(customers.c.account_id == account_id)
    return await connection.scalar(query) or 0


async def add(connection: Connection, account_id: UUID, customer_id: str) -> None:
    """Remember a customer that was made for the account."""
    new = insert(customers).values(customer_id=customer_id, account_id=account_id)
    await connection.execute(new.on_conflict_do_nothing())


async def mark_deleted(connection: Connection, customer_id: str) -> None:
    c = customers.c
    await connection.execute(
        sa.update(customers)
        .where(c.customer_id == customer_id, c.deleted_at.is_(None))
        .values(deleted_at=sa.func.now())
    )


async def lease(connection: Connection, customer_ids: list[str]) -> list[Leased]:
    """Take those of these customers that nobody works on."""
    if not customer_ids:
        return []  # twice in each idle second: no statement for nobody
    asked = {"customer_ids": customer_ids, "leased_for_s": LEASED_FOR_S}
    return [Leased(*row) for row in await connection.execute(_TAKE, asked)]


async def hold(connection: Connection, leased: Leased) -> None:
    """Lock the customer for this transaction; `LeaseLost` if it is somebody else's by now."""
    c = customers.c
    query = sa.select(c.lease).where(c.customer_id == leased.customer_id).with_for_update()
    if await connection.scalar(query) != leased.lease:
        raise LeaseLost


async def release(connection: Connection, leased: Leased) -> None:
    """Let others work on the customer at once."""
    c = customers.c
    await connection.execute(
        sa.update(customers)
        .where(c.customer_id == leased.customer_id, c.lease == leased.lease)
        .values(leased_until=sa.text("'-infinity'"))
    )
