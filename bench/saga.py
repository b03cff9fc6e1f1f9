"""BENCH row 1, the job saga: what one durable job costs from the order to the paid-for result.

Ours: an order over HTTP through the gateway, hold, outbox, relay, dispatch, attempt, submit,
webhook, status, check of the stored result, capture, and every row of the feed. The peer: a task of
Celery that does nothing, with confirms, late acknowledgement and a stored result, on the same node
of RabbitMQ. CPU is counted over every process of either side; the no-op GPU, the storage and the
one who orders are shown apart. Celery's producer counts, since enqueueing is its submit.
"""

import asyncio
import itertools
import json
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import aiohttp
from sqlalchemy import text

from bench import cpu, crowd, local, peer_process, spying
from bench.crowd import Person
from bench.local import Running
from bench.options import Options
from bench.report import Goal, Report, percentile, ratios

PEOPLE = 40
"""Each may have four runs at once, so that many keep all slots busy."""

ENDPOINTS, SLOTS = 2, 80
"""Each endpoint of RunPod may be called 25 times a second, and 250 times after a pause."""

REFILL_S = 10.0
"""The pause in which those 250 calls come back."""

ORDERS_AT_ONCE = 32
ROUND_TIMEOUT_S = 240.0
LOOK_EVERY_S = 0.25
LATENCIES, LATENCY_EVERY_S = 40, 0.15
WARM_UP = 40
IDLE_S = 5.0
PEER_JOBS = 3_000
APART = ("runpod", "s3", "issuer", "epmd")
"""What stands in for others, or is nobody's: shown, not counted."""

GOAL_FIRST, GOAL_THEN, GOAL_START_MS = 2.0, 1.0, 50.0

_DONE = text(
    "select count(*) filter (where state = 'COMPLETED') as completed,"
    " count(*) filter (where finished_at is null) as open from jobs"
)
_CAPTURED = text("select count(*) from movements where kind = 'capture'")
_SHOWN = text("select count(*) from user_events where type = 'credits.hold.captured'")


@dataclass(frozen=True, slots=True)
class Round:
    """CPU milliseconds of each program, and jobs per second."""

    cpu_ms: Mapping[str, float]
    jobs_per_s: float

    @property
    def counted_ms(self) -> float:
        """CPU milliseconds per job of all that counts."""
        return sum(spent for name, spent in self.cpu_ms.items() if name not in APART)


class Orders:
    """People who order one job after the other, through the gateway."""

    def __init__(
        self, stack: Running, people: Sequence[Person], http: aiohttp.ClientSession
    ) -> None:
        self._stack, self._http = stack, http
        self._url = f"{stack.facts['gateway_url']}/v1/jobs"
        self._turns: Iterator[Person] = itertools.cycle(people)
        self._processing = stack.engine("processing")
        self._credits, self._gateway = stack.engine("credits"), stack.engine("gateway")
        self.given = 0

    async def order(self) -> str:
        """Order one job; its id."""
        person = next(self._turns)
        headers = {"authorization": f"Bearer {person.token}", "idempotency-key": str(uuid4())}
        body = {"kind": "restore", "photo_ids": [str(person.photo_id)]}
        async with self._http.post(self._url, json=body, headers=headers) as answer:
            said = await answer.json()
            assert answer.status == 202, said  # noqa: PLR2004
            self.given += 1
            return str(said["id"])

    async def order_many(self, jobs: int) -> None:
        """Order so many, a few at once."""
        left = iter(range(jobs))

        async def keep_ordering() -> None:
            for _ in left:
                await self.order()

        await asyncio.gather(*(keep_ordering() for _ in range(ORDERS_AT_ONCE)))

    async def done(self) -> None:
        """Wait until every job is completed, paid for, and shown as such in its owner's feed."""
        async with asyncio.timeout(ROUND_TIMEOUT_S):
            while True:
                async with self._gateway.connect() as connection:
                    shown = (await connection.execute(_SHOWN)).scalar_one()
                if shown >= self.given:
                    break
                await asyncio.sleep(LOOK_EVERY_S)
        async with self._processing.connect() as connection:
            jobs = (await connection.execute(_DONE)).one()
        async with self._credits.connect() as connection:
            captured = (await connection.execute(_CAPTURED)).scalar_one()
        assert (jobs.completed, jobs.open, captured, shown) == (self.given, 0, self.given, shown)

    async def starts(self) -> dict[str, float]:
        """When the GPU began on each job, by the clock that all processes share."""
        async with self._http.get(f"{self._stack.facts['runpod_url']}/starts") as answer:
            began: dict[str, float] = await answer.json()
        return began

    async def close(self) -> None:
        """Close what looks into the databases."""
        for engine in (self._processing, self._credits, self._gateway):
            await engine.dispose()


async def measure(options: Options) -> Report:
    """Measure both, round by round."""
    gpus = [{"id": f"noop-{number}", "slots": SLOTS} for number in range(ENDPOINTS)]
    settings = {"RUNPOD_ENDPOINTS": json.dumps(gpus)}
    ours: list[Round] = []
    theirs: list[Round] = []
    async with local.running(settings=settings) as stack:
        people = await crowd.gather(stack, PEOPLE)
        async with _celery(stack) as (celery, worker), aiohttp.ClientSession() as http:
            latency_ms = (await celery.ready())["p50_ms"]
            orders = Orders(stack, people, http)
            await orders.order_many(WARM_UP)
            await orders.done()
            started_ms = await _low_load(orders)
            idle = await _idle(stack)
            for _ in range(options.rounds):
                await asyncio.sleep(REFILL_S)
                ours.append(await _our_round(stack, orders, options.jobs))
                theirs.append(await _celery_round(stack, celery, worker))
            await _watch(stack, orders, options)
            await orders.close()
    return _report(options, ours, theirs, started_ms, idle, celery_ms=latency_ms)


async def _our_round(stack: Running, orders: Orders, jobs: int) -> Round:
    programs = {**stack.pids, "(who orders)": os.getpid()}
    before, began = cpu.seconds(programs), time.monotonic()
    await orders.order_many(jobs)
    await orders.done()
    wall_s = time.monotonic() - began
    spent = cpu.spent(programs, before)
    spent.pop("(who orders)")
    return Round({name: s * 1e3 / jobs for name, s in spent.items()}, jobs / wall_s)


async def _watch(stack: Running, orders: Orders, options: Options) -> None:
    """One more round, of which nothing is reported but where programs spend their time."""
    if not options.watched:
        return
    programs = {name: stack.pids[name] for name in options.watched}
    await asyncio.sleep(REFILL_S)
    async with spying.watching(programs) as stacks:
        await _our_round(stack, orders, options.jobs)
    for file in stacks.values():
        print(f"\n{spying.summary(file)}", flush=True)


async def _celery_round(
    stack: Running, producer: peer_process.Peer, worker: peer_process.Peer
) -> Round:
    programs = {
        "producer": producer.pid,
        "worker": worker.pid,
        "rabbitmq": stack.pids["rabbitmq"],
    }
    before = cpu.seconds(programs)
    did = await producer.go()
    spent = cpu.spent(programs, before)
    assert did["jobs"] == PEER_JOBS, did
    assert spent["worker"] > 0, "the worker did nothing"
    return Round(
        {name: s * 1e3 / PEER_JOBS for name, s in spent.items()}, PEER_JOBS / did["wall_s"]
    )


async def _low_load(orders: Orders) -> list[float]:
    """Milliseconds from an order to the start of the GPU, when hardly anything else happens."""
    ordered: dict[str, float] = {}
    for _ in range(LATENCIES):
        asked_at = time.monotonic()
        ordered[await orders.order()] = asked_at
        await asyncio.sleep(LATENCY_EVERY_S)
    await orders.done()
    starts = await orders.starts()
    return [(starts[job_id] - at) * 1e3 for job_id, at in ordered.items()]


async def _idle(stack: Running) -> float:
    """CPU milliseconds per second of the stack with nothing to do."""
    counted = {name: pid for name, pid in stack.pids.items() if name not in APART}
    before = cpu.seconds(counted)
    await asyncio.sleep(IDLE_S)
    return sum(cpu.spent(counted, before).values()) * 1e3 / IDLE_S


@asynccontextmanager
async def _celery(
    stack: Running,
) -> AsyncIterator[tuple[peer_process.Peer, peer_process.Peer]]:
    """The producer and the worker, which is two processes under a third."""
    module, settings = "bench.peers.celery_noop", {"PEER_AMQP_URL": stack.peers_amqp_url}
    # It warns of whoever runs it as root, on every start.
    hushed = {**settings, "PYTHONWARNINGS": "ignore"}
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING")
    work = ("-m", "celery", "-A", module, "worker", "-P", "prefork", "-c", "2", *quiet)
    produce = ("-m", module, str(PEER_JOBS))
    async with (
        peer_process.running("celery's worker", work, hushed) as worker,
        peer_process.running("celery's producer", produce, settings) as producer,
    ):
        yield producer, worker


def _report(
    options: Options,
    ours: Sequence[Round],
    theirs: Sequence[Round],
    started_ms: Sequence[float],
    idle: float,
    *,
    celery_ms: float,
) -> Report:
    report = Report("saga", "1. Job saga against Celery's durable no-op")
    costs, peers = [one.counted_ms for one in ours], [one.counted_ms for one in theirs]
    report.add("saga", costs, "CPU ms per job")
    report.add("Celery", peers, "CPU ms per job")
    ratio = ratios(costs, peers)
    report.add("saga / Celery, first goal", ratio, "x CPU", goal=Goal(at_most=GOAL_FIRST))
    report.add("saga / Celery, second goal", ratio, "x CPU", goal=Goal(at_most=GOAL_THEN))
    report.add("saga", [one.jobs_per_s for one in ours], "jobs/s")
    report.add("Celery", [one.jobs_per_s for one in theirs], "jobs/s")
    median_ms = [percentile(started_ms, 0.5)]
    report.add("order → GPU start, p50", median_ms, "ms", goal=Goal(at_most=GOAL_START_MS))
    report.add("order → GPU start, p95", [percentile(started_ms, 0.95)], "ms")
    report.add("Celery, order → result, p50", [celery_ms], "ms")
    report.add("the stack with nothing to do", [idle], "CPU ms per s")
    for side, rounds in (("saga", ours), ("Celery", theirs)):
        for name in sorted(rounds[0].cpu_ms, key=lambda name: -rounds[0].cpu_ms[name]):
            apart = " (not counted)" if name in APART else ""
            values = [one.cpu_ms[name] for one in rounds]
            report.add(f"  {side}: {name}{apart}", values, "CPU ms per job")
    report.notes.append(f"{options.jobs} jobs and {PEER_JOBS} tasks in each of the rounds.")
    return report
