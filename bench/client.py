"""BENCH row 4, the event client: publish confirmed, consume validated.

Three programs do the same in turns on the same queue, with 200 confirms outstanding and a prefetch
of 200: raw aio-pika, which reads nothing of what it gets; FastStream with its defaults; and our bus
on the loop the services run on, and on uvloop. CPU is counted of the program and of RabbitMQ.
"""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from bench import cpu, local, peer_process
from bench.local import Running
from bench.options import Options
from bench.report import Goal, Report, ratios
from contracts.message import Envelope
from contracts.processing.v1 import CheckResult
from services.kit.db import uuid7

EVENTS = 4_000
QUEUE, EXCHANGE = "rk.processing.checks.priority", "rk.commands"
RAW, PLAIN, OURS, OURS_ON_UVLOOP = "aio-pika", "FastStream", "our bus", "our bus on uvloop"
GOAL = 1.35


@dataclass(frozen=True, slots=True)
class Round:
    """Microseconds of CPU per event, of the program and of RabbitMQ, and events per second."""

    client_us: float
    broker_us: float
    publish_per_s: float
    consume_per_s: float

    @property
    def all_us(self) -> float:
        """Of both."""
        return self.client_us + self.broker_us


def envelope() -> Envelope:
    """A command as the outbox has it: some 500 bytes."""
    command = CheckResult(attempt_id=uuid7(), job_id=uuid7(), tier="priority")
    return Envelope(
        id=uuid7(),
        source="/rekindle/processing",
        type=command.type,
        time=datetime.now(UTC),
        subject=str(command.job_id),
        correlationid=uuid4(),
        data=command.model_dump(mode="json"),
    )


async def measure(options: Options) -> Report:
    """All four, round by round."""
    rounds: dict[str, list[Round]] = {name: [] for name in (RAW, PLAIN, OURS, OURS_ON_UVLOOP)}
    async with local.running(only=local.SERVERS) as stack, AsyncExitStack() as programs:
        clients = {
            RAW: await _start(programs, stack, RAW, "bench.peers.aio_pika_events"),
            PLAIN: await _start(programs, stack, PLAIN, "bench.peers.faststream_events"),
            OURS: await _start(programs, stack, OURS, "bench.bus_events", ours=True),
            OURS_ON_UVLOOP: await _start(
                programs, stack, OURS_ON_UVLOOP, "bench.bus_events", "uvloop", ours=True
            ),
        }
        for client in clients.values():  # once to warm up
            await _round(stack, client)
        for _ in range(options.rounds):
            for name, client in clients.items():
                rounds[name].append(await _round(stack, client))
    return _report(rounds)


async def _start(
    programs: AsyncExitStack, stack: Running, name: str, module: str, *more: str, ours: bool = False
) -> peer_process.Peer:
    command = ("-m", module, str(EVENTS), *more)
    settings = {
        "PEER_AMQP_URL": stack.peers_amqp_url,
        "PEER_EXCHANGE": EXCHANGE,
        "PEER_QUEUE": QUEUE,
        "PEER_BODY": envelope().model_dump_json(),
    }
    running = peer_process.running(name, command, settings, ours=ours)
    client = await programs.enter_async_context(running)
    await client.ready()
    return client


async def _round(stack: Running, client: peer_process.Peer) -> Round:
    programs = {"client": client.pid, "rabbitmq": stack.pids["rabbitmq"]}
    before = cpu.seconds(programs)
    published = await client.go("publish")
    consumed = await client.go("consume")
    spent = cpu.spent(programs, before)
    assert published["did"] == consumed["did"] == EVENTS, client.name
    return Round(
        client_us=spent["client"] / EVENTS * 1e6,
        broker_us=spent["rabbitmq"] / EVENTS * 1e6,
        publish_per_s=EVENTS / published["wall_s"],
        consume_per_s=EVENTS / consumed["wall_s"],
    )


def _report(rounds: Mapping[str, Sequence[Round]]) -> Report:
    report = Report("client", "4. Event client against raw aio-pika")
    raw = [one.all_us for one in rounds[RAW]]
    for name, measured in rounds.items():
        goal = Goal(at_most=GOAL) if name == OURS else None
        if name != RAW:
            ratio = ratios([one.all_us for one in measured], raw)
            report.add(f"{name} / {RAW}, client and broker", ratio, "x CPU", goal=goal)
    raw_client = [one.client_us for one in rounds[RAW]]
    for name, measured in rounds.items():
        if name != RAW:
            ratio = ratios([one.client_us for one in measured], raw_client)
            report.add(f"{name} / {RAW}, client alone", ratio, "x CPU")
    for name, measured in rounds.items():
        report.add(f"{name}: client", [one.client_us for one in measured], "CPU µs per event")
        report.add(f"{name}: RabbitMQ", [one.broker_us for one in measured], "CPU µs per event")
        report.add(f"{name}: published", [one.publish_per_s for one in measured], "events/s")
        report.add(f"{name}: consumed", [one.consume_per_s for one in measured], "events/s")
    report.notes.append(f"{EVENTS} events published, then consumed, in each round.")
    return report
