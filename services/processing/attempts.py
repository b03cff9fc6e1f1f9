"""An attempt's life: one run on the GPU, and what follows when it fails.

    RELEASED ──▶ SUBMITTING ──▶ RUNNING ──▶ FINISHED ──▶ QC_FAILED
        ▲────────────┘ nothing was sent      │
                          FAILED | LOST ◀────┘ (from any state that takes a slot)

SUBMITTING is committed before the call, so that after a crash we know that RunPod may have it.
An attempt that ends badly leads its job back into the line, or to its end.
"""

import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Row

from contracts.processing.v1 import CheckResult, JobStarted, StartAttempt
from services.kit import failpoints, outbox, telemetry
from services.kit.db import Connection
from services.kit.outbox import order
from services.processing import costs, jobs
from services.processing.kinds import KINDS
from services.processing.models import ON_GPU, attempts
from services.processing.outcomes import Fault, WorkerOutput

ATTEMPTS_MAX = 3
TIMED_OUT_MAX = 2
SEED_STEP, SEEDS = 7_919, 2**31

SUBMITTED_WITHIN = timedelta(minutes=10)
QUEUED_AT_RUNPOD_WITHIN = timedelta(minutes=10)
COLD_START_WITHIN = timedelta(minutes=10)
"""An endpoint without a worker gets this much longer: a large model has to be loaded first."""

ANSWERED_WITHIN = timedelta(seconds=30)
"""Longer than a submit can take: after it, whoever was submitting is dead."""

UNCLEAR_LOOK_AGAIN = timedelta(seconds=15)
FIRST_POLL = timedelta(seconds=1)

FINAL: dict[Fault, tuple[str, str]] = {
    "input": ("photo-not-workable", "This photo could not be worked on."),
    "bad-request": ("internal", "Something broke on our side; it is logged."),
}
"""Faults that another attempt would meet again, and what the customer is told."""

EXHAUSTED: dict[Fault, tuple[str, str]] = {
    "quality": ("quality", "We could not make a result that is good enough."),
    "timed-out": ("timed-out", "The work took longer than it may."),
}
ELSEWHERE: tuple[Fault, ...] = ("oom", "quality")
"""Faults that another endpoint, with other machines, may not have."""

GPU_TROUBLE = ("gpu-failed", "The machines that do the work failed several times.")

Attempt = Row[Any]

_BEGIN_SUBMIT = sa.text(
    """
    with begun as (
        update attempts set state = 'SUBMITTING', polls = 0,
            next_poll_at = now() + cast(:answered_within as interval),
            deadline = now() + cast(:queued_within as interval)
                + make_interval(secs => runs_at_most_s),
            (master_key, master_width, master_height) = (
                select master_key, width, height
                from jobs join preparations on photo_id = photo_ids[1] where jobs.id = job_id)
        where id = any(:attempt_ids) and state = 'RELEASED'
            and exists (select from jobs where jobs.id = job_id and jobs.state = 'RUNNING')
            and not exists (select from endpoints
                where endpoints.id = endpoint and paused_at is not null)
        returning *
    )
    select begun.*, clock_timestamp() as now, jobs.kind, jobs.note, array(
        select master_key from unnest(jobs.photo_ids) with ordinality photo(photo_id, place)
        join preparations using (photo_id) order by place
    ) as master_keys
    from begun join jobs on jobs.id = begun.job_id
    """
)
# A webhook may have been faster than we are: then it is looked at now.
_SUBMITTED = sa.text(
    """
    update attempts set state = 'RUNNING', runpod_job_id = told.runpod_job_id,
        submitted_at = now(),
        next_poll_at = case when hint_at is null then now() + told.pause else now() end
    from unnest(cast(:attempt_ids as uuid[]), cast(:runpod_job_ids as text[]),
        cast(:pauses as interval[])) told(id, runpod_job_id, pause)
    where attempts.id = told.id and state = 'SUBMITTING'
    returning job_id, number
    """
)
_FINISH = sa.text(
    """
    update attempts set state = 'FINISHED', finished_at = now(),
        gpu_seconds = told.gpu_seconds, output = cast(told.output as jsonb)
    from unnest(cast(:attempt_ids as uuid[]), cast(:gpu_seconds as float8[]),
        cast(:outputs as text[])) told(id, gpu_seconds, output)
    where attempts.id = told.id and state in ('RELEASED', 'SUBMITTING', 'RUNNING')
    returning attempts.*
    """
).columns(*attempts.columns)


def runs_at_most_s(kind: str, number: int) -> int:
    """How long an attempt may run. A second one may be slow for the same reason as the first."""
    return int(KINDS[kind].runs_at_most.total_seconds()) * min(number, 2)


def signature(secret: str, attempt_id: UUID) -> str:
    """What proves that a webhook's address came from us."""
    return hmac.new(secret.encode(), str(attempt_id).encode(), hashlib.sha256).hexdigest()


async def order_submit(
    connection: Connection, *, attempt_id: UUID, job_id: UUID, tier: Any
) -> None:
    """Have an attempt that was released handed to its endpoint."""
    command = StartAttempt(attempt_id=attempt_id, job_id=job_id, tier=tier)
    await order(connection, command, about=job_id, queue=f"rk.processing.attempts.{tier}")


async def release_again(connection: Connection, attempt: Attempt) -> None:
    """Order the submit of an attempt that RunPod could not take before."""
    again = await _move(
        connection, attempt.id, to="RELEASED", among=("RELEASED",), next_poll_at=attempt.deadline
    )
    if again:
        await order_submit(
            connection, attempt_id=attempt.id, job_id=attempt.job_id, tier=attempt.tier
        )


async def wait_for_endpoint(connection: Connection, attempt: Attempt, after: timedelta) -> None:
    """Its endpoint is paused and there is no other: look again, and lose no time for that."""
    await _move(
        connection,
        attempt.id,
        to="RELEASED",
        among=("RELEASED",),
        next_poll_at=sa.func.now() + after,
        deadline=sa.func.now() + SUBMITTED_WITHIN,
    )


async def change_endpoint(connection: Connection, attempt: Attempt, endpoint: str) -> None:
    """Its endpoint is paused: submit it to another one."""
    moved = await _move(
        connection,
        attempt.id,
        to="RELEASED",
        among=("RELEASED",),
        endpoint=endpoint,
        next_poll_at=sa.func.now() + SUBMITTED_WITHIN,
        deadline=sa.func.now() + SUBMITTED_WITHIN,
    )
    if moved:
        await order_submit(
            connection, attempt_id=attempt.id, job_id=attempt.job_id, tier=attempt.tier
        )


async def begin_submit(connection: Connection, attempt_ids: Collection[UUID]) -> Sequence[Attempt]:
    """Commit to submits; each with what its run is given.

    Left out is what somebody committed to already, whose job ended, or whose endpoint is paused.
    """
    wanted = {
        "attempt_ids": list(attempt_ids),
        "answered_within": ANSWERED_WITHIN,
        "queued_within": QUEUED_AT_RUNPOD_WITHIN,
    }
    return (await connection.execute(_BEGIN_SUBMIT, wanted)).all()


async def submitted(connection: Connection, taken: Sequence[tuple[Attempt, str]]) -> None:
    """RunPod has these, each under its own id."""
    jobs_ = await jobs.lock(connection, [attempt.job_id for attempt, _ in taken])
    told = {
        "attempt_ids": [attempt.id for attempt, _ in taken],
        "runpod_job_ids": [runpod_job_id for _, runpod_job_id in taken],
        # The run of a job that was cancelled meanwhile is to be cancelled at once.
        "pauses": [
            FIRST_POLL if jobs_[attempt.job_id] == "RUNNING" else timedelta(0)
            for attempt, _ in taken
        ],
    }
    running = {row.job_id: row for row in await connection.execute(_SUBMITTED, told)}
    said = [
        outbox.event(
            JobStarted(
                job_id=job.id,
                account_id=job.account_id,
                version=job.version,
                attempt=running[job.id].number,
            ),
            about=job.id,
            cause=telemetry.Cause(correlation_id=job.id),
        )
        for job in await jobs.move_all(connection, list(running), to="RUNNING", among="RUNNING")
    ]
    await outbox.write(connection, said)


async def not_sent(connection: Connection, attempt_id: UUID, *, again_after_s: float) -> None:
    """RunPod did not get it: safe to submit again, after a pause."""
    await _move(
        connection,
        attempt_id,
        to="RELEASED",
        among=("SUBMITTING",),
        next_poll_at=sa.func.now() + timedelta(seconds=again_after_s),
    )


async def poll_at(connection: Connection, attempt_id: UUID, after: timedelta) -> None:
    """Look at this attempt next after a pause."""
    await connection.execute(
        attempts.update()
        .where(attempts.c.id == attempt_id, attempts.c.state.in_(ON_GPU))
        .values(next_poll_at=sa.func.now() + after)
    )


@dataclass(frozen=True, slots=True)
class Run:
    """A run whose result is stored: what its worker said of it, and how long it took.

    Without either, the stored file is all there is to tell of it.
    """

    attempt: Attempt
    output: WorkerOutput | None
    gpu_seconds: float | None


async def finish(connection: Connection, runs: Sequence[Run]) -> set[UUID]:
    """Have these results checked; the attempts whose result nobody wants any more."""
    by_id = {run.attempt.id: run for run in runs}
    await jobs.lock(connection, [run.attempt.job_id for run in runs])
    told = {
        "attempt_ids": list(by_id),
        "gpu_seconds": [run.gpu_seconds for run in by_id.values()],
        "outputs": [run.output.model_dump_json() if run.output else None for run in by_id.values()],
    }
    finished = (await connection.execute(_FINISH, told)).all()
    await failpoints.reach("mid_finish")
    of_job = {attempt.job_id: attempt for attempt in finished}
    said: list[outbox.Said] = []
    for job in await jobs.move_all(connection, list(of_job), to="CHECKING", among="RUNNING"):
        attempt = of_job.pop(job.id)
        command = CheckResult(attempt_id=attempt.id, job_id=job.id, tier=attempt.tier)
        queue, cause = f"rk.processing.checks.{attempt.tier}", telemetry.Cause(job.id)
        said.append(outbox.event(jobs.checking(job), about=job.id, cause=cause))
        said.append(outbox.command(command, about=job.id, queue=queue, cause=cause))
    await outbox.write(connection, said)
    outputs = [(attempt, by_id[attempt.id].output) for attempt in finished]
    await costs.settle(
        connection, [(attempt, output.gpu if output else None) for attempt, output in outputs]
    )
    return {attempt.id for attempt in of_job.values()}


async def fail(
    connection: Connection,
    attempt: Attempt,
    fault: Fault,
    detail: str,
    *,
    gpu_seconds: float | None = None,
) -> None:
    """The attempt ended without a result, or with one that may not be shown."""
    await jobs.lock(connection, [attempt.job_id])
    changes: dict[str, Any] = {} if gpu_seconds is None else {"gpu_seconds": gpu_seconds}
    failed = await _move(
        connection,
        attempt.id,
        to={"lost": "LOST", "quality": "QC_FAILED"}.get(fault, "FAILED"),
        among=("FINISHED",) if fault == "quality" else ON_GPU,
        finished_at=sa.func.now(),
        error=f"{fault}: {detail}",
        **changes,
    )
    if not failed:
        return
    await failpoints.reach("mid_attempt_failure")
    if await _is_worth_another(connection, failed, fault):
        avoid = attempt.endpoint if fault in ELSEWHERE else None
        await jobs.try_again(connection, attempt.job_id, avoid_endpoint=avoid)
    else:
        code, said = FINAL.get(fault) or EXHAUSTED.get(fault, GPU_TROUBLE)
        await jobs.fail(
            connection, attempt.job_id, code=code, detail=said, among=("RUNNING", "CHECKING")
        )
    if fault != "quality":  # one that failed its check was settled when it finished
        await costs.settle(connection, [(failed, None)])


async def _is_worth_another(connection: Connection, attempt: Attempt, fault: Fault) -> bool:
    if fault in FINAL or attempt.number >= ATTEMPTS_MAX:
        return False
    if fault != "timed-out":
        return True
    timed_out = await connection.execute(
        sa.select(sa.func.count()).where(
            attempts.c.job_id == attempt.job_id, attempts.c.error.startswith("timed-out:")
        )
    )
    return int(timed_out.scalar_one()) < TIMED_OUT_MAX


async def _move(
    connection: Connection, attempt_id: UUID, *, to: str, among: Collection[str], **changes: Any
) -> Attempt | None:
    moved = await connection.execute(
        attempts.update()
        .where(attempts.c.id == attempt_id, attempts.c.state.in_(among))
        .values(state=to, **changes)
        .returning(attempts)
    )
    attempt: Attempt | None = moved.one_or_none()
    return attempt
