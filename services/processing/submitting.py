"""Handing an attempt to RunPod: signed addresses in, an id out, and never twice by accident."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import failpoints
from services.kit.storage import Storage
from services.processing import attempts, endpoints, preparation
from services.processing.endpoints import Breaker
from services.processing.models import jobs as jobs_table
from services.processing.preparation import Transaction
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
ADDRESS_LASTS_LONGER_S = 600
"""A signed address is valid for the time in RunPod's queue, the run, and this much more."""

log = structlog.get_logger()


def signature(secret: str, attempt_id: UUID) -> str:
    """What proves that a webhook's address came from us."""
    return hmac.new(secret.encode(), str(attempt_id).encode(), hashlib.sha256).hexdigest()


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
        self._webhook_base, self._webhook_secret = webhook_base.rstrip("/"), webhook_secret

    async def submit(self, attempt_id: UUID, transaction: Transaction) -> None:
        """Submit a released attempt, and write down what RunPod said."""
        # Signed before the commitment, so that there is little time to die in between.
        given = await self._input(attempt_id)
        async with self._engine.begin() as connection:
            attempt = await attempts.begin_submit(connection, attempt_id)
        if attempt is None:
            # Submitted before, not wanted any more, or its endpoint is paused. If somebody died
            # while submitting, the poller finds out what became of it.
            async with transaction():
                return
        policy = Policy(
            execution_timeout_s=attempt.runs_at_most_s,
            ttl_s=_lasts_s(attempt),
            # Free work never makes RunPod start another machine.
            is_low_priority=attempt.tier == "standard",
        )
        breaker = self._breakers[attempt.endpoint]
        await failpoints.reach("before_runpod_submit")
        try:
            runpod_job_id = await self._runpods[attempt.endpoint].run(
                given, webhook=self._webhook(attempt_id), policy=policy
            )
        except BadRequest as error:
            log.error("submit.refused", attempt_id=str(attempt_id), error=str(error))  # noqa: TRY400
            async with transaction() as connection:
                await attempts.fail(connection, attempt, "bad-request", str(error))
        except Unreachable as error:
            log.warning("submit.not_sent", attempt_id=str(attempt_id), error=repr(error))
            async with transaction() as connection:
                await attempts.not_sent(connection, attempt_id, again_after_s=_pause_s(error))
                if breaker.trips(error):
                    await endpoints.pause(connection, attempt.endpoint, str(error))
        except Ambiguous as error:
            log.warning("submit.unclear", attempt_id=str(attempt_id), error=repr(error))
            async with transaction() as connection:
                await attempts.poll_at(connection, attempt_id, attempts.UNCLEAR_LOOK_AGAIN)
                if breaker.trips(error):
                    await endpoints.pause(connection, attempt.endpoint, str(error))
        else:
            breaker.succeed()
            await failpoints.reach("after_runpod_submit_before_save")
            async with transaction() as connection:
                await attempts.submitted(connection, attempt, runpod_job_id)

    async def _input(self, attempt_id: UUID) -> dict[str, Any]:
        async with self._engine.connect() as connection:
            attempt = await attempts.find(connection, attempt_id)
            query = sa.select(jobs_table).where(jobs_table.c.id == attempt.job_id)
            job = (await connection.execute(query)).one()
            photos = await preparation.photos_of(connection, job.photo_ids)
        expires_s = _lasts_s(attempt) + ADDRESS_LASTS_LONGER_S
        images = [
            {"url": await self._storage.sign_get(photo.master_key, expires_s=expires_s)}
            for photo in photos
        ]
        put = await self._storage.sign_put(
            attempt.result_key, media_type=RESULT_MEDIA_TYPE, expires_s=expires_s
        )
        return {
            "attempt_id": str(attempt.id),
            "task": job.kind,
            "images": images,
            "output": {
                "url": put,
                "headers": {"Content-Type": RESULT_MEDIA_TYPE, "If-None-Match": "*"},
            },
            "options": {
                "seed": attempt.seed,
                "note": job.note,
                "short_side_max": attempt.short_side_max,
            },
        }

    def _webhook(self, attempt_id: UUID) -> str:
        proof = signature(self._webhook_secret, attempt_id)
        return f"{self._webhook_base}/hooks/runpod/{attempt_id}?sig={proof}"


def _lasts_s(attempt: attempts.Attempt) -> int:
    """How long RunPod may keep an attempt: waiting, starting a worker, running."""
    waits = attempts.QUEUED_AT_RUNPOD_WITHIN + attempts.COLD_START_WITHIN
    return int(attempt.runs_at_most_s) + int(waits.total_seconds())


def _pause_s(error: Unreachable) -> float:
    if isinstance(error, RateLimited):
        return error.retry_after_s
    return AGAIN_AFTER_UNAUTHORIZED_S if isinstance(error, Unauthorized) else AGAIN_AFTER_S
