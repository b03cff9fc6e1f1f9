"""The ledger: every credit is in one bucket, and every move is written down.

    issued ──grant──▶ available ──hold──▶ held ──capture──▶ spent
                        ▲   │               │                 ▲
                        │   └── late capture of an expired ───┘
                        └── release, expire ┘

A move changes the account row, adds a movement (with the balance after it and its reason) and two
entries that sum to zero. Movements and entries are never changed. Nothing here commits.

Time is the database's, so that no service's clock can expire a hold or begin a month early; `at`
is given only by those who replay or test.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.credits.models import Movement, movements
from services.kit.db import Connection, uuid7

_MOVE = sa.text(
    """
    select version, available, held from move(
        cast(:id as uuid), cast(:account_id as uuid), :kind, :source, :target,
        cast(:amount as integer), cast(:job_id as uuid), cast(:cause as text), :reason,
        coalesce(cast(:at as timestamptz), now())
    )
    """
)


MONTHS_AHEAD = 3

_MAKE_MONTHS = sa.text("select make_months(:count)")


@dataclass(frozen=True, slots=True)
class Moved:
    """The account right after a movement."""

    version: int
    available: int
    held: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """One movement, as its owner may read it."""

    id: UUID
    time: datetime
    movement: str
    amount: int
    available: int
    held: int
    text: str
    job_id: UUID | None
    cause: str | None
    version: int


async def move(
    connection: Connection,
    movement: Movement,
    *,
    account_id: UUID,
    amount: int,
    reason: str,
    job_id: UUID | None = None,
    cause: str | None = None,
    at: datetime | None = None,
) -> Moved | None:
    """Move credits from one bucket to another; None if fewer than `amount` are available."""
    kind, source, target = movement.value
    arguments = {
        "id": uuid7(),
        "account_id": account_id,
        "kind": kind,
        "source": source,
        "target": target,
        "amount": amount,
        "job_id": job_id,
        "cause": cause,
        "reason": reason,
        "at": at,
    }
    row = (await connection.execute(_MOVE, arguments)).one_or_none()
    return Moved(*row) if row else None


async def make_months(connection: Connection) -> int:
    """Have a partition of the entries for this month and the next ones; how many were missing."""
    made: int = (await connection.execute(_MAKE_MONTHS, {"count": MONTHS_AHEAD})).scalar_one()
    return made


async def receipts(
    connection: Connection, *, account_id: UUID, limit: int, before_version: int | None
) -> Sequence[Receipt]:
    """Movements of an account, the newest first."""
    m = movements.c
    shown: list[sa.ColumnElement[Any]] = [
        *(m.id, m.created_at, m.kind, m.amount, m.available, m.held),
        *(m.reason, m.job_id, m.cause, m.version),
    ]
    query = (
        sa.select(*shown).where(m.account_id == account_id).order_by(m.version.desc()).limit(limit)
    )
    if before_version is not None:
        query = query.where(m.version < before_version)
    return [Receipt(*row) for row in await connection.execute(query)]
