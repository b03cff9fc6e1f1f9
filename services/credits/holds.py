"""Holds: credits set aside for a job until it ends.

    held ──capture──▶ captured          (the result is stored)
      ├──release──▶ released            (the job ended any other way)
      └──expire──▶ expired ──capture──▶ captured   (the result came after a day: paid from what
                                                    is available, or written off as uncollected)

Each change is one guarded UPDATE of the hold: whoever comes second changes nothing.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.credits.v1 import HoldCaptured, HoldExpired, HoldPlaced, HoldReleased
from services.credits import accounts, ledger, pools
from services.credits.errors import HoldClosed, HoldDiffers, InsufficientCredits
from services.credits.models import HoldState, Movement, holds, uncollected
from services.kit import failpoints, outbox, telemetry
from services.kit.db import Connection, uuid7
from services.kit.outbox import say

TTL = timedelta(hours=24)
"""Far longer than a job can live, so that only an orphan expires."""

ENDED_WITHOUT_RESULT = "Returned: the job ended without a result"
EXPIRED = "Returned: the job did not end within a day"

log = structlog.get_logger()

Placed = Literal["placed", "same"]

_PLACE = sa.text(
    """
    select outcome, version, available from place_hold(
        cast(:movement_id as uuid), cast(:job_id as uuid), cast(:account_id as uuid),
        cast(:amount as integer), :reason, :text, coalesce(cast(:at as timestamptz), now()),
        cast(:ttl as interval)
    )
    """
)
# Holds and accounts are locked in one order each: two who capture cannot wait for each other.
_CAPTURE = sa.text(
    """
    with wanted as (
        select * from unnest(cast(:job_ids as uuid[]), cast(:movement_ids as uuid[]))
            wanted(job_id, movement_id)
    ), due as (
        select job_id from holds where job_id = any(:job_ids) and state = 'held'
        order by job_id for update
    ), captured as (
        update holds set state = 'captured' from due where holds.job_id = due.job_id
        returning holds.*
    )
    select hold.job_id, hold.account_id, hold.amount, moved.version, moved.available
    from (select * from captured join wanted using (job_id) order by account_id, job_id) hold
    cross join lateral move(
        hold.movement_id, hold.account_id, 'capture', 'held', 'spent', hold.amount, hold.job_id,
        null, 'Spent on “' || hold.reason || '”', coalesce(cast(:at as timestamptz), now())
    ) moved
    """
)
_EXPIRED = sa.text(
    """
    select job_id from holds
    where state = 'held' and expires_at <= coalesce(cast(:at as timestamptz), now())
    order by expires_at limit :batch
    """
)


async def place(
    connection: Connection,
    *,
    account_id: UUID,
    job_id: UUID,
    amount: int,
    reason: str,
    at: datetime | None = None,
) -> Placed:
    """Set credits aside for a job. Asking again for the same changes nothing and says so."""
    arguments = {
        "movement_id": uuid7(),
        "job_id": job_id,
        "account_id": account_id,
        "amount": amount,
        "reason": reason,
        "text": f"Held for “{reason}”",
        "at": at,
        "ttl": TTL,
    }
    answer = (await connection.execute(_PLACE, arguments)).one()
    if answer.outcome == "due":
        await accounts.bring_up_to_date(connection, account_id, at=at)
        answer = (await connection.execute(_PLACE, arguments)).one()
    match answer.outcome:
        case "placed":
            event = HoldPlaced(
                account_id=account_id,
                version=answer.version,
                amount=amount,
                available=answer.available,
                job_id=job_id,
            )
            await say(connection, event, about=account_id)
            return "placed"
        case "same":
            return "same"
        case "refused":
            raise InsufficientCredits(needed=amount, available=answer.available)
        case "closed":
            raise HoldClosed("The credits of this job were spent or returned already.")
        case _:
            raise HoldDiffers("This job has a hold of another amount or for another account.")


async def capture(
    connection: Connection, delivered: Mapping[UUID, telemetry.Cause], *, at: datetime | None = None
) -> None:
    """Spend the holds of jobs that were delivered, all at once; each is said with its cause."""
    arguments = {
        "job_ids": list(delivered),
        "movement_ids": [uuid7() for _ in delivered],
        "at": at,
    }
    spent = (await connection.execute(_CAPTURE, arguments)).all()
    await failpoints.reach("after_capture_before_event")
    captured = [HoldCaptured(**_facts(hold, hold)) for hold in spent]
    for job_id in delivered.keys() - {hold.job_id for hold in spent}:
        captured += await _capture_late(connection, job_id, at=at)
    said = [
        outbox.event(event, about=event.account_id, cause=delivered[event.job_id])
        for event in captured
    ]
    await outbox.write(connection, said)


async def release(
    connection: Connection,
    *,
    job_id: UUID,
    reason: str = ENDED_WITHOUT_RESULT,
    at: datetime | None = None,
) -> bool:
    """Give a hold back: the job failed, was cancelled or never started; whether it was open."""
    hold = await _close(connection, job_id, HoldState.HELD, HoldState.RELEASED)
    if not hold:
        log.info("release.ignored", job_id=str(job_id))
        return False
    await failpoints.reach("mid_release")
    moved = await _move(connection, Movement.RELEASE, hold, reason, at=at)
    assert moved, job_id
    await say(connection, HoldReleased(**_facts(hold, moved)), about=hold.account_id)
    await _sort_in(connection, hold, at=at)
    return True


async def release_for(connection: Connection, *, account_id: UUID, job_id: UUID) -> None:
    """Give back a hold of this account; one that does not exist or came back is given back."""
    h = holds.c
    state = await connection.scalar(
        sa.select(h.state).where(h.job_id == job_id, h.account_id == account_id).with_for_update()
    )
    if state == HoldState.CAPTURED:
        raise HoldClosed("The job was delivered and its credits are spent.")
    if state == HoldState.HELD:
        await release(connection, job_id=job_id)


async def expire(connection: Connection, *, job_id: UUID, at: datetime | None = None) -> bool:
    """Give back a hold whose job never ended; whether it was still open."""
    hold = await _close(connection, job_id, HoldState.HELD, HoldState.EXPIRED)
    if not hold:
        return False
    moved = await _move(connection, Movement.EXPIRE, hold, EXPIRED, at=at)
    assert moved, job_id
    await say(connection, HoldExpired(**_facts(hold, moved)), about=hold.account_id)
    await _sort_in(connection, hold, at=at)
    return True


async def expire_old(engine: AsyncEngine, *, batch: int, at: datetime | None = None) -> int:
    """Expire what is due, each hold in its own transaction; how many it looked at."""
    async with engine.begin() as connection:
        due = (await connection.scalars(_EXPIRED, {"batch": batch, "at": at})).all()
    for job_id in due:
        async with engine.begin() as connection:
            await expire(connection, job_id=job_id, at=at)
    return len(due)


async def _capture_late(
    connection: Connection, job_id: UUID, *, at: datetime | None
) -> list[HoldCaptured]:
    """The job was delivered although its hold had expired; what is delivered stays delivered."""
    h = holds.c
    expired = sa.select(holds).where(h.job_id == job_id, h.state == HoldState.EXPIRED)
    hold = (await connection.execute(expired.with_for_update())).one_or_none()
    # A statement of its own, so that it sees what whoever held the lock has written.
    written_off = await connection.scalar(
        sa.select(uncollected.c.job_id).where(uncollected.c.job_id == job_id)
    )
    if not hold or written_off:
        log.warning("capture.ignored", job_id=str(job_id))
        return []
    reason = f"Spent on “{hold.reason}”, delivered after its credits had come back"
    if moved := await _move(connection, Movement.CAPTURE_LATE, hold, reason, at=at):
        await _close(connection, job_id, HoldState.EXPIRED, HoldState.CAPTURED)
        return [HoldCaptured(**_facts(hold, moved))]
    log.warning("capture.uncollected", job_id=str(job_id), amount=hold.amount)
    await connection.execute(
        insert(uncollected).values(
            job_id=job_id,
            account_id=hold.account_id,
            amount=hold.amount,
            created_at=at or sa.func.now(),
        )
    )
    return []


async def _sort_in(connection: Connection, hold: Row[Any], *, at: datetime | None) -> None:
    """Let what came back be owed, disputed or lost, if it is by now."""
    pool = await pools.lock(connection, hold.account_id, at=at)
    await pool.come_back(hold.job_id, hold.amount)


async def _close(
    connection: Connection, job_id: UUID, old: HoldState, new: HoldState
) -> Row[Any] | None:
    h = holds.c
    change = sa.update(holds).where(h.job_id == job_id, h.state == old).values(state=new)
    return (await connection.execute(change.returning(*holds.c))).one_or_none()


async def _move(
    connection: Connection, movement: Movement, hold: Row[Any], reason: str, *, at: datetime | None
) -> ledger.Moved | None:
    return await ledger.move(
        connection,
        movement,
        account_id=hold.account_id,
        amount=hold.amount,
        job_id=hold.job_id,
        reason=reason,
        at=at,
    )


def _facts(hold: Row[Any], moved: ledger.Moved | Row[Any]) -> dict[str, Any]:
    return {
        "account_id": hold.account_id,
        "version": moved.version,
        "amount": hold.amount,
        "available": moved.available,
        "job_id": hold.job_id,
    }
