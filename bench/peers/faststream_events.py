"""FastStream as its documentation has it: a Pydantic model out, the same model in, injected.

Orders: `publish` and `consume` so many. Acknowledged when the handler has returned.
"""

import asyncio
import os
import sys

import uvloop
from faststream import AckPolicy
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitExchange, RabbitQueue
from pydantic import BaseModel

from bench.peers import told

WINDOW, PREFETCH = 200, 200


class Data(BaseModel):
    attempt_id: str
    job_id: str
    tier: str


class Event(BaseModel):
    """The same shape as our envelope, in the model that the library is to fill."""

    specversion: str
    id: str
    source: str
    type: str
    time: str
    subject: str
    correlationid: str
    causationid: str | None
    traceparent: str | None
    data: Data


async def main() -> None:
    number, event = int(sys.argv[1]), Event.model_validate_json(os.environ["PEER_BODY"])
    name, url = os.environ["PEER_QUEUE"], os.environ["PEER_AMQP_URL"]
    exchange = RabbitExchange(os.environ["PEER_EXCHANGE"], declare=False)
    faststream = RabbitBroker(url, logger=None)
    await faststream.connect()

    async def publish_one(_: int) -> None:
        await faststream.publish(event, exchange=exchange, routing_key=name, persist=True)

    async def publish() -> int:
        await told.many(number, WINDOW, publish_one)
        return number

    async def consume() -> int:
        got, done = 0, asyncio.get_running_loop().create_future()
        hearing = RabbitBroker(url, logger=None)

        @hearing.subscriber(
            RabbitQueue(name, queue_type=QueueType.QUORUM, declare=False),
            channel=Channel(prefetch_count=PREFETCH),
            ack_policy=AckPolicy.REJECT_ON_ERROR,
        )
        async def on_event(heard: Event) -> None:
            nonlocal got
            assert heard.data.tier == event.data.tier
            got += 1
            if got == number:
                done.set_result(got)

        await hearing.start()
        await done
        await hearing.stop()
        return got

    await told.obey({"publish": publish, "consume": consume})
    await faststream.stop()


if __name__ == "__main__":
    uvloop.run(main())
