"""Raw aio-pika, the least a client in asyncio can do: publish confirmed, consume, acknowledge.

Orders: `publish` and `consume` so many, and `batches`: publish so many, 500 and their confirms at a
time. Bodies are the same bytes that ours sends; nothing is read in them.
"""

import asyncio
import os
import sys

import aio_pika
import uvloop
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractIncomingMessage

from bench.peers import told

WINDOW, PREFETCH, BATCH = 200, 200, 500


async def main() -> None:
    number, body = int(sys.argv[1]), os.environ["PEER_BODY"].encode()
    exchange_name, queue_name = os.environ["PEER_EXCHANGE"], os.environ["PEER_QUEUE"]
    connection = await aio_pika.connect_robust(os.environ["PEER_AMQP_URL"])
    channel = await connection.channel(publisher_confirms=True)
    exchange = await channel.get_exchange(exchange_name)

    async def publish_one(one: int) -> None:
        message = Message(
            body,
            delivery_mode=DeliveryMode.PERSISTENT,
            message_id=str(one),
            content_type="application/json",
        )
        await exchange.publish(message, routing_key=queue_name)

    async def publish() -> int:
        await told.many(number, WINDOW, publish_one)
        return number

    async def batches() -> int:
        for start in range(0, number, BATCH):
            await asyncio.gather(*(publish_one(start + one) for one in range(BATCH)))
        return number

    async def consume() -> int:
        got, done = 0, asyncio.get_running_loop().create_future()

        async def on_message(message: AbstractIncomingMessage) -> None:
            nonlocal got
            await message.ack()
            got += 1
            if got == number:
                done.set_result(got)

        other = await connection.channel()
        await other.set_qos(prefetch_count=PREFETCH)
        queue = await other.get_queue(queue_name)
        tag = await queue.consume(on_message)
        await done
        await queue.cancel(tag)
        await other.close()
        return got

    await told.obey({"publish": publish, "batches": batches, "consume": consume})
    await connection.close()


if __name__ == "__main__":
    uvloop.run(main())
