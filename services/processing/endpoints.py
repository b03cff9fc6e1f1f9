"""GPU endpoints: who leads them, and which of them is paused because it cannot take jobs.

An endpoint is paused when its key or its address is refused, which only an operator can mend, or
when several calls in a row failed. Then nothing is submitted to it: jobs wait, or go to another
endpoint, and none loses an attempt. Its leader asks `/health` until it answers.
"""

import time
from collections import deque
from datetime import timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy import text

from services.kit.db import Connection
from services.processing.models import endpoints
from services.processing.runpod import RateLimited, RunPodError, Unauthorized

PROBE_EVERY = timedelta(seconds=15)
FAILURES_MAX, FAILURES_WITHIN_S = 5, 30.0
LED_WITHIN = timedelta(seconds=15)
"""An endpoint that nobody has led for so long is no other choice."""

log = structlog.get_logger()

_LEAD = text(
    """
    insert into endpoints (id, slots, led_at) values (:endpoint, :slots, now())
    on conflict (id) do update set slots = excluded.slots, led_at = now()
    """
)
_PAUSE = text(
    """
    update endpoints set paused_at = now(), reason = :reason
    where id = :endpoint and paused_at is null returning id
    """
)
_RESUME = text(
    """
    update endpoints set paused_at = null, reason = null
    where id = :endpoint and paused_at is not null returning id
    """
)
# What was released and not submitted: elsewhere when there is somewhere, or as soon as it resumes.
_LOOK_AT_RELEASED = text(
    "update attempts set next_poll_at = now() where endpoint = :endpoint and state = 'RELEASED'"
)
_ELSEWHERE = text(
    """
    select id from endpoints where id <> :endpoint and paused_at is null
        and led_at > now() - cast(:led_within as interval)
    order by slots desc limit 1
    """
)


class Breaker:
    """Counts failures of one endpoint in this process; says when they are too many."""

    def __init__(self) -> None:
        self._failed_at: deque[float] = deque(maxlen=FAILURES_MAX)

    def trips(self, error: RunPodError) -> bool:
        """Whether the endpoint should be paused for this error."""
        if isinstance(error, Unauthorized):
            return True
        if isinstance(error, RateLimited):  # it is there, and busy
            return False
        now = time.monotonic()
        self._failed_at.append(now)
        is_often = len(self._failed_at) == FAILURES_MAX
        return is_often and now - self._failed_at[0] < FAILURES_WITHIN_S

    def succeed(self) -> None:
        """A call was answered."""
        self._failed_at.clear()


async def lead(connection: Connection, endpoint: str, *, slots: int) -> None:
    """Somebody leads this endpoint, right now."""
    await connection.execute(_LEAD, {"endpoint": endpoint, "slots": slots})


async def is_paused(connection: Connection, endpoint: str) -> bool:
    """Whether nothing may be submitted to it."""
    query = sa.select(endpoints.c.paused_at).where(endpoints.c.id == endpoint)
    return (await connection.execute(query)).scalar_one_or_none() is not None


async def pause(connection: Connection, endpoint: str, reason: str) -> None:
    """Submit nothing more to it until it answers again."""
    paused = await connection.execute(_PAUSE, {"endpoint": endpoint, "reason": reason[:500]})
    if paused.one_or_none():
        log.error("endpoint.paused", endpoint=endpoint, reason=reason)
        await connection.execute(_LOOK_AT_RELEASED, {"endpoint": endpoint})


async def resume(connection: Connection, endpoint: str) -> None:
    """It answers: go on."""
    if (await connection.execute(_RESUME, {"endpoint": endpoint})).one_or_none():
        log.info("endpoint.resumed", endpoint=endpoint)
        await connection.execute(_LOOK_AT_RELEASED, {"endpoint": endpoint})


async def elsewhere(connection: Connection, endpoint: str) -> str | None:
    """Another endpoint that takes jobs, if there is one."""
    others = {"endpoint": endpoint, "led_within": LED_WITHIN}
    found: str | None = (await connection.execute(_ELSEWHERE, others)).scalar_one_or_none()
    return found
