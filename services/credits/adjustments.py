"""Adjustments: credits that an operator gives or takes by hand.

    asked ──(small)──▶ booked
      └────(large)──▶ waits ──approve, by somebody else──▶ booked

Each says who asked and why, and the reason is what the customer reads. What one person has given
and taken within a day counts together, so that a large one is not many small ones. The names are
those that operators give: who may run the command is the machine's to decide.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.credits import accounts, pools
from services.credits.errors import AlreadyApproved, NeedsAnother
from services.kit.db import Connection
from services.kit.problems import NotFound

ALONE_MAX = 50
"""How many credits one person may move within a day; more of them need a second one."""

_LOCK_ASKER = sa.text(
    "select pg_advisory_xact_lock(hashtextextended('credits.adjustments:' || lower(:asked_by), 0))"
)
_MOVED_ALONE = sa.text(
    """
    select coalesce(sum(abs(amount)), 0) from adjustments
    where lower(asked_by) = lower(:asked_by) and asked_at > now() - interval '1 day'
        and booked_at is not null and approved_by is null
    """
)
_IS_KNOWN = sa.text("select exists (select from accounts where id = :account_id)")
_ASK = sa.text(
    """
    insert into adjustments (id, account_id, amount, reason, asked_by)
        values (:id, :account_id, :amount, :reason, :asked_by)
        on conflict do nothing
        returning *
    """
)
_APPROVE = sa.text(
    """
    update adjustments set approved_by = :approved_by
    where id = :id and booked_at is null and lower(asked_by) <> lower(:approved_by)
    returning *
    """
)
_STANDING = sa.text("select booked_at from adjustments where id = :id")
_BOOKED = sa.text("update adjustments set booked_at = now() where id = :id")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be given (or, below zero, taken), and who says so."""

    adjustment_id: UUID
    account_id: UUID
    amount: int
    reason: str
    asked_by: str


async def ask(connection: Connection, wanted: Wanted) -> bool:
    """Write it down, and book it if one person may; whether it was booked.

    Asking again for the same changes nothing.
    """
    asked_by = wanted.asked_by.strip()
    if not await connection.scalar(_IS_KNOWN, {"account_id": wanted.account_id}):
        raise NotFound("There is no such account.")
    await connection.execute(_LOCK_ASKER, {"asked_by": asked_by})
    moved = await connection.scalar(_MOVED_ALONE, {"asked_by": asked_by})
    facts = {
        "id": wanted.adjustment_id,
        "account_id": wanted.account_id,
        "amount": wanted.amount,
        "reason": wanted.reason.strip(),
        "asked_by": asked_by,
    }
    row = (await connection.execute(_ASK, facts)).one_or_none()
    if not row:
        return await connection.scalar(_STANDING, {"id": wanted.adjustment_id}) is not None
    if moved + abs(wanted.amount) > ALONE_MAX:
        return False
    await _book(connection, row)
    return True


async def approve(connection: Connection, *, adjustment_id: UUID, approved_by: str) -> None:
    """Book what somebody else asked for, once."""
    arguments = {"id": adjustment_id, "approved_by": approved_by.strip()}
    if row := (await connection.execute(_APPROVE, arguments)).one_or_none():
        await _book(connection, row)
        return
    standing = (await connection.execute(_STANDING, {"id": adjustment_id})).one_or_none()
    if standing is None:
        raise NotFound("There is no such adjustment.")
    if standing.booked_at:
        raise AlreadyApproved("The adjustment is in the books already.")
    raise NeedsAnother("Whoever asked for an adjustment cannot approve it.")


async def _book(connection: Connection, row: sa.Row[Any]) -> None:
    await connection.execute(_BOOKED, {"id": row.id})
    cause = f"adjustment:{row.id}"
    if row.amount > 0:
        is_new = await accounts.grant(
            connection,
            account_id=row.account_id,
            amount=row.amount,
            cause=cause,
            reason=row.reason,
        )
        assert is_new, row.id
        return
    pool = await pools.lock(connection, row.account_id)
    # As of now: a subscription that ends later has that much less to lose.
    is_new = await pools.note(
        connection, row.account_id, cause, "pool", amount=row.amount, at=pools.NOW
    )
    assert is_new, row.id
    await pool.take(-row.amount, cause=cause, reason=row.reason, paid_at=None)
