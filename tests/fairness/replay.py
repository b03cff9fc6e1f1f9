"""Play traffic through the real dispatching and the real line, on a clock of its own.

Jobs, lanes and attempts are rows in a real database and every start is a decision of the product;
only the runs take no time: in this database `clock_timestamp` tells the time of the simulation.
"""

import heapq
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.db import Connection, uuid7
from services.processing import dispatching, line
from services.processing.models import jobs as jobs_table
from tests.fairness.traffic import Traffic, Wish
from tests.processing.rows import PLENTY

ENDPOINT = "fairness"

_NEW = jobs_table.insert().values(
    idempotency_key=text("gen_random_uuid()::text"),
    body_sha256=b"",
    kind="restore",
    photo_ids=text("array[gen_random_uuid()]"),
    price=2,
    short_side_max=480,
    state="QUEUED",
    seed=1,
    queued_at=text("clock_timestamp()"),
    ready_at=text("clock_timestamp()"),
)
_STARTED = text("update attempts set created_at = clock_timestamp() where job_id = :job_id")
_ENDED = text(
    "update attempts set state = 'FINISHED', finished_at = clock_timestamp() where job_id = :job_id"
)
_CLOCK = (
    "create sequence if not exists simulated_ms",
    """
    create or replace function clock_timestamp() returns timestamptz language sql stable as
    $$ select timestamptz '2026-01-01' + last_value * interval '1 millisecond' from simulated_ms $$
    """,
)
_TICK = text("select setval('simulated_ms', :now_ms)")
_OWN_CLOCK_FIRST = text("set search_path = processing, pg_catalog")
_NO_CLOCK = ("drop function processing.clock_timestamp()", "drop sequence simulated_ms")


@dataclass(slots=True)
class Story:
    """What became of one wish: what was shown when it came, and when it really started."""

    wish: Wish
    shown_s: float = 0.0
    shown_position: int = 0
    started_at_s: float = 0.0

    @property
    def waited_s(self) -> float:
        return self.started_at_s - self.wish.at_s


@dataclass(slots=True)
class Replay:
    """One run through the traffic."""

    engine: AsyncEngine
    traffic: Traffic
    slots: int
    stories: list[Story] = field(default_factory=list)
    _stories_of: dict[UUID, Story] = field(default_factory=dict)
    _ends: list[tuple[float, UUID]] = field(default_factory=list)

    async def run(self) -> list[Story]:
        """From the first wish until everything has started."""
        async with self.engine.connect() as connection:
            for statement in _CLOCK:
                await connection.exec_driver_sql(statement)
            await connection.execute(_OWN_CLOCK_FIRST)
            try:
                await self._play(connection)
            finally:
                for statement in _NO_CLOCK:
                    await connection.exec_driver_sql(statement)
            await connection.commit()
        return self.stories

    async def _play(self, connection: Connection) -> None:
        coming = list(reversed(self.traffic.wishes))
        while coming or self._ends:
            if coming and (not self._ends or coming[-1].at_s <= self._ends[0][0]):
                now_s = coming[-1].at_s
                await connection.execute(_TICK, {"now_ms": _ms(now_s)})
                wishes = []
                while coming and coming[-1].at_s == now_s:
                    wishes.append(coming.pop())
                await self._ask(connection, wishes)
            else:
                now_s, job_id = heapq.heappop(self._ends)
                await connection.execute(_TICK, {"now_ms": _ms(now_s)})
                await connection.execute(_ENDED, {"job_id": job_id})
            await self._start(connection, now_s)

    async def _ask(self, connection: Connection, wishes: list[Wish]) -> None:
        made = []
        for wish in wishes:
            job_id = uuid7()
            story = Story(wish)
            self.stories.append(story)
            self._stories_of[job_id] = story
            made.append(job_id)
            values = {"id": job_id, "account_id": wish.account_id, "tier": wish.tier}
            await connection.execute(_NEW, values)
        query = jobs_table.select().where(jobs_table.c.id.in_(made))
        found = (await connection.execute(query)).all()
        for job_id, place in (await line.places(connection, found, slots=self.slots)).items():
            story = self._stories_of[job_id]
            story.shown_s, story.shown_position = place.starts_in_s, place.position

    async def _start(self, connection: Connection, now_s: float) -> None:
        while job_id := await dispatching.start_next(
            connection, slots=self.slots, endpoint=ENDPOINT, limits=PLENTY
        ):
            await connection.execute(_STARTED, {"job_id": job_id})
            story = self._stories_of[job_id]
            story.started_at_s = now_s
            heapq.heappush(self._ends, (now_s + story.wish.runs_s, job_id))


def _ms(now_s: float) -> int:
    return 1 + round(now_s * 1_000)
