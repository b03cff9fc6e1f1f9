"""One hold for a whole batch: all of its jobs are paid for, or none is.

What is set aside are ordinary holds, one per job, so that each job of the batch captures or gives
back its own part when it ends, exactly as a job that was asked for alone.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from contracts.credits.v1 import BatchPlaced
from services.credits import accounts
from services.credits.errors import HoldDiffers, InsufficientCredits
from services.credits.holds import TTL, Placed
from services.kit import failpoints
from services.kit.db import Connection, uuid7
from services.kit.outbox import say

_PLACE = sa.text(
    """
    select outcome, version, available from place_holds(
        cast(:batch_id as uuid), cast(:job_ids as uuid[]), cast(:movement_ids as uuid[]),
        cast(:account_id as uuid), cast(:amount as integer), :reason, :text,
        coalesce(cast(:at as timestamptz), now()), cast(:ttl as interval)
    )
    """
)


async def place(
    connection: Connection,
    *,
    account_id: UUID,
    batch_id: UUID,
    job_ids: Sequence[UUID],
    amount: int,
    reason: str,
    at: datetime | None = None,
) -> Placed:
    """Set `amount` aside for each job, or nothing. Asking again for the same changes nothing."""
    arguments = {
        "batch_id": batch_id,
        "job_ids": list(job_ids),
        "movement_ids": [uuid7() for _ in job_ids],
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
            event = BatchPlaced(
                account_id=account_id,
                version=answer.version,
                amount=amount * len(job_ids),
                available=answer.available,
                batch_id=batch_id,
                jobs=len(job_ids),
            )
            await say(connection, event, about=account_id)
            await failpoints.reach("mid_batch_hold")
            return "placed"
        case "same":
            return "same"
        case "refused":
            raise InsufficientCredits(needed=amount * len(job_ids), available=answer.available)
        case _:
            raise HoldDiffers("This batch has a hold of other jobs or for another account.")
