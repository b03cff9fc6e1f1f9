"""How far a batch is: its jobs by state, and the moment in which the last of them ends."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Row

from contracts.processing.v1 import BatchFinished
from services.kit import failpoints
from services.kit.db import Connection
from services.kit.outbox import say
from services.processing.models import batches

_COUNT = sa.text(
    """
    select batch_id, lower(state) as state, count(*) as jobs, sum(price) as credits
    from jobs where batch_id = any(:ids) group by batch_id, state
    """
)


async def counts(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, dict[str, Row[Any]]]:
    """How many jobs of each batch are in each state, and what they cost."""
    counted: dict[UUID, dict[str, Row[Any]]] = {batch_id: {} for batch_id in ids}
    for row in await connection.execute(_COUNT, {"ids": list(ids)}):
        counted[row.batch_id][row.state] = row
    return counted


async def job_ended(connection: Connection, job: Row[Any]) -> None:
    """A job of a batch has ended; after the last one, say so, once."""
    ended = await connection.execute(
        batches.update()
        .where(batches.c.id == job.batch_id)
        .values(
            unfinished=batches.c.unfinished - 1,
            finished_at=sa.case((batches.c.unfinished == 1, sa.func.clock_timestamp())),
        )
        .returning(batches)
    )
    batch = ended.one()
    if batch.unfinished or batch.state == "REJECTED":
        return
    await failpoints.reach("mid_batch_end")
    done = (await counts(connection, [batch.id]))[batch.id].get("completed")
    event = BatchFinished(
        batch_id=batch.id,
        account_id=batch.account_id,
        jobs=batch.jobs,
        completed=done.jobs if done else 0,
        spent=done.credits if done else 0,
    )
    await say(connection, event, about=batch.id)
