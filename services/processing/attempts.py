"""An attempt's life: one run on the GPU, and what follows when it fails.

    RELEASED ──▶ SUBMITTING ──▶ RUNNING ──▶ FINISHED ──▶ QC_FAILED
        ▲────────────┘ nothing was sent      │
                          FAILED | LOST ◀────┘ (from any state that takes a slot)

SUBMITTING is committed before the call, so that after a crash we know that RunPod may have it.
An attempt that ends badly leads its job back into the line, or to its end.
"""

from collections.abc import Collection
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Row

from contracts.processing.v1 import CheckResult, JobStarted, StartAttempt
from services.kit import failpoints
from services.kit.db import Connection, uuid7
from services.kit.outbox import order, say
from services.processing import costs, jobs
from services.processing.kinds import KINDS
from services.processing.models import ON_GPU, attempts, endpoints
from services.processing.models import jobs as jobs_table
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


def runs_at_most_s(kind: str, number: int) -> int:
    """How long an attempt may run. A second one may be slow for the same reason as the first."""
    return int(KINDS[kind].runs_at_most.total_seconds()) * min(number, 2)


async def release(
    connection: Connection, job: jobs.Job, *, endpoint: str, cost_day: date, reserved_usd: Decimal
) -> UUID:
    """A job just started: write its next attempt down, and order the submit."""
    attempt_id = uuid7()
    deadline = sa.func.now() + SUBMITTED_WITHIN
    await connection.execute(
        attempts.insert().values(
            id=attempt_id,
            job_id=job.id,
            account_id=job.account_id,
            tier=job.tier,
            number=job.attempts,
            state="RELEASED",
            endpoint=endpoint,
            seed=(job.seed + job.attempts * SEED_STEP) % SEEDS,
            short_side_max=job.short_side_max,
            runs_at_most_s=runs_at_most_s(job.kind, job.attempts),
            cost_day=cost_day,
            reserved_usd=reserved_usd,
            result_key=f"results/{job.account_id}/{job.id}/{attempt_id}.png",
            next_poll_at=deadline,
            deadline=deadline,
        )
    )
    await _order_submit(connection, attempt_id=attempt_id, job_id=job.id, tier=job.tier)
    return attempt_id


async def find(connection: Connection, attempt_id: UUID) -> Attempt:
    """An attempt that must exist."""
    return (await connection.execute(sa.select(attempts).where(attempts.c.id == attempt_id))).one()


async def release_again(connection: Connection, attempt: Attempt) -> None:
    """Order the submit of an attempt that RunPod could not take before."""
    again = await _move(
        connection, attempt.id, to="RELEASED", among=("RELEASED",), next_poll_at=attempt.deadline
    )
    if again:
        await _order_submit(
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
        await _order_submit(
            connection, attempt_id=attempt.id, job_id=attempt.job_id, tier=attempt.tier
        )


async def begin_submit(connection: Connection, attempt_id: UUID) -> Attempt | None:
    """Commit to a submit; None if somebody did already, the job ended or the endpoint is paused."""
    paused = sa.select(endpoints.c.id).where(
        endpoints.c.id == attempts.c.endpoint, endpoints.c.paused_at.is_not(None)
    )
    running = sa.select(jobs_table.c.id).where(
        jobs_table.c.id == attempts.c.job_id, jobs_table.c.state == "RUNNING"
    )
    begun = await connection.execute(
        attempts.update()
        .where(
            attempts.c.id == attempt_id,
            attempts.c.state == "RELEASED",
            running.exists(),
            ~paused.exists(),
        )
        .values(
            state="SUBMITTING",
            next_poll_at=sa.func.now() + ANSWERED_WITHIN,
            deadline=sa.func.now()
            + QUEUED_AT_RUNPOD_WITHIN
            + sa.func.make_interval(0, 0, 0, 0, 0, 0, attempts.c.runs_at_most_s),
            polls=0,
        )
        .returning(attempts)
    )
    attempt: Attempt | None = begun.one_or_none()
    return attempt


async def submitted(connection: Connection, attempt: Attempt, runpod_job_id: str) -> None:
    """RunPod has it."""
    await jobs.lock(connection, attempt.job_id)
    running = await _move(
        connection,
        attempt.id,
        to="RUNNING",
        among=("SUBMITTING",),
        runpod_job_id=runpod_job_id,
        submitted_at=sa.func.now(),
        next_poll_at=sa.func.now() + FIRST_POLL,
    )
    if not running:
        return
    job = await jobs.move(connection, attempt.job_id, to="RUNNING", among=("RUNNING",))
    if job is None:  # cancelled meanwhile: the poller is to cancel the run at once
        await poll_at(connection, attempt.id, timedelta(0))
        return
    event = JobStarted(
        job_id=job.id, account_id=job.account_id, version=job.version, attempt=attempt.number
    )
    await say(connection, event, about=job.id)


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


async def finish(
    connection: Connection, attempt: Attempt, output: WorkerOutput | None, *, gpu_seconds: float
) -> bool:
    """The result is stored: have it checked. False when nobody wants it any more."""
    await jobs.lock(connection, attempt.job_id)
    finished = await _move(
        connection,
        attempt.id,
        to="FINISHED",
        among=ON_GPU,
        finished_at=sa.func.now(),
        gpu_seconds=gpu_seconds,
        output=output.model_dump(mode="json") if output else sa.null(),
    )
    if not finished:
        return True
    await failpoints.reach("mid_finish")
    job = await jobs.begin_check(connection, attempt.job_id)
    if job:
        command = CheckResult(attempt_id=attempt.id, job_id=job.id, tier=attempt.tier)
        await order(connection, command, about=job.id, queue=f"rk.processing.checks.{attempt.tier}")
    await costs.settle(connection, finished, output.gpu if output else None)
    return job is not None


async def fail(
    connection: Connection,
    attempt: Attempt,
    fault: Fault,
    detail: str,
    *,
    gpu_seconds: float | None = None,
) -> None:
    """The attempt ended without a result, or with one that may not be shown."""
    await jobs.lock(connection, attempt.job_id)
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
        await costs.settle(connection, failed, None)


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


async def _order_submit(
    connection: Connection, *, attempt_id: UUID, job_id: UUID, tier: Any
) -> None:
    command = StartAttempt(attempt_id=attempt_id, job_id=job_id, tier=tier)
    await order(connection, command, about=job_id, queue=f"rk.processing.attempts.{tier}")


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
