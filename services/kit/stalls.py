"""A consumer that hears nothing while messages wait ends itself, to be started afresh.

It may be connected, and deaf all the same. While a quorum queue changes its leader, RabbitMQ may
never answer who wants to consume it, and the client library waits for that for ever, its other
queues with it; or RabbitMQ takes messages for unsettled that were settled long ago, and hands out
no more (rabbitmq-server, issue 15473). Neither ends by itself, and a new connection ends both.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog
from aio_pika.abc import AbstractConnection

LOOK_EVERY_S = 15.0
"""Deaf for at least so long, at most twice as long, before it is noticed."""

LOOK_TIMEOUT_S = 10.0
LOOKS_IN_VAIN_MAX = 10
"""So many one after the other, and the connection itself is taken for broken."""

log = structlog.get_logger()


class Stalled(Exception):  # noqa: N818  # it says what became of the consumer
    """Messages wait and do not come; only another process will hear them."""


class Intake:
    """What one queue has handed to this process."""

    def __init__(self) -> None:
        self.heard = 0
        self.in_hand = 0

    @contextmanager
    def taking(self) -> Iterator[None]:
        """While one message is worked on."""
        self.heard += 1
        self.in_hand += 1
        try:
            yield
        finally:
            self.in_hand -= 1


async def watch(connection: AbstractConnection, intakes: Mapping[str, Intake]) -> None:
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
            log.warning("stalls.unseen", looks=in_vain, error=repr(error)[:200])
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
