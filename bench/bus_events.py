"""Our event client, told like the peers what to do: `services.kit.bus` as the services use it.

Orders: `publish` and `consume` so many. A handler that does nothing, so that no database is met.
"""

import asyncio
import json
import os
import sys

import uvloop
from sqlalchemy.ext.asyncio import create_async_engine

from bench.peers import told
from contracts.message import Envelope
from contracts.processing.v1 import CheckResult
from services.kit import bus, telemetry
from services.kit.db import uuid7
from services.kit.inbox import Delivery

WINDOW, PREFETCH = 200, 200


async def main() -> None:
    number, queue = int(sys.argv[1]), os.environ["PEER_QUEUE"]
    url, exchange = os.environ["PEER_AMQP_URL"], os.environ["PEER_EXCHANGE"]
    event = Envelope.model_validate_json(os.environ["PEER_BODY"])
    telemetry.configure_logs("bench", level="warning")
    publisher = bus.create_broker(url, name="bench")
    await bus.start(publisher)

    async def publish_one(_: int) -> None:
        # Encoded anew each time, as the relay does with every row.
        event_id = uuid7()
        body = json.dumps({**payload, "id": str(event_id)}).encode()
        await bus.publish(
            publisher,
            body,
            exchange=exchange,
            routing_key=queue,
            message_id=str(event_id),
            message_type=event.type,
            correlation_id=str(event.correlationid),
            timestamp=event.time,
        )

    payload = event.model_dump(mode="json")
    unused = create_async_engine("postgresql+asyncpg://")

    async def publish() -> int:
        await told.many(number, WINDOW, publish_one)
        return number

    async def consume() -> int:
        got, done = 0, asyncio.get_running_loop().create_future()

        async def on_command(command: CheckResult, _: Delivery) -> None:
            nonlocal got
            assert command.tier == "priority"
            got += 1
            if got == number:
                done.set_result(got)

        hearing = bus.create_broker(url, name="bench")
        bus.listen(
            hearing,
            unused,
            queue=queue,
            prefetch=PREFETCH,
            handlers={CheckResult: on_command},
        )
        await bus.start(hearing)
        await done
        await hearing.stop()
        return got

    await told.obey({"publish": publish, "consume": consume})
    await publisher.stop()


if __name__ == "__main__":
    if sys.argv[2:] == ["uvloop"]:
        uvloop.run(main())
    else:
        asyncio.run(main())
