"""BENCH row 12, growth: what an operation costs when there are a hundred times as many rows.

The same operations, by the services' own code on their real schemas, at 1x, 10x and 100x of what
waits and of what is finished; at 100x that is 100,000 queued jobs and a million finished ones, with
their attempts, holds, movements and feed rows. CPU is counted of this process, PostgreSQL and, for
the hold, credits. At the largest size the plans of the hot statements are printed, and none may
read a big table from end to end.
"""

import hashlib
import os
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy import text

from bench import cpu, local
from bench.growth_rows import ACCOUNTS, BIG, Rows
from bench.local import Running
from bench.options import Options
from bench.report import Goal, Report, percentile
from contracts.processing.v1 import JobStarted
from services.gateway import feed
from services.kit import relay, telemetry
from services.kit.client import ServiceClient
from services.kit.outbox import SHARDS
from services.processing import dispatching, endpoints, line, orders, polling
from services.processing.budgets import Limits
from services.processing.holds import Holds
from services.processing.models import jobs
from services.processing.orders import Order

SIZES = (1, 10, 100)
QUEUED, FINISHED, UNSENT = 1_000, 10_000, 500
OPERATIONS = 200
ENDPOINT, SLOTS = "gpu", 500
PARTS = (*local.SERVERS, "billing", "credits")
GOAL = 1.2

Operation = Callable[[int], Awaitable[object]]

PLENTY = Limits(
    free=Decimal(10**9),
    paid=Decimal(10**9),
    free_account=Decimal(10**9),
    paid_account=Decimal(10**9),
)
_BATCH = {"shards": list(range(SHARDS)), "batch": relay.BATCH}
_DUE = {
    "batch": polling.BATCH,
    "lease": polling.LEASE,
    "endpoint": ENDPOINT,
    "known": [ENDPOINT],
    "cold_start_within": timedelta(minutes=10),
}

# What an earlier round started has ended, so that every round begins with free slots.
_END_RUNS = (
    """
    update attempts set state = 'LOST', finished_at = now(), swept_at = now()
    where state = 'RELEASED'
    """,
    """
    update jobs set state = 'FAILED', problem_code = 'bench', finished_at = now()
    where state = 'RUNNING'
    """,
    "delete from outbox",
)
_FILL_OUTBOX = text(
    """
    insert into outbox (event_id, aggregate_id, exchange, routing_key, payload)
    select gen_random_uuid(), gen_random_uuid(), 'rk.events', 'x', '{}'::jsonb
    from generate_series(1, :rows)
    """
)


async def measure(options: Options) -> Report:
    """Grow, measure, grow again."""
    telemetry.configure_logs("bench", level="warning")
    report = Report("growth", "12. Growth: cost of an operation at 1x, 10x and 100x of the rows")
    costs: dict[str, dict[int, list[float]]] = {}
    waits: dict[str, dict[int, list[float]]] = {}
    async with local.running(only=PARTS) as stack:
        rows, bench = Rows(stack), _Bench(stack)
        await rows.open_accounts()
        for size in SIZES:
            print(f"filling to {size}x", flush=True)
            await rows.grow(queued=QUEUED * size, finished=FINISHED * size)
            await bench.fill_outbox(UNSENT * size)
            for number in range(options.rounds + 1):
                for name, operation in bench.operations().items():
                    cpu_us, p50_ms = await bench.round(operation)
                    if number:  # the first one warms up
                        costs.setdefault(name, {}).setdefault(size, []).append(cpu_us)
                        waits.setdefault(name, {}).setdefault(size, []).append(p50_ms)
                await bench.end_runs()
        counted = ", ".join(f"{table} {found:,}" for table, found in rows.counted.items())
        report.notes.append(f"Rows counted at {SIZES[-1]}x: {counted}; queued {QUEUED * size:,}.")
        await bench.explain(report)
        await bench.close()
    for name, by_size in costs.items():
        grown = [large / small for large, small in zip(by_size[SIZES[-1]], by_size[1], strict=True)]
        goal = Goal(at_most=GOAL)
        report.add(f"{name}: {SIZES[-1]}x / 1x", grown, "x CPU", goal=goal)
        for size in SIZES:
            report.add(f"  at {size}x", by_size[size], "CPU µs")
            report.add(f"  at {size}x, p50", waits[name][size], "ms")
    return report


class _Bench:
    """The operations, each on connections like those of the program that does it."""

    def __init__(self, stack: Running) -> None:
        self._stack = stack
        self._processing, self._gateway = stack.engine("processing"), stack.engine("gateway")
        self._billing = stack.engine("billing")
        told = stack.environment("processing")
        self._credits = ServiceClient(
            told["CREDITS_URL"],
            caller="processing",
            service="credits",
            secret=told["CREDITS_SECRET"],
        )
        self._holds = Holds(self._credits)
        self._programs = {
            "this": os.getpid(),
            **{name: stack.pids[name] for name in ("postgres", "credits")},
        }

    def operations(self) -> dict[str, Operation]:
        """By what people call them."""
        return {
            "order with its hold": self._order,
            "start of the next job": self._start,
            "place in the line": self._place,
            "look for due runs": self._look,
            "row of the feed": self._append,
            "read of the feed": self._read,
            "batch of the relay, read": self._fetch,
        }

    async def round(self, operation: Operation) -> tuple[float, float]:
        """Microseconds of CPU, and milliseconds that half of them took."""
        took = []
        before = cpu.seconds(self._programs)
        for number in range(OPERATIONS):
            began = time.perf_counter()
            await operation(number)
            took.append((time.perf_counter() - began) * 1e3)
        spent = sum(cpu.spent(self._programs, before).values())
        return spent / OPERATIONS * 1e6, percentile(took, 0.5)

    async def fill_outbox(self, rows: int) -> None:
        """What waits while RabbitMQ is away, in a schema that no relay looks at here."""
        async with self._billing.begin() as connection:
            await connection.execute(text("delete from outbox"))
            await connection.execute(_FILL_OUTBOX, {"rows": rows})
            await connection.execute(text("analyze outbox"))

    async def end_runs(self) -> None:
        """Let what was started end."""
        async with self._processing.begin() as connection:
            for statement in _END_RUNS:
                await connection.execute(text(statement))

    async def close(self) -> None:
        """Close every connection."""
        await self._credits.close()
        for engine in (self._processing, self._gateway, self._billing):
            await engine.dispose()

    async def _order(self, number: int) -> None:
        account_id = _account(number)
        order = Order(kind="restore", photo_ids=(account_id,), note=None)
        await orders.place(
            self._processing,
            self._holds,
            order,
            account_id=account_id,
            idempotency_key=str(uuid4()),
        )

    async def _start(self, _: int) -> None:
        async with self._processing.begin() as connection:
            assert await dispatching.start_next(
                connection, slots=SLOTS, endpoint=ENDPOINT, limits=PLENTY
            )

    async def _place(self, number: int) -> None:
        async with self._processing.connect() as connection:
            query = sa.select(jobs).where(
                jobs.c.account_id == _account(number), jobs.c.state == "QUEUED"
            )
            job = (await connection.execute(query.order_by(jobs.c.id.desc()).limit(1))).one()
            assert await line.places(connection, [job], slots=SLOTS)

    async def _look(self, _: int) -> None:
        async with self._processing.begin() as connection:
            await connection.execute(polling._TAKE_DUE, _DUE)

    async def _append(self, number: int) -> None:
        account_id = _account(number)
        event = JobStarted(job_id=uuid4(), account_id=account_id, version=3, attempt=1)
        async with self._gateway.begin() as connection:
            await feed.append(connection, [(event, datetime.now(UTC))])

    async def _read(self, number: int) -> None:
        async with self._gateway.connect() as connection:
            last, _ = await feed.place(connection, _account(number), seen=None)
            assert await feed.read(connection, _account(number), after=last - 1)

    async def _fetch(self, _: int) -> None:
        async with self._billing.connect() as connection:
            found = await connection.execute(relay._FETCH, _BATCH)
            assert len(found.all()) == relay.BATCH

    async def explain(self, report: Report) -> None:
        """Note how PostgreSQL does each hot statement; none may read a big table to its end."""
        account = {"account_id": _account(1), "tier": "priority", "job_id": None}
        turn = {
            "tier": "priority",
            "runs_max": 4,
            "endpoint": ENDPOINT,
            "led_within": endpoints.LED_WITHIN,
        }
        page = {"account_ids": [_account(1)], "afters": [1], "page": feed.PAGE}
        hot = (
            ("start: free slots", self._processing, dispatching._RUNNING, {"endpoint": ENDPOINT}),
            ("start: whose turn", self._processing, dispatching._TURN, turn),
            ("start: end of the turn", self._processing, dispatching._PASS, account),
            ("due runs", self._processing, polling._TAKE_DUE, _DUE),
            ("feed: read", self._gateway, feed._READ, page),
            ("relay: fetch", self._billing, relay._FETCH, _BATCH),
        )
        for name, engine, statement, values in hot:
            async with engine.connect() as connection:
                asked = text(f"explain (costs off) {statement.text}")
                plan = [str(row[0]) for row in await connection.execute(asked, values)]
            whole = [one for one in plan if re.search(rf"Seq Scan on ({'|'.join(BIG)})\b", one)]
            report.broken += [f"{name}: {one.strip()}" for one in whole]
            report.notes += [f"plan of {name}", *(f"    {one}" for one in plan)]


def _account(number: int) -> UUID:
    """The account of that number, as the bulk rows have it."""
    name = f"account{number % ACCOUNTS}".encode()
    return UUID(bytes=hashlib.md5(name, usedforsecurity=False).digest())
