"""Rows in bulk, as a system has them after years: written by SQL, vacuumed and analysed.

Ids are times and so ascend as real ones do. Every statement adds the rows of the numbers after
`$1` up to `$2`; accounts and jobs of a number are the same in every schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import asyncpg

from bench.local import Running

ACCOUNTS = 1_000
ACCOUNT = f"md5('account' || (n % {ACCOUNTS}))::uuid"
JOB = "(lpad(to_hex(1700000000000 + n), 12, '0') || '70008' || substr(md5('j' || n), 1, 15))::uuid"
RUN = "(lpad(to_hex(1700000000001 + n), 12, '0') || '70008' || substr(md5('a' || n), 1, 15))::uuid"
WHEN = "now() - interval '30 days' + (n % 1000000) * interval '2 seconds'"
QUEUED_FROM = 10_000_000
"""Numbers of jobs that wait; those below are finished."""

FEEDS_GO_ON_AT = 1_000_000
"""New rows of a feed come after all that are filled in later."""

_ROWS = "from generate_series($1::bigint + 1, $2::bigint) n"
_ORDERED = """
    insert into jobs (id, account_id, idempotency_key, body_sha256, kind, photo_ids, price, tier,
        short_side_max, seed, created_at, queued_at, ready_at, state
"""
_ORDER = f"""
    select {JOB}, {ACCOUNT}, 'key-' || n, sha256('x'), 'restore', array[{ACCOUNT}], 2, 'priority',
        720, n, {WHEN}, {WHEN}, {WHEN}
"""

FINISHED: dict[str, tuple[str, ...]] = {
    "processing": (
        f"""{_ORDERED}, attempts, result_key, result, started_at, finished_at, version)
            {_ORDER}, 'COMPLETED', 1, 'results/' || n, '{{}}'::jsonb, {WHEN}, {WHEN}, 5
            {_ROWS}""",
        f"""insert into attempts (id, job_id, account_id, tier, number, state, endpoint,
                runpod_job_id, seed, short_side_max, runs_at_most_s, result_key, next_poll_at,
                deadline, created_at, submitted_at, finished_at, gpu_seconds, swept_at, gpu,
                cost_day, reserved_usd, cost_usd, cost_factor)
            select {RUN}, {JOB}, {ACCOUNT}, 'priority', 1, 'FINISHED', 'gpu', 'run-' || n, n, 720,
                300, 'results/' || n, {WHEN}, {WHEN}, {WHEN}, {WHEN}, {WHEN}, 1, {WHEN}, 'cpu',
                ({WHEN})::date, 0.01, 0.001, 1
            {_ROWS}""",
    ),
    "credits": (
        f"""insert into holds (job_id, account_id, amount, reason, state, created_at, expires_at)
            select {JOB}, {ACCOUNT}, 2, 'Restore', 'captured', {WHEN}, {WHEN} {_ROWS}""",
        f"""insert into movements (id, account_id, version, kind, amount, available, held, job_id,
                reason, created_at)
            select {RUN}, {ACCOUNT}, 1000000 + n, 'capture', 2, 100, 0, {JOB}, 'Spent', {WHEN}
            {_ROWS}""",
    ),
    "gateway": (
        f"""insert into user_events (account_id, seq, type, time, payload, recorded_at)
            select {ACCOUNT}, 1 + n / {ACCOUNTS}, 'processing.job.completed', {WHEN},
                jsonb_build_object('job_id', {JOB}, 'version', 5, 'price', 2), now() {_ROWS}""",
    ),
}
"""What a finished job leaves behind, by schema."""

QUEUED: dict[str, tuple[str, ...]] = {
    "processing": (f"{_ORDERED}) {_ORDER}, 'QUEUED' {_ROWS}",),
}

_ACCOUNT_ROWS = f"from generate_series(0, {ACCOUNTS - 1}) n"
OPENED: dict[str, tuple[str, ...]] = {
    "credits": (
        f"""insert into accounts (id, plan, tier, credits_monthly, month_added, available)
            select {ACCOUNT}, 'forever', 'priority', 150, '', 1000000 {_ACCOUNT_ROWS}""",
    ),
    "processing": (
        f"""insert into accounts (account_id, plan, tier, short_side_max, plan_version)
            select {ACCOUNT}, 'forever', 'priority', 720, 1 {_ACCOUNT_ROWS}""",
        f"""insert into preparations (photo_id, account_id, state, object_key, media_type,
                master_key, thumbnail_key, width, height)
            select {ACCOUNT}, {ACCOUNT}, 'prepared', 'k', 'image/jpeg', 'm', 't', 64, 80
            {_ACCOUNT_ROWS}""",
    ),
    "gateway": (
        f"""insert into feeds (account_id, last_seq)
            select {ACCOUNT}, {FEEDS_GO_ON_AT} {_ACCOUNT_ROWS}""",
    ),
}
"""Accounts, each with credits and a photo that has the account's own id."""

BIG = ("jobs", "attempts", "holds", "movements", "user_events", "outbox")
_COUNTED = {
    "processing": ("jobs", "attempts"),
    "credits": ("holds", "movements"),
    "gateway": ("user_events",),
}


@dataclass(slots=True)
class Rows:
    """How many there are by now."""

    stack: Running
    queued: int = QUEUED_FROM
    finished: int = 0
    counted: dict[str, int] = field(default_factory=dict)
    """Rows in each big table, as they were found after the last growth."""

    async def open_accounts(self) -> None:
        """The same thousand for every size."""
        for schema, statements in OPENED.items():
            await self._write(schema, statements)

    async def grow(self, *, queued: int, finished: int) -> None:
        """Add what is missing, and let PostgreSQL know."""
        await self._add(FINISHED, self.finished, finished)
        await self._add(QUEUED, self.queued, QUEUED_FROM + queued)
        self.finished, self.queued = finished, QUEUED_FROM + queued
        for schema in FINISHED:
            await self._write(schema, ("vacuum (analyze)",))
        await self._prove()

    async def _prove(self) -> None:
        """Whoever says a million has counted them."""
        for schema, tables in _COUNTED.items():
            connection = await asyncpg.connect(self.stack.environment(schema)["DATABASE_URL"])
            try:
                for table in tables:
                    found = await connection.fetchval(f"select count(*) from {table}")  # noqa: S608  # names of ours
                    assert found >= self.finished, f"{table} has {found:,} rows only"
                    self.counted[table] = found
            finally:
                await connection.close()

    async def _add(self, written: Mapping[str, tuple[str, ...]], since: int, until: int) -> None:
        for schema, statements in written.items():
            await self._write(schema, statements, since, until)

    async def _write(self, schema: str, statements: tuple[str, ...], *numbers: int) -> None:
        # Straight through the driver: the services' engines give a statement 30 seconds.
        url = self.stack.environment(schema)["DATABASE_URL"]
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement, *numbers)
        finally:
            await connection.close()
