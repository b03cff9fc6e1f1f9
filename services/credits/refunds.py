"""Refunds: a result that its owner rejects costs nothing, within bounds.

Once per result, within a week of its delivery, and so many times a month. The result itself is
kept: processing hears of the refund and marks it for review.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

import sqlalchemy as sa

from contracts.credits.v1 import HoldRefunded
from services.credits import pools
from services.credits.errors import NothingToRefund, TooLateToRefund, TooManyRefunds
from services.credits.models import HoldState, Movement, holds, movements
from services.kit.db import Connection
from services.kit.outbox import say
from services.kit.problems import NotFound

WITHIN = timedelta(days=7)
MONTHLY_MAX = 5

Reason = Literal["likeness", "colours", "damage", "other"]

TEXTS: dict[Reason, str] = {
    "likeness": "it doesn't look like them",
    "colours": "the colours are wrong",
    "damage": "damage was left or made",
    "other": "you were not content with it",
}


@dataclass(frozen=True, slots=True)
class Refund:
    """What came back, and what can be spent now."""

    amount: int
    available: int


async def refund(
    connection: Connection,
    *,
    account_id: UUID,
    job_id: UUID,
    reason: Reason,
    at: datetime | None = None,
) -> Refund:
    """Give back the captured credits of a result. Asking again changes nothing."""
    h, m = holds.c, movements.c
    found = await connection.execute(
        sa.select(h.amount, h.state, h.reason)
        .where(h.job_id == job_id, h.account_id == account_id)
        .with_for_update()
    )
    hold = found.one_or_none()
    if hold is None:
        raise NotFound
    if hold.state != HoldState.CAPTURED:
        raise NothingToRefund("Only a result that was delivered can be rejected.")
    pool = await pools.lock(connection, account_id, at=at)
    now = at or await _now(connection)
    done = (
        await connection.execute(
            sa.select(m.kind, m.created_at).where(
                m.job_id == job_id, m.kind.in_(("capture", "refund"))
            )
        )
    ).all()
    delivered_at = {row.kind: row.created_at for row in done}
    if "refund" in delivered_at:
        return Refund(hold.amount, pool.available)
    if now - delivered_at["capture"] > WITHIN:
        raise TooLateToRefund(f"A result can be rejected within {WITHIN.days} days.")
    if await _refunds_this_month(connection, account_id, now) >= MONTHLY_MAX:
        raise TooManyRefunds(maximum=MONTHLY_MAX)
    cause = f"refund:{job_id}"
    await pools.note(connection, account_id, cause, "pool", amount=hold.amount, at=now)
    await pool.move(
        Movement.REFUND,
        hold.amount,
        cause=cause,
        reason=f"Returned for “{hold.reason}”: {TEXTS[reason]}",
        job_id=job_id,
    )
    event = HoldRefunded(
        account_id=account_id,
        version=pool.version,
        amount=hold.amount,
        available=pool.available,
        job_id=job_id,
        reason=reason,
    )
    await say(connection, event, about=account_id)
    await pool.receive(hold.amount, cause=cause, paid_at=now)
    return Refund(hold.amount, pool.available)


async def _now(connection: Connection) -> datetime:
    now: datetime = (await connection.execute(sa.select(sa.func.now()))).scalar_one()
    return now


async def _refunds_this_month(connection: Connection, account_id: UUID, now: datetime) -> int:
    m = movements.c
    begin = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    # No upper bound: who began after us may have come first.
    counted = sa.select(sa.func.count()).where(
        m.account_id == account_id, m.kind == "refund", m.created_at >= begin
    )
    return int((await connection.execute(counted)).scalar_one())
