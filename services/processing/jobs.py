"""A job's life. Every way through it ends in a terminal state and says so, once.

    PENDING_HOLD ──hold placed──▶ QUEUED ──▶ RUNNING ──▶ CHECKING ──▶ COMPLETED
         │                          ▲  │         │           │
         ▼                          └──┼─────────┴───────────┘ another attempt
      REJECTED                         ▼
                           FAILED | CANCELLED (from any state but the terminal ones)

Credits closes the hold when it hears the last event. Nothing here commits: the caller owns the
transaction.
"""

from collections.abc import Collection
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Row

from contracts.message import Event
from contracts.processing.v1 import (
    JobCancelled,
    JobChecking,
    JobCompleted,
    JobFailed,
    JobQueued,
    JobRejected,
)
from services.kit.db import Connection
from services.kit.outbox import say
from services.kit.problems import NotFound
from services.processing import accounts
from services.processing.errors import JobEnded
from services.processing.models import ON_GPU, UNDONE, attempts, jobs, preparations

Job = Row[Any]
Rejection = Literal["insufficient-credits", "photo-unusable", "abandoned"]


async def find(connection: Connection, job_id: UUID, *, account_id: UUID) -> Job:
    """A job of this account; any other is not found."""
    query = sa.select(jobs).where(jobs.c.id == job_id, jobs.c.account_id == account_id)
    if job := (await connection.execute(query)).one_or_none():
        return job
    raise NotFound


async def queue(connection: Connection, job_id: UUID) -> Job | None:
    """The credits are held: the job waits for its photos and its turn."""
    job = await _get(connection, job_id)
    # Shared locks: a photo that is being prepared right now must see this job, or be seen by it.
    photos = await connection.execute(
        sa.select(preparations.c.state, preparations.c.detail)
        .where(preparations.c.photo_id.in_(job.photo_ids))
        .with_for_update(read=True)
    )
    states = [photo.state for photo in photos]
    if {"unusable", "deleted"}.intersection(states):
        return await reject(
            connection, job_id, code="photo-unusable", detail="The photo cannot be used."
        )
    is_ready = len(states) == len(job.photo_ids) and set(states) == {"prepared"}
    service = await accounts.service_of(connection, job.account_id)
    queued = await move(
        connection,
        job_id,
        to="QUEUED",
        among=("PENDING_HOLD",),
        queued_at=sa.func.clock_timestamp(),
        ready_at=sa.func.clock_timestamp() if is_ready else None,
        tier=service.tier,
        short_side_max=service.short_side_max,
    )
    if queued:
        event = JobQueued(
            **_about(queued),
            job_kind=queued.kind,
            price=queued.price,
            tier=queued.tier,
            photo_ids=queued.photo_ids,
        )
        await say(connection, event, about=job_id)
    return queued


async def reject(
    connection: Connection,
    job_id: UUID,
    *,
    code: Rejection,
    detail: str,
    facts: dict[str, int] | None = None,
) -> Job | None:
    """The job never starts."""
    rejected = await _end(
        connection, job_id, to="REJECTED", among=("PENDING_HOLD",), code=code, detail=detail,
        problem_facts=facts,
    )  # fmt: skip
    if rejected:
        await say(connection, JobRejected(**_about(rejected), code=code), about=job_id)
    return rejected


async def begin_check(connection: Connection, job_id: UUID) -> Job | None:
    """The GPU is done."""
    checking = await move(connection, job_id, to="CHECKING", among=("RUNNING",))
    if checking:
        await say(connection, JobChecking(**_about(checking)), about=job_id)
    return checking


async def try_again(
    connection: Connection, job_id: UUID, *, avoid_endpoint: str | None
) -> Job | None:
    """An attempt failed: back to the head of the account's line, for another one elsewhere."""
    return await move(
        connection,
        job_id,
        to="QUEUED",
        among=("RUNNING", "CHECKING"),
        avoid_endpoint=avoid_endpoint,
    )


async def complete(
    connection: Connection, job_id: UUID, *, result_key: str, result: dict[str, Any]
) -> Job | None:
    """The result is good: the customer may see it, and pays."""
    completed = await _end(
        connection, job_id, to="COMPLETED", among=("CHECKING",), code=None, detail=None,
        result_key=result_key, result=result,
    )  # fmt: skip
    if completed:
        event = JobCompleted(
            **_about(completed),
            job_kind=completed.kind,
            price=completed.price,
            result_key=result_key,
            sha256=result["sha256"],
            width=result["width"],
            height=result["height"],
            engine=result["engine"],
            gpu_seconds=result["gpu_seconds"],
        )
        await say(connection, event, about=job_id)
    return completed


async def fail(
    connection: Connection,
    job_id: UUID,
    *,
    code: str,
    detail: str,
    among: Collection[str] = UNDONE,
) -> Job | None:
    """The job ends without a result, and costs nothing."""
    failed = await _end(connection, job_id, to="FAILED", among=among, code=code, detail=detail)
    if failed:
        event: Event = JobFailed(**_about(failed), code=code, detail=detail)
        await say(connection, event, about=job_id)
        await _stop_attempts(connection, job_id)
    return failed


async def cancel(connection: Connection, job_id: UUID, *, account_id: UUID) -> None:
    """Stop a job at its owner's wish, whatever it is doing; a run on the GPU is stopped later."""
    job = await find(connection, job_id, account_id=account_id)
    cancelled = await _end(connection, job_id, to="CANCELLED", among=UNDONE, code=None, detail=None)
    if cancelled is None:
        state = (await _get(connection, job.id)).state
        raise JobEnded(state=state.lower())
    await say(connection, JobCancelled(**_about(cancelled)), about=job_id)
    await _stop_attempts(connection, job_id)


async def fail_waiting_for(
    connection: Connection, photo_id: UUID, *, code: str, detail: str
) -> None:
    """A photo cannot be used: jobs that wait in line with it cannot start any more."""
    waiting = await connection.execute(
        sa.text(
            "select id from jobs where state = 'QUEUED'"
            " and photo_ids @> array[cast(:photo_id as uuid)]"
        ),
        {"photo_id": photo_id},
    )
    for job in waiting.all():
        await fail(connection, job.id, code=code, detail=detail, among=("QUEUED",))


async def wake_waiting(connection: Connection, photo_id: UUID | None = None) -> None:
    """Jobs whose photos are all prepared may take their turn (of one photo, or of any)."""
    await connection.execute(
        sa.text(
            f"""
            update jobs set ready_at = clock_timestamp()
            where state = 'QUEUED' and ready_at is null
              {"and photo_ids @> array[cast(:photo_id as uuid)]" if photo_id else ""}
              and (select count(*) from preparations p
                   where p.photo_id = any(photo_ids) and p.state = 'prepared')
                  = cardinality(photo_ids)
            """  # noqa: S608  # a fixed text, chosen above
        ),
        {"photo_id": photo_id} if photo_id else {},
    )


async def move(
    connection: Connection, job_id: UUID, *, to: str, among: Collection[str], **changes: Any
) -> Job | None:
    """Change a job's state if it is one of `among`; None means that the wish is stale."""
    moved = await connection.execute(
        jobs.update()
        .where(jobs.c.id == job_id, jobs.c.state.in_(among))
        .values(state=to, version=jobs.c.version + 1, **changes)
        .returning(jobs)
    )
    job: Job | None = moved.one_or_none()
    return job


async def lock(connection: Connection, job_id: UUID) -> None:
    """Take the job before its attempt, as everybody does: else two could wait for each other."""
    await connection.execute(sa.select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())


async def _get(connection: Connection, job_id: UUID) -> Job:
    return (await connection.execute(sa.select(jobs).where(jobs.c.id == job_id))).one()


async def _end(
    connection: Connection,
    job_id: UUID,
    *,
    to: str,
    among: Collection[str],
    code: str | None,
    detail: str | None,
    **changes: Any,
) -> Job | None:
    return await move(
        connection,
        job_id,
        to=to,
        among=among,
        finished_at=sa.func.clock_timestamp(),
        problem_code=code,
        problem_detail=detail,
        **changes,
    )


async def _stop_attempts(connection: Connection, job_id: UUID) -> None:
    """Let the poller look at once: it cancels a run whose job has ended."""
    await connection.execute(
        attempts.update()
        .where(
            attempts.c.job_id == job_id,
            attempts.c.state.in_(ON_GPU),
            attempts.c.runpod_job_id.is_not(None) | (attempts.c.state == "RELEASED"),
        )
        .values(next_poll_at=sa.func.now())
    )


def _about(job: Job) -> dict[str, Any]:
    return {"job_id": job.id, "account_id": job.account_id, "version": job.version}
