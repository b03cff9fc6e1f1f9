"""Nudges: "look into the feed of this account", from the feed's writer to every gateway.

They are hints: transient, unconfirmed in effect, and nobody minds a lost one. Each gateway process
has a queue of its own that goes away with it.
"""

import asyncio
import os
import secrets
from collections.abc import Collection
from typing import Any
from uuid import UUID

import structlog
from faststream import AckPolicy, StreamMessage
from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue

from services.gateway.streams import Streams

SEND_TIMEOUT_S = 2
PREFETCH = 200
WAITING_MAX = 10_000
WAITING_MS_MAX = 30_000

EXCHANGE = RabbitExchange("rk.gw", type=ExchangeType.TOPIC, declare=False)
ROUTING_KEY = "users"
ID_BYTES = 16
"""The body of a nudge is the ids of its accounts, one after the other."""

log = structlog.get_logger()


async def send(broker: RabbitBroker, account_ids: Collection[UUID]) -> None:
    """Tell whoever streams these accounts' feeds to look; that nobody does is no error."""
    try:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await broker.publish(
                b"".join(account_id.bytes for account_id in account_ids),
                exchange=EXCHANGE,
                routing_key=ROUTING_KEY,
                mandatory=False,
                persist=False,
            )
    except Exception as error:  # noqa: BLE001  # the next heartbeat of the stream repairs it
        log.info("nudge.lost", error=repr(error)[:200])


def listen(broker: RabbitBroker, streams: Streams) -> None:
    """Pass on the nudges that reach this process, once the broker is started."""

    async def on_nudge(message: StreamMessage[Any]) -> None:
        body = message.body
        if len(body) % ID_BYTES:
            log.warning("nudge.strange", length=len(body))
            return
        for start in range(0, len(body), ID_BYTES):
            streams.nudge(UUID(bytes=body[start : start + ID_BYTES]))

    broker.subscriber(
        RabbitQueue(
            f"rk.gw.{os.getpid()}-{secrets.token_hex(4)}",
            durable=False,
            exclusive=True,
            auto_delete=True,
            routing_key=ROUTING_KEY,
            arguments={"x-max-length": WAITING_MAX, "x-message-ttl": WAITING_MS_MAX},
        ),
        EXCHANGE,
        channel=Channel(prefetch_count=PREFETCH),
        ack_policy=AckPolicy.ACK_FIRST,
        decoder=_undecoded,
        no_reply=True,
    )(on_nudge)


async def _undecoded(message: StreamMessage[Any]) -> StreamMessage[Any]:
    return message
