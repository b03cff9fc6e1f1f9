"""Handing an attempt to RunPod: signed addresses in, an id out, and never twice by accident.

The commitment before the call and the record after it are written for all attempts that are
submitted at the same time; the calls themselves run side by side.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import failpoints, inbox
from services.kit.coalescing import Coalesced
from services.kit.inbox import Delivery
from services.kit.storage import Storage
from services.processing import attempts, endpoints
from services.processing.attempts import Attempt
from services.processing.endpoints import Breaker
from services.processing.runpod import (
    Ambiguous,
    BadRequest,
    Policy,
    RateLimited,
    RunPod,
    Unauthorized,
    Unreachable,
)

RESULT_MEDIA_TYPE = "image/png"
AGAIN_AFTER_S, AGAIN_AFTER_UNAUTHORIZED_S = 2.0, 30.0
COLD_KNOWN_FOR_S, COLD_TOLD_WITHIN_S = 5.0, 3.0
ADDRESS_LASTS_LONGER_S = 600
"""A signed address is valid for the time in RunPod's queue, the run, and this much more."""

CLOCKS_APART_MAX = timedelta(minutes=1)
TOGETHER_MAX = 50

log = structlog.get_logger()


class ClockOff(OSError):  # noqa: N818  # a state of this machine, which passes
    """The machine and the database disagree on what time it is; another machine may submit."""


class Submitter:
    """Submits each attempt to its endpoint."""

    def __init__(
        self,
        engine: AsyncEngine,
        storage: Storage,
        runpods: Mapping[str, RunPod],
        *,
        webhook_base: str,
        webhook_secret: str,
    ) -> None:
        self._engine, self._storage, self._runpods = engine, storage, runpods
        self._breakers = {endpoint: Breaker() for endpoint in runpods}
        self._cold: dict[str, tuple[float, bool]] = {}
        self._webhook_base, self._webhook_secret = webhook_base.rstrip("/"), webhook_secret
        self._begin = Coalesced(self._begin_together, size_max=TOGETHER_MAX)
        self._record = Coalesced(self._record_together, size_max=TOGETHER_MAX)

    async def submit(self, attempt_id: UUID, delivery: Delivery) -> None:
        """Submit a released attempt, and write down what RunPod said."""
        attempt = await self._begin(attempt_id)
        if attempt is None:
            # Submitted before, not wanted any more, or its endpoint is paused. If somebody died
            # while submitting, the poller finds out what became of it.
            async with delivery.transaction():
                return
        breaker = self._breakers[attempt.endpoint]
        await failpoints.reach("before_runpod_submit")
        try:
            runpod_job_id = await self._run(attempt)
        except BadRequest as error:
            log.error("submit.refused", attempt_id=str(attempt_id), error=str(error))  # noqa: TRY400
            async with delivery.transaction() as connection:
                await attempts.fail(connection, attempt, "bad-request", str(error))
        except Unreachable as error:
            log.warning("submit.not_sent", attempt_id=str(attempt_id), error=repr(error))
            async with delivery.transaction() as connection:
                await attempts.not_sent(connection, attempt_id, again_after_s=_pause_s(error))
                if breaker.trips(error):
                    await endpoints.pause(connection, attempt.endpoint, str(error))
        except Ambiguous as error:
            log.warning("submit.unclear", attempt_id=str(attempt_id), error=repr(error))
            async with delivery.transaction() as connection:
                await attempts.poll_at(connection, attempt_id, attempts.UNCLEAR_LOOK_AGAIN)
                if breaker.trips(error):
                    await endpoints.pause(connection, attempt.endpoint, str(error))
        else:
            breaker.succeed()
            await failpoints.reach("after_runpod_submit_before_save")
            await self._record((delivery, attempt, runpod_job_id))

    async def _begin_together(self, attempt_ids: Sequence[UUID]) -> list[Attempt | None]:
        async with self._engine.begin() as connection:
            begun = await attempts.begin_submit(connection, set(attempt_ids))
            if begun and abs(datetime.now(UTC) - begun[0].now) > CLOCKS_APART_MAX:
                # The addresses might be late already: every attempt would be for nothing.
                raise ClockOff
        # One that was asked for twice at once is submitted once.
        by_id = {attempt.id: attempt for attempt in begun}
        return [by_id.pop(attempt_id, None) for attempt_id in attempt_ids]

    async def _run(self, attempt: Attempt) -> str:
        # Free work makes RunPod start no further machine. But the first one: else nobody would.
        is_low_priority = attempt.tier == "standard" and not await self._is_cold(attempt.endpoint)
        policy = Policy(
            execution_timeout_s=attempt.runs_at_most_s,
            ttl_s=_lasts_s(attempt),
            is_low_priority=is_low_priority,
        )
        runpod = self._runpods[attempt.endpoint]
        given = self._input(attempt)
        return await runpod.run(given, webhook=self._webhook(attempt.id), policy=policy)

    async def _record_together(
        self, taken: Sequence[tuple[Delivery, Attempt, str]]
    ) -> Sequence[None]:
        async with self._engine.begin() as connection:
            await inbox.claim(connection, {delivery.claim for delivery, _, _ in taken})
            await attempts.submitted(connection, [(attempt, id_) for _, attempt, id_ in taken])
        return [None] * len(taken)

    def _input(self, attempt: Attempt) -> dict[str, Any]:
        expires_s = _lasts_s(attempt) + ADDRESS_LASTS_LONGER_S
        images = [
            {"url": self._storage.sign_get(key, expires_s=expires_s)} for key in attempt.master_keys
        ]
        put = self._storage.sign_put(
            attempt.result_key, media_type=RESULT_MEDIA_TYPE, expires_s=expires_s
        )
        return {
            "attempt_id": str(attempt.id),
            "task": attempt.kind,
            "images": images,
            "output": {
                "url": put,
                "headers": {"Content-Type": RESULT_MEDIA_TYPE, "If-None-Match": "*"},
            },
            "options": {
                "seed": attempt.seed,
                "note": attempt.note,
                "short_side_max": attempt.short_side_max,
            },
        }

    async def _is_cold(self, endpoint: str) -> bool:
        known_until, is_cold = self._cold.get(endpoint, (0.0, False))
        now = time.monotonic()
        if now >= known_until:
            # The submit is committed to: whoever waits for it must not take us for dead.
            with suppress(TimeoutError):
                async with asyncio.timeout(COLD_TOLD_WITHIN_S):
                    is_cold = await self._runpods[endpoint].is_cold()
            self._cold[endpoint] = now + COLD_KNOWN_FOR_S, is_cold
        return is_cold

    def _webhook(self, attempt_id: UUID) -> str:
        proof = attempts.signature(self._webhook_secret, attempt_id)
        return f"{self._webhook_base}/hooks/runpod/{attempt_id}?sig={proof}"


def _lasts_s(attempt: Attempt) -> int:
    """How long RunPod may keep an attempt: waiting, starting a worker, running."""
    waits = attempts.QUEUED_AT_RUNPOD_WITHIN + attempts.COLD_START_WITHIN
    return int(attempt.runs_at_most_s) + int(waits.total_seconds())


def _pause_s(error: Unreachable) -> float:
    if isinstance(error, RateLimited):
        return error.retry_after_s
    return AGAIN_AFTER_UNAUTHORIZED_S if isinstance(error, Unauthorized) else AGAIN_AFTER_S
