"""Pools: all the credits of an account that are not held, and what money does to them.

News of money may come late, twice and in any order, and must always end in the same books. So an
account's pool is worked out from what was heard and not from when:

- What was bought or given back makes it larger, what was taken back smaller. Below zero it is owed,
  and whatever comes in repays that first.
- Open disputes block as much of it as they ask for and as there is.
- A subscription that has ended parts it by when things were paid for: what was paid for up to the
  end, less what had been used of it (the oldest is used first), is the past, and lost.

What was held when the end was heard is not lost; if it comes back, it was of the past and is.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from contracts.credits import v1 as said
from services.credits import ledger
from services.credits.models import Bucket, Movement, accounts, causes, movements
from services.kit.db import Connection
from services.kit.outbox import say

LOST = "Lost: the subscription has ended"
KEPT = "Not lost: it was taken back before"
OWED = "Owed: it was spent already"
REPAID = "Used to pay what was owed"
BLOCKED = "Blocked: a payment is disputed"
FREED = "No longer blocked"

SAID = {
    Movement.GRANT: said.BalanceGranted,
    Movement.CLAWBACK: said.BalanceRevoked,
    Movement.RESTORE: said.BalanceRestored,
    Movement.RECOVER: said.BalanceRestored,
    Movement.OWE: said.BalanceOwed,
    Movement.FORFEIT_OWED: said.BalanceOwed,
    Movement.REPAY: said.BalanceRepaid,
    Movement.BLOCK: said.BalanceBlocked,
    Movement.UNBLOCK: said.BalanceUnblocked,
    Movement.FORFEIT: said.BalanceForfeited,
}
"""What the owner is told of a movement; those of holds are told by whoever makes them."""

Kind = Literal["pool", "block", "close", "end"]
When = datetime | sa.TextClause

NOW = sa.text("now()")
NEVER_PAST = sa.text("'infinity'")

_DISPUTED = sa.text(
    """
    select coalesce(sum(amount), 0) from causes blocked
    where account_id = :account_id and kind = 'block' and at > coalesce(:ended_at, '-infinity')
        and not exists (
            select from causes closing
            where closing.account_id = :account_id and closing.closes = blocked.cause
        )
    """
).bindparams(sa.bindparam("ended_at", type_=sa.DateTime(timezone=True)))
_PAID_FOR = sa.text(
    """
    select coalesce(sum(amount) filter (where at <= :ends_at), 0), coalesce(sum(amount), 0)
    from causes
    where account_id = :account_id and kind = 'pool' and at > coalesce(:ended_at, '-infinity')
    """
).bindparams(
    sa.bindparam("ended_at", type_=sa.DateTime(timezone=True)),
    sa.bindparam("ends_at", type_=sa.DateTime(timezone=True)),
)


async def note(
    connection: Connection,
    account_id: UUID,
    cause: str,
    kind: Kind,
    *,
    amount: int = 0,
    at: When,
    closes: str | None = None,
) -> bool:
    """Write down that this happened; False if it was known."""
    new = insert(causes).values(
        account_id=account_id,
        cause=cause,
        kind=kind,
        amount=amount,
        at=at,
        closes=closes,
    )
    noted = await connection.execute(new.on_conflict_do_nothing().returning(causes.c.cause))
    return noted.one_or_none() is not None


async def lock(connection: Connection, account_id: UUID, *, at: datetime | None = None) -> "Pool":
    """The pool as it is, for this transaction to change."""
    a = accounts.c
    ended = (a.past, a.past_used, a.ended_at, a.ended_version)
    columns = (a.available, a.blocked, a.owed, a.disputed, *ended, a.version)
    query = sa.select(*columns).where(a.id == account_id).with_for_update(key_share=True)
    row = (await connection.execute(query)).one()
    return Pool(connection, account_id, *row, at=at)


@dataclass(slots=True)
class Pool:
    """An account's row, locked; every change is booked at once."""

    connection: Connection
    account_id: UUID
    available: int
    blocked: int
    owed: int
    disputed: int
    past: int
    past_used: int
    ended_at: datetime | None
    ended_version: int
    version: int
    at: datetime | None

    def is_past(self, paid_at: datetime | None) -> bool:
        """Whether what was paid for then is lost. Without a time it was paid for just now."""
        return self.ended_at is not None and paid_at is not None and paid_at <= self.ended_at

    async def put(
        self,
        movement: Movement,
        amount: int,
        *,
        cause: str,
        reason: str,
        paid_at: datetime | None,
    ) -> None:
        """Let credits come in, and go where they are due."""
        await self.move(movement, amount, cause=cause, reason=reason)
        await self.receive(amount, cause=cause, paid_at=paid_at)

    async def receive(self, amount: int, *, cause: str, paid_at: datetime | None) -> None:
        """What has just come in is lost at once if it is past, and repays what is owed if not."""
        if self.is_past(paid_at):
            await self.change_past(amount, cause=cause)
        await self.settle(cause=cause)

    async def take(self, amount: int, *, cause: str, reason: str, paid_at: datetime | None) -> None:
        """Take credits back: from what is lost if they are past, then what is left, then owed."""
        if self.is_past(paid_at):
            await self.change_past(-amount, cause=cause)
        await self._draw(amount, Movement.CLAWBACK, Movement.OWE, cause=cause, reason=reason)
        await self.settle(cause=cause)

    async def come_back(self, job_id: UUID, amount: int) -> None:
        """Sort in the credits of a hold that has just come back."""
        cause = f"job:{job_id}"
        if self.past_used and await self._was_held_at_the_end(job_id):
            of_the_past = min(amount, self.past_used)
            self.past_used -= of_the_past
            await self._write(past_used=self.past_used)
            await self.change_past(of_the_past, cause=cause)
        await self.settle(cause=cause)

    async def dispute(self, *, cause: str) -> None:
        """Block what open disputes ask for, no more and no less."""
        arguments = {"account_id": self.account_id, "ended_at": self.ended_at}
        self.disputed = await self.connection.scalar(_DISPUTED, arguments) or 0
        await self._write(disputed=self.disputed)
        await self.settle(cause=cause)

    async def end(self, ends_at: datetime, *, cause: str) -> None:
        """Lose what was paid for up to this end and is left."""
        if self.is_past(ends_at):
            return
        arguments = {"account_id": self.account_id, "ended_at": self.ended_at, "ends_at": ends_at}
        row = await self.connection.execute(_PAID_FOR, arguments)
        until_then, ever_since = row.one()
        used = ever_since + min(self.past, 0) - (self.available + self.blocked - self.owed)
        used_of_it = max(0, min(used, until_then))
        self.ended_at, self.past_used = ends_at, self.past_used + used_of_it
        await self.change_past(until_then - used_of_it, cause=cause)
        self.ended_version = self.version
        await self._write(ended_at=ends_at, ended_version=self.version, past_used=self.past_used)
        await self.dispute(cause=cause)

    async def change_past(self, amount: int, *, cause: str) -> None:
        """Let the past be more or less, and lose or get back what that makes."""
        lost = max(self.past, 0)
        self.past += amount
        await self._write(past=self.past)
        more = max(self.past, 0) - lost
        if more > 0:
            await self._draw(
                more, Movement.FORFEIT, Movement.FORFEIT_OWED, cause=cause, reason=LOST
            )
        elif more < 0:
            await self.move(Movement.RECOVER, -more, cause=cause, reason=KEPT)

    async def settle(self, *, cause: str) -> None:
        """Repay what is owed, then block what is disputed, as far as there is anything."""
        if repaid := min(self.available, self.owed):
            await self.move(Movement.REPAY, repaid, cause=cause, reason=REPAID)
        change = min(self.disputed, self.available + self.blocked) - self.blocked
        if change > 0:
            await self.move(Movement.BLOCK, change, cause=cause, reason=BLOCKED)
        elif change < 0:
            await self.move(Movement.UNBLOCK, -change, cause=cause, reason=FREED)

    async def move(
        self,
        movement: Movement,
        amount: int,
        *,
        cause: str,
        reason: str,
        job_id: UUID | None = None,
    ) -> None:
        moved = await ledger.move(
            self.connection,
            movement,
            account_id=self.account_id,
            amount=amount,
            reason=reason,
            cause=None if job_id else cause,
            job_id=job_id,
            at=self.at,
        )
        assert moved, self.account_id
        _, source, target = movement.value
        self.available, self.version = moved.available, moved.version
        self.blocked += amount * ((target is Bucket.BLOCKED) - (source is Bucket.BLOCKED))
        self.owed -= amount * ((target is Bucket.OWED) - (source is Bucket.OWED))
        if movement in SAID:
            event = SAID[movement](
                account_id=self.account_id,
                version=self.version,
                amount=amount,
                available=self.available,
                reason=reason,
            )
            await say(self.connection, event, about=self.account_id)

    async def _draw(
        self, amount: int, left: Movement, owed: Movement, *, cause: str, reason: str
    ) -> None:
        missing = amount - self.available
        if missing > 0 and self.blocked:
            freed = min(missing, self.blocked)
            await self.move(Movement.UNBLOCK, freed, cause=cause, reason=FREED)
        drawn = min(amount, self.available)
        if drawn:
            await self.move(left, drawn, cause=cause, reason=reason)
        if amount > drawn:
            await self.move(owed, amount - drawn, cause=cause, reason=OWED)

    async def _was_held_at_the_end(self, job_id: UUID) -> bool:
        m = movements.c
        query = sa.select(m.version).where(m.job_id == job_id, m.kind == "hold")
        version: int = (await self.connection.scalars(query)).one()
        return version <= self.ended_version

    async def _write(self, **changes: int | datetime) -> None:
        change = sa.update(accounts).where(accounts.c.id == self.account_id).values(**changes)
        await self.connection.execute(change)
