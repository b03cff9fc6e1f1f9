"""Holds that are asked for at the same time go into the books by one statement.

A hot account is then as fast as many: its row is changed once for all of them. Whatever is not
plain (too few credits, a month to come, a job that has a hold) is placed alone, by `holds`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import PoolProxiedConnection
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.credits.v1 import HoldPlaced
from services.credits import holds
from services.credits.holds import Placed
from services.kit import failpoints, outbox
from services.kit.coalescing import Coalesced
from services.kit.db import uuid7
from services.kit.outbox import Said

TOGETHER_MAX = 64

# Spoken to the driver itself, outside of a transaction: one round trip, and the statement commits.
_PLACE = """
    select is_placed from place_together(
        $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now(), $11
    ) order by number
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A hold that is asked for, and what is said when it is placed."""

    account_id: UUID
    job_id: UUID
    amount: int
    reason: str
    said: Said


class Placer:
    """Places holds, those that are asked for meanwhile together.

    Batches follow one another, so one connection carries them all. It is kept: to take it from the
    pool for each would cost half of what a lone hold costs this process.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._kept: PoolProxiedConnection | None = None
        self._together = Coalesced(self._place_together, size_max=TOGETHER_MAX)

    async def place(self, *, account_id: UUID, job_id: UUID, amount: int, reason: str) -> Placed:
        """Set credits aside for a job, as `holds.place` does, and commit."""
        # Its version and balance are known to the statement only, which writes them in.
        event = HoldPlaced(
            account_id=account_id, version=1, amount=amount, available=0, job_id=job_id
        )
        said = outbox.event(event, about=account_id)
        placed: Placed = "placed"
        if not await self._together(Wanted(account_id, job_id, amount, reason, said)):
            async with self._engine.begin() as connection:
                placed = await holds.place(
                    connection, account_id=account_id, job_id=job_id, amount=amount, reason=reason
                )
        await failpoints.reach("mid_hold")
        return placed

    async def _place_together(self, wanted: Sequence[Wanted]) -> list[bool]:
        """Which of them were placed."""
        driver = await self._connected()
        rows = await driver.fetch(
            _PLACE,
            [uuid7() for _ in wanted],
            [one.job_id for one in wanted],
            [one.account_id for one in wanted],
            [one.amount for one in wanted],
            [one.reason for one in wanted],
            [f"Held for “{one.reason}”" for one in wanted],
            [one.said.envelope.id for one in wanted],
            outbox.EVENTS,
            HoldPlaced.type,
            [one.said.envelope.model_dump_json() for one in wanted],
            holds.TTL,
        )
        return [row["is_placed"] for row in rows]

    async def _connected(self) -> Any:
        """The driver's own connection."""
        if self._kept is None or self._kept.driver_connection.is_closed():  # type: ignore[union-attr]
            self.close()
            self._kept = await self._engine.raw_connection()
        return self._kept.driver_connection

    def close(self) -> None:
        """Give the connection back; the next hold takes another."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
