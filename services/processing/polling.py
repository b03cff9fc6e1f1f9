"""Following attempts to their end. Webhooks are hints that make one due; `/status` is the truth.

Every attempt that takes a slot has a time at which it is looked at next and a deadline. Looking
takes a short lease first, so a second poller, or one that dies in the middle, does no harm. RunPod
forgets a result after 30 minutes; the longest pause here is 30 seconds.
"""

import asyncio
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import failpoints, telemetry
from services.kit.coalescing import Coalesced
from services.kit.db import Connection
from services.kit.storage import NoSuchObject, Storage
from services.processing import attempts, endpoints
from services.processing.attempts import Run
from services.processing.outcomes import Failed, Finished, outcome_of
from services.processing.runpod import Gone, RunPod, RunPodError, Unauthorized

BATCH = 50
LEASE = timedelta(seconds=20)
PAUSES_S = (1, 1, 2, 3, 5, 8, 13, 20, 30)

log = structlog.get_logger()

_TAKE_DUE = text(
    """
    with due as (
        select id from attempts
        where state in ('RELEASED', 'SUBMITTING', 'RUNNING') and next_poll_at <= now()
            and (endpoint = :endpoint or endpoint <> all(:known))
        order by next_poll_at limit :batch for update skip locked
    )
    update attempts set next_poll_at = now() + :lease, polls = polls + 1
    from due, jobs
    where attempts.id = due.id and jobs.id = attempts.job_id
    returning attempts.*, attempts.deadline < now() as is_late,
        attempts.deadline + cast(:cold_start_within as interval) < now() as is_late_even_if_cold,
        jobs.state <> 'RUNNING' as is_unwanted
    """
)
Due = Row[Any]


class Poller:
    """Looks at the attempts of one endpoint that are due, and at those of endpoints given up."""

    def __init__(
        self, engine: AsyncEngine, runpod: RunPod, storage: Storage, *, known: Collection[str] = ()
    ) -> None:
        self._engine, self._runpod, self._storage = engine, runpod, storage
        self._known = list({runpod.endpoint_id, *known})
        self._finished = Coalesced(self._finish_together, size_max=BATCH)

    async def look(self) -> int:
        """Look once at everything that is due, up to a batch; how many that were."""
        async with self._engine.begin() as connection:
            batch = {
                "batch": BATCH,
                "lease": LEASE,
                "endpoint": self._runpod.endpoint_id,
                "known": self._known,
                "cold_start_within": attempts.COLD_START_WITHIN,
            }
            due = (await connection.execute(_TAKE_DUE, batch)).all()
        if due:
            await failpoints.reach("after_poll_lease")
        await asyncio.gather(*(self._follow_safely(attempt) for attempt in due))
        return len(due)

    async def _follow_safely(self, attempt: Due) -> None:
        cause = telemetry.Cause(correlation_id=attempt.job_id)
        with telemetry.caused_by(cause, doing="follow attempt"):
            try:
                await self._follow(attempt)
            except Exception:
                # One attempt's trouble is not another's; the lease brings this one back.
                log.exception("attempt.not_followed", attempt_id=str(attempt.id))

    async def _follow(self, attempt: Due) -> None:
        if attempt.state == "RELEASED":
            await self._follow_released(attempt)
        elif attempt.endpoint != self._runpod.endpoint_id:
            # Its endpoint is not among the settings any more: only its result can tell.
            await self._look_for_result(attempt, is_over=attempt.is_late)
        elif attempt.runpod_job_id is None:
            await self._find_unclear(attempt)
        else:
            await self._ask(attempt)

    async def _follow_released(self, attempt: Due) -> None:
        async with self._engine.begin() as connection:
            if attempt.is_unwanted:
                await attempts.fail(connection, attempt, "cancelled", "the job has ended")
            elif await self._is_closed(connection, attempt):
                if other := await endpoints.elsewhere(connection, attempt.endpoint):
                    await attempts.change_endpoint(connection, attempt, other)
                else:
                    await attempts.wait_for_endpoint(connection, attempt, endpoints.PROBE_EVERY)
            elif attempt.is_late:
                await attempts.fail(connection, attempt, "lost", "it could not be submitted")
            else:
                await attempts.release_again(connection, attempt)

    async def _is_closed(self, connection: Connection, attempt: Due) -> bool:
        return attempt.endpoint not in self._known or await endpoints.is_paused(
            connection, attempt.endpoint
        )

    async def _ask(self, attempt: Due) -> None:
        if attempt.is_unwanted:
            await self._cancel(attempt)
        try:
            status = await self._runpod.status(attempt.runpod_job_id)
        except Gone:
            await self._look_for_result(attempt)
            return
        except RunPodError as error:
            log.warning("status.unknown", attempt_id=str(attempt.id), error=repr(error))
            if isinstance(error, Unauthorized):
                async with self._engine.begin() as connection:
                    await endpoints.pause(connection, attempt.endpoint, str(error))
            await self._wait_or_lose(attempt)
            return
        match outcome_of(status, attempt.id):
            case Finished(output, gpu_seconds):
                await self._finish(attempt, output, gpu_seconds)
            case Failed(fault, detail, gpu_seconds):
                async with self._engine.begin() as connection:
                    await attempts.fail(connection, attempt, fault, detail, gpu_seconds=gpu_seconds)
            case _ if (
                attempt.is_late and status.status == "IN_QUEUE" and await self._runpod.is_cold()
            ):
                await self._wait_for_worker(attempt)
            case _:
                await self._wait_or_lose(attempt)

    async def _find_unclear(self, attempt: Due) -> None:
        """A submit without an answer: RunPod has it and we lack its id, or it never arrived.

        An endpoint that has nothing to do does not have it, or has finished it.
        """
        try:
            is_over = (await self._runpod.health()).has_nothing_to_do
        except RunPodError:
            is_over = False
        await self._look_for_result(attempt, is_over=is_over or attempt.is_late)

    async def _look_for_result(
        self, attempt: Due, *, is_over: bool = True, why: str = "RunPod does not know it"
    ) -> None:
        """RunPod cannot tell: the stored result, or its absence, does."""
        try:
            await self._storage.size(attempt.result_key)
        except NoSuchObject:
            async with self._engine.begin() as connection:
                if is_over:
                    await attempts.fail(connection, attempt, "lost", why)
                else:
                    await attempts.poll_at(connection, attempt.id, attempts.UNCLEAR_LOOK_AGAIN)
        else:
            await self._finish(attempt, None, None)

    async def _finish(self, attempt: Due, output: Any, gpu_seconds: float | None) -> None:
        await failpoints.reach("after_result_put_before_row")
        if not await self._finished(Run(attempt, output, gpu_seconds)):
            await self._storage.delete(attempt.result_key)

    async def _finish_together(self, runs: Sequence[Run]) -> list[bool]:
        """Have the results of all these runs checked; which of them are wanted."""
        async with self._engine.begin() as connection:
            unwanted = await attempts.finish(connection, runs)
        return [run.attempt.id not in unwanted for run in runs]

    async def _wait_for_worker(self, attempt: Due) -> None:
        """It waits for the endpoint's first worker: let it, for a bounded time beyond its own."""
        if attempt.is_late_even_if_cold:
            await self._wait_or_lose(attempt)
            return
        async with self._engine.begin() as connection:
            await attempts.poll_at(connection, attempt.id, timedelta(seconds=PAUSES_S[-1]))

    async def _wait_or_lose(self, attempt: Due) -> None:
        if attempt.is_late:
            await self._cancel(attempt)
            # RunPod may be away, or may show a run as going on that has stored its result long ago.
            await self._look_for_result(attempt, why="no end within its deadline")
            return
        pause_s = PAUSES_S[min(attempt.polls, len(PAUSES_S)) - 1]
        async with self._engine.begin() as connection:
            await attempts.poll_at(connection, attempt.id, timedelta(seconds=pause_s))

    async def _cancel(self, attempt: Due) -> None:
        """Ask RunPod to stop; whether it did, the status tells."""
        try:
            await self._runpod.cancel(attempt.runpod_job_id)
        except RunPodError as error:
            log.warning("cancel.failed", attempt_id=str(attempt.id), error=repr(error))
