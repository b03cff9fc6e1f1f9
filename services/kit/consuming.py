"""A consumer process: it works until it is told to stop, or hears nothing while messages wait.

Then it ends, to be started afresh. It may be connected, and deaf all the same. While a quorum queue
changes its leader, RabbitMQ may never answer who wants to consume it, and the client library waits
for that for ever, its other queues with it; or RabbitMQ takes messages for unsettled that were
settled long ago, and hands out no more (rabbitmq-server, issue 15473). Neither ends by itself, and
a new connection ends both.
"""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import suppress

import structlog
from aio_pika.abc import AbstractConnection
from faststream.rabbit import RabbitBroker

from services.kit import bus
from services.kit.bus import Stalled
from services.kit.inbox import Intake

STOP_WITHIN_S, CLOSE_WITHIN_S = 12, 2

LOOK_EVERY_S = 15.0
"""Deaf for at least so long, at most twice as long, before it is noticed."""

LOOK_TIMEOUT_S = 10.0
LOOKS_IN_VAIN_MAX = 10
"""So many one after the other, and the connection itself is taken for broken."""

log = structlog.get_logger()


async def run(broker: RabbitBroker) -> None:
    """Consume until SIGTERM or SIGINT, or raise `Stalled`; running handlers finish first."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stopped.set)
    consuming = asyncio.create_task(_consume(broker))
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait((consuming, stopping), return_when=asyncio.FIRST_COMPLETED)
    consuming.cancel()
    await asyncio.wait((consuming,))
    await _leave(broker)
    if not consuming.cancelled():
        consuming.result()


async def _consume(broker: RabbitBroker) -> None:
    """Never return; raise `Stalled` when nothing is heard any more."""
    await bus.start(broker)
    log.info("consumer.ready")
    await _watch(await broker.connect(), bus.intakes(broker))


async def _leave(broker: RabbitBroker) -> None:
    """Let running handlers finish and say goodbye, but do not wait for a broken connection."""
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            await broker.stop()
    except Exception as error:  # noqa: BLE001  # a broken connection raises from many families
        log.warning("broker.left", error=repr(error)[:200])
        # Unless it is told to close, the client library connects again for ever: even cancelled.
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await (await broker.connect()).close()


async def _watch(connection: AbstractConnection, intakes: Mapping[str, Intake]) -> None:
    """Never return; raise `Stalled` when a queue's messages wait and none of them came.

    Whoever has messages in hand is not deaf: those have their own time-outs.
    """
    silent: dict[str, int] = {}
    in_vain = 0
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                waiting = await _waiting(connection, intakes)
        # A connection that breaks raises from many families, some of them plain `RuntimeError`s.
        except Exception as error:
            in_vain, silent = in_vain + 1, {}
            log.warning("consumer.unseen", looks=in_vain, error=repr(error)[:200])
            if in_vain >= LOOKS_IN_VAIN_MAX:
                raise Stalled(f"{in_vain} looks in vain") from error
            continue
        in_vain = 0
        before, silent = (
            silent,
            {
                queue: intake.heard
                for queue, intake in intakes.items()
                if waiting[queue] and not intake.in_hand
            },
        )
        for queue, heard in silent.items():
            if before.get(queue) == heard:
                raise Stalled(f"{waiting[queue]} messages wait in {queue}")


async def _waiting(connection: AbstractConnection, queues: Mapping[str, Intake]) -> dict[str, int]:
    """How many messages of each queue wait for a consumer."""
    async with connection.channel() as channel:
        found = {name: await channel.declare_queue(name, passive=True) for name in queues}
    return {name: queue.declaration_result.message_count or 0 for name, queue in found.items()}
