"""A job's life. Every way through it ends in a terminal state and says so, once.

    PENDING_HOLD ──hold placed──▶ QUEUED ──▶ RUNNING ──▶ CHECKING ──▶ COMPLETED
         │                          ▲  │         │           │
         ▼                          └──┼─────────┴───────────┘ another attempt
      REJECTED                         ▼
                           FAILED | CANCELLED (from any state but the terminal ones)

Credits closes the hold when it hears the last event. Nothing here commits: the caller owns the
transaction.
"""

from collections.abc import Collection, Sequence
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
from services.kit import failpoints
from services.kit.db import Connection
from services.kit.outbox import say
from services.kit.problems import NotFound
from services.processing import accounts, progress
from services.processing.errors import JobEnded
from services.processing.models import ON_GPU, UNDONE, attempts, jobs, preparations

Job = Row[Any]
UNUSABLE = ("unusable", "deleted")
Rejection = Literal["insufficient-credits", "photo-unusable", "abandoned"]


async def find(connection: Connection, job_id: UUID, *, account_id: UUID) -> Job:
    """A job of this account; any other is not found."""
    query = sa.select(jobs).where(jobs.c.id == job_id, jobs.c.account_id == account_id)
    if job := (await connection.execute(query)).one_or_none():
        return job
    raise NotFound


async def queue(connection: Connection, job_ids: Sequence[UUID]) -> Sequence[Job]:
    """The credits are held: these jobs of one account wait for their photos and their turn.

    A job whose photo cannot be used is rejected instead.
    """
    wanted = (await connection.execute(sa.select(jobs).where(jobs.c.id.in_(job_ids)))).all()
    photo_ids = {photo_id for job in wanted for photo_id in job.photo_ids}
    # Shared locks: a photo that is being prepared right now must see these jobs, or be seen here.
    photos = await connection.execute(
        sa.select(preparations.c.photo_id, preparations.c.state)
        .where(preparations.c.photo_id.in_(photo_ids))
        .order_by(preparations.c.photo_id)
        .with_for_update(read=True)
    )
    states: dict[UUID, str] = {photo.photo_id: photo.state for photo in photos}
    unusable = {photo_id for photo_id, state in states.items() if state in UNUSABLE}
    for job in wanted:
        if unusable.intersection(job.photo_ids):
            await reject(
                connection, job.id, code="photo-unusable", detail="The photo cannot be used."
            )
    queued = await _queue_usable(connection, wanted, prepared=_in_state(states, "prepared"))
    for job in queued:
        event = JobQueued(
            **_about(job),
            job_kind=job.kind,
            price=job.price,
            tier=job.tier,
            photo_ids=job.photo_ids,
        )
        await say(connection, event, about=job.id)
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
    await failpoints.reach("mid_cancel")
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
    ended = await move(
        connection,
        job_id,
        to=to,
        among=among,
        finished_at=sa.func.clock_timestamp(),
        problem_code=code,
        problem_detail=detail,
        **changes,
    )
    if ended and ended.batch_id:
        await progress.job_ended(connection, ended)
    return ended


async def _queue_usable(
    connection: Connection, wanted: Sequence[Job], *, prepared: set[UUID]
) -> Sequence[Job]:
    if not wanted:
        return ()
    service = await accounts.service_of(connection, wanted[0].account_id)
    ready = [job.id for job in wanted if prepared.issuperset(job.photo_ids)]
    queued = await connection.execute(
        jobs.update()
        .where(jobs.c.id.in_([job.id for job in wanted]), jobs.c.state == "PENDING_HOLD")
        .values(
            state="QUEUED",
            version=jobs.c.version + 1,
            queued_at=sa.func.clock_timestamp(),
            ready_at=sa.case((jobs.c.id.in_(ready), sa.func.clock_timestamp())),
            tier=service.tier,
            short_side_max=service.short_side_max,
        )
        .returning(jobs)
    )
    found: Sequence[Job] = queued.all()
    return found


def _in_state(states: dict[UUID, str], wanted: str) -> set[UUID]:
    return {photo_id for photo_id, state in states.items() if state == wanted}


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
    return {
        "job_id": job.id,
        "account_id": job.account_id,
        "version": job.version,
        "batch_id": job.batch_id,
    }
