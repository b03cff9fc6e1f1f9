"""BENCH row 3, the outbox relay: rows of PostgreSQL become confirmed messages.

The relay of the stack itself empties an outbox that fills in one commit; the peer publishes the
same bytes without PostgreSQL, 500 and their confirms at a time. Then, one message at a time, how
long it takes from a commit to a consumer, against from a bare publish to a consumer.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Self

import aio_pika
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractIncomingMessage
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bench import client, cpu, local, peer_process
from bench.client import EXCHANGE, QUEUE
from bench.local import Running
from bench.options import Options
from bench.report import Goal, Report, percentile, ratios

ROWS = 5_000
LATENCIES, LATENCY_EVERY_S = 100, 0.02
QUIET_FIRST_S = 0.5
"""Longer than the relay's longest nap: a row finds it as in a quiet hour."""

LOOK_EVERY_S = 0.02
TIMEOUT_S = 120.0
RATE_GOAL, LATENCY_GOAL = 0.85, 1.4
PARTS = (*local.SERVERS, "billing", "relay")
"""Billing, so that the schemas are there; its outbox is as good as any."""

# Each row is about another subject, so that nothing has to wait for its turn.
_FILL = text(
    """
    insert into outbox (event_id, aggregate_id, exchange, routing_key, payload)
    select event_id, gen_random_uuid(), :exchange, :queue,
        cast(:payload as jsonb) || jsonb_build_object('id', event_id)
    from (select gen_random_uuid() as event_id from generate_series(1, :rows)) ids
    """
)
_IS_EMPTY = text("select not exists (select from outbox)")


@dataclass(frozen=True, slots=True)
class Round:
    """Messages per second, and microseconds of CPU per message of everybody involved."""

    per_s: float
    cpu_us: float


async def measure(options: Options) -> Report:
    """Throughput of both in turns, then latency of both in turns."""
    relayed: list[Round] = []
    bare: list[Round] = []
    waited: list[list[float]] = []
    bare_waited: list[list[float]] = []
    async with local.running(only=PARTS) as stack, _peer(stack) as peer:
        await peer.ready()
        engine = stack.engine("billing")
        for _ in range(options.rounds + 1):
            relayed.append(await _relay_round(stack, engine))
            bare.append(await _bare_round(stack, peer))
        async with _Arrivals(stack.facts["amqp_url"]) as arrivals:
            for _ in range(options.rounds):
                waited.append(await _latencies(arrivals, lambda: _commit(engine)))
                bare_waited.append(await _latencies(arrivals, arrivals.publish))
        await engine.dispose()
    return _report(relayed[1:], bare[1:], waited, bare_waited)  # the first ones warm up


def _peer(stack: Running) -> AbstractAsyncContextManager[peer_process.Peer]:
    settings = {
        "PEER_AMQP_URL": stack.peers_amqp_url,
        "PEER_EXCHANGE": EXCHANGE,
        "PEER_QUEUE": QUEUE,
        "PEER_BODY": client.envelope().model_dump_json(),
    }
    command = ("-m", "bench.peers.aio_pika_events", str(ROWS))
    return peer_process.running("aio-pika", command, settings)


async def _relay_round(stack: Running, engine: AsyncEngine) -> Round:
    names = ("relay", "postgres", "rabbitmq")
    programs = {name: stack.pids[name] for name in names}
    async with engine.connect() as connection:
        await _fill(connection, rows=ROWS)
        before, began = cpu.seconds(programs), time.perf_counter()
        await connection.commit()
        async with asyncio.timeout(TIMEOUT_S):
            while not (await connection.execute(_IS_EMPTY)).scalar_one():
                await connection.rollback()
                await asyncio.sleep(LOOK_EVERY_S)
        wall_s = time.perf_counter() - began
        spent = cpu.spent(programs, before)
    assert await _purge(stack.facts["amqp_url"]) == ROWS, "the relay lost or doubled something"
    return Round(ROWS / wall_s, sum(spent.values()) / ROWS * 1e6)


async def _bare_round(stack: Running, peer: peer_process.Peer) -> Round:
    programs = {"peer": peer.pid, "rabbitmq": stack.pids["rabbitmq"]}
    before = cpu.seconds(programs)
    did = await peer.go("batches")
    spent = cpu.spent(programs, before)
    assert await _purge(stack.peers_amqp_url) == did["did"] == ROWS, "the peer did not publish"
    return Round(ROWS / did["wall_s"], sum(spent.values()) / ROWS * 1e6)


async def _fill(connection: AsyncConnection, *, rows: int) -> None:
    payload = client.envelope().model_dump_json()
    values = {"exchange": EXCHANGE, "queue": QUEUE, "payload": payload, "rows": rows}
    await connection.execute(_FILL, values)


async def _commit(engine: AsyncEngine) -> float:
    """Write one row; the moment of its commit."""
    async with engine.connect() as connection:
        await _fill(connection, rows=1)
        await connection.commit()
        return time.perf_counter()


async def _purge(url: str) -> int:
    """How many messages were on the queue."""
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        queue = await channel.get_queue(QUEUE)
        return int((await queue.purge()).message_count or 0)


class _Arrivals:
    """A consumer that tells when the next message came, and can publish one itself."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._came: asyncio.Queue[float] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._connection = await aio_pika.connect(self._url)
        channel = await self._connection.channel()
        self._exchange = await channel.get_exchange(EXCHANGE)
        await (await channel.get_queue(QUEUE)).consume(self._on_message)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()

    async def publish(self) -> float:
        """Publish the same bytes; the moment before."""
        body = client.envelope().model_dump_json().encode()
        message = Message(body, delivery_mode=DeliveryMode.PERSISTENT)
        began = time.perf_counter()
        await self._exchange.publish(message, QUEUE)
        return began

    async def next(self) -> float:
        """The moment of the next arrival."""
        return await asyncio.wait_for(self._came.get(), TIMEOUT_S)

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        self._came.put_nowait(time.perf_counter())
        await message.ack()


async def _latencies(arrivals: _Arrivals, send: Callable[[], Awaitable[float]]) -> list[float]:
    """Milliseconds from each sending to its arrival."""
    await asyncio.sleep(QUIET_FIRST_S)
    waited = []
    for _ in range(LATENCIES):
        sent_at = await send()
        # It may come before its sender has heard of the commit.
        waited.append(max(0.0, await arrivals.next() - sent_at) * 1e3)
        await asyncio.sleep(LATENCY_EVERY_S)
    return waited


def _report(
    relayed: Sequence[Round],
    bare: Sequence[Round],
    waited: Sequence[Sequence[float]],
    bare_waited: Sequence[Sequence[float]],
) -> Report:
    report = Report("relay", "3. Outbox relay against publishing without PostgreSQL")
    rates, bare_rates = [one.per_s for one in relayed], [one.per_s for one in bare]
    costs, bare_costs = [one.cpu_us for one in relayed], [one.cpu_us for one in bare]
    goal = Goal(at_least=RATE_GOAL)
    report.add("relay / bare", ratios(rates, bare_rates), "x messages/s", goal=goal)
    report.add("relay / bare", ratios(costs, bare_costs), "x CPU")
    report.add("relay", rates, "messages/s")
    report.add("bare", bare_rates, "messages/s")
    report.add("relay, PostgreSQL and RabbitMQ", costs, "CPU µs per message")
    report.add("bare and RabbitMQ", bare_costs, "CPU µs per message")
    medians = [percentile(one, 0.5) for one in waited]
    bare_medians = [percentile(one, 0.5) for one in bare_waited]
    latency = ratios(medians, bare_medians)
    report.add("commit → consumer / bare, p50", latency, "x", goal=Goal(at_most=LATENCY_GOAL))
    report.add("commit → consumer, p50", medians, "ms")
    report.add("commit → consumer, p95", [percentile(one, 0.95) for one in waited], "ms")
    report.add("publish → consumer, p50", bare_medians, "ms")
    report.notes.append(f"{ROWS} rows in each round; {LATENCIES} single ones for the latency.")
    return report
