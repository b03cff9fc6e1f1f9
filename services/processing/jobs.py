"""A job's life. Every way through it ends in a terminal state and says so, once.

    PENDING_HOLD ──hold placed──▶ QUEUED ──▶ RUNNING ──▶ CHECKING ──▶ COMPLETED
         │                          ▲  │         │           │
         ▼                          └──┼─────────┴───────────┘ another attempt
      REJECTED                         ▼
                           FAILED | CANCELLED (from any state but the terminal ones)

Credits closes the hold when it hears the last event. Nothing here commits: the caller owns the
transaction.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
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
from services.kit import failpoints, outbox, telemetry
from services.kit.db import Connection
from services.kit.outbox import say
from services.kit.problems import NotFound
from services.processing import accounts, progress
from services.processing.errors import JobEnded
from services.processing.models import ON_GPU, UNDONE, attempts, jobs, preparations

Job = Row[Any]
UNUSABLE = ("unusable", "deleted")
UNUSABLE_DETAIL = "The photo cannot be used."
Rejection = Literal["insufficient-credits", "photo-unusable", "abandoned"]

# Shared locks: a photo that is being prepared right now must see these jobs, or be seen here, and
# so must a change of plan.
_QUEUE = sa.text(
    """
    with photos as (
        select photo_id, state from preparations where photo_id = any(:photo_ids)
        order by photo_id for share
    ), account as (
        select tier, short_side_max from accounts where account_id = :account_id for share
    ), plan as (
        select coalesce(max(tier), 'standard') as tier,
            coalesce(max(short_side_max), :standard_side_max) as short_side_max
        from account
    )
    update jobs set state = 'QUEUED', version = version + 1, queued_at = clock_timestamp(),
        ready_at = case when cardinality(photo_ids) = (select count(*) from photos
            where photo_id = any(photo_ids) and photos.state = 'prepared')
            then clock_timestamp() end,
        tier = plan.tier, short_side_max = plan.short_side_max
    from plan
    where id = any(:job_ids) and jobs.state = 'PENDING_HOLD' and not exists (
        select from photos
        where photo_id = any(photo_ids) and photos.state in ('unusable', 'deleted'))
    returning jobs.*
    """
).columns(*jobs.columns)
_LOCK = sa.text("select id, state from jobs where id = any(:job_ids) order by id for update")
_MOVE_ALL = sa.text(
    "update jobs set state = :to, version = version + 1"
    " where id = any(:job_ids) and state = :among returning *"
).columns(*jobs.columns)
_COMPLETE = sa.text(
    """
    update jobs set state = 'COMPLETED', version = version + 1, finished_at = clock_timestamp(),
        problem_code = null, problem_detail = null,
        result_key = told.key, result = cast(told.facts as jsonb)
    from unnest(cast(:job_ids as uuid[]), cast(:keys as text[]), cast(:facts as text[]))
        told(job_id, key, facts)
    where id = told.job_id and state = 'CHECKING'
    returning jobs.*
    """
).columns(*jobs.columns)


async def find(connection: Connection, job_id: UUID, *, account_id: UUID) -> Job:
    """A job of this account; any other is not found."""
    query = sa.select(jobs).where(jobs.c.id == job_id, jobs.c.account_id == account_id)
    if job := (await connection.execute(query)).one_or_none():
        return job
    raise NotFound


async def queue(connection: Connection, pending: Sequence[Job]) -> Sequence[Job]:
    """The credits are held: these jobs of one account wait for their photos and their turn.

    A job whose photo cannot be used is rejected instead.
    """
    if not pending:
        return ()
    wanted = {
        "job_ids": [job.id for job in pending],
        "photo_ids": list({photo_id for job in pending for photo_id in job.photo_ids}),
        "account_id": pending[0].account_id,
        "standard_side_max": accounts.STANDARD.short_side_max,
    }
    queued = (await connection.execute(_QUEUE, wanted)).all()
    said = [
        outbox.event(
            JobQueued(
                **_about(job),
                job_kind=job.kind,
                price=job.price,
                tier=job.tier,
                photo_ids=job.photo_ids,
            ),
            about=job.id,
        )
        for job in queued
    ]
    await outbox.write(connection, said)
    for job_id in set(wanted["job_ids"]) - {job.id for job in queued}:
        if await _has_unusable_photo(connection, job_id):
            await reject(connection, job_id, code="photo-unusable", detail=UNUSABLE_DETAIL)
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


def checking(job: Job) -> JobChecking:
    """What is said when the GPU is done."""
    return JobChecking(**_about(job))


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


@dataclass(frozen=True, slots=True)
class Result:
    """A good result of a job: where it is stored, and what is known of it."""

    job_id: UUID
    key: str
    facts: dict[str, Any]


async def complete(connection: Connection, results: Sequence[Result]) -> set[UUID]:
    """The results are good: customers may see them, and pay. The jobs that were completed by it."""
    by_job = {result.job_id: result for result in results}
    await lock(connection, list(by_job))
    told = {
        "job_ids": list(by_job),
        "keys": [result.key for result in by_job.values()],
        "facts": [json.dumps(result.facts) for result in by_job.values()],
    }
    completed = (await connection.execute(_COMPLETE, told)).all()
    said = [
        outbox.event(_completed(job), about=job.id, cause=telemetry.Cause(job.id))
        for job in completed
    ]
    await outbox.write(connection, said)
    for job in completed:
        if job.batch_id:
            await progress.job_ended(connection, job)
    return {job.id for job in completed}


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
    if not await stop(connection, job_id):
        state = (await _get(connection, job.id)).state
        raise JobEnded(state=state.lower())


async def stop(connection: Connection, job_id: UUID) -> bool:
    """Cancel a job, whoever wishes it; False if it has ended."""
    cancelled = await _end(connection, job_id, to="CANCELLED", among=UNDONE, code=None, detail=None)
    if cancelled is None:
        return False
    await failpoints.reach("mid_cancel")
    await say(connection, JobCancelled(**_about(cancelled)), about=job_id)
    await _stop_attempts(connection, job_id)
    return True


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


async def hold_back(connection: Connection, photo_id: UUID) -> None:
    """A photo is being prepared again: jobs that wait in line with it wait for that."""
    await connection.execute(
        sa.text(
            "update jobs set ready_at = null where state = 'QUEUED' and ready_at is not null"
            " and photo_ids @> array[cast(:photo_id as uuid)]"
        ),
        {"photo_id": photo_id},
    )


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


async def move_all(
    connection: Connection, job_ids: Sequence[UUID], *, to: str, among: str
) -> Sequence[Job]:
    """Change the state of jobs that are `among`; those that were."""
    wanted = {"job_ids": job_ids, "to": to, "among": among}
    return (await connection.execute(_MOVE_ALL, wanted)).all()


async def lock(connection: Connection, job_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Take jobs before their attempts, as everybody does: else two could wait for each other.

    What state each is in, as long as this transaction lasts.
    """
    return {row.id: row.state for row in await connection.execute(_LOCK, {"job_ids": job_ids})}


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


async def _has_unusable_photo(connection: Connection, job_id: UUID) -> bool:
    unusable = sa.select(preparations.c.photo_id).where(
        preparations.c.photo_id == sa.any_(jobs.c.photo_ids), preparations.c.state.in_(UNUSABLE)
    )
    found = sa.select(jobs.c.id).where(jobs.c.id == job_id, unusable.exists())
    return (await connection.execute(found)).one_or_none() is not None


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


def _completed(job: Job) -> JobCompleted:
    facts = job.result
    return JobCompleted(
        **_about(job),
        job_kind=job.kind,
        price=job.price,
        result_key=job.result_key,
        sha256=facts["sha256"],
        width=facts["width"],
        height=facts["height"],
        engine=facts["engine"],
        gpu_seconds=facts["gpu_seconds"],
    )


def _about(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "account_id": job.account_id,
        "version": job.version,
        "batch_id": job.batch_id,
    }
