"""Hearing messages together: those that arrive at the same time share one transaction.

The queue's order is kept, each message is claimed from the inbox as ever, and one that fails is
retried or parked alone.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from faststream.rabbit import RabbitBroker
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.message import Message
from services.kit import bus, failpoints, inbox
from services.kit.coalescing import Coalesced
from services.kit.db import Connection
from services.kit.inbox import Delivery

Heard = tuple[Any, Delivery]
Act = Callable[[Connection, Sequence[Heard]], Awaitable[None]]
Then = Callable[[Sequence[Heard]], Awaitable[None]]


def listen(
    broker: RabbitBroker,
    engine: AsyncEngine,
    *,
    queue: str,
    prefetch: int,
    messages: Collection[type[Message]],
    act: Act,
    then: Then | None = None,
) -> None:
    """Act on what arrives together in one transaction, up to `prefetch` messages at a time."""
    hear = handler(engine, size_max=prefetch, act=act, then=then)
    handlers = dict.fromkeys(messages, hear)
    bus.listen(broker, engine, queue=queue, prefetch=prefetch, handlers=handlers)


def handler(
    engine: AsyncEngine, *, size_max: int, act: Act, then: Then | None = None
) -> bus.Handler:
    """Let messages that are being handled at the same time share a transaction.

    `act` gets those the inbox did not know, in the order of their arrival. It may be called again
    with fewer of them, in a new transaction, so it does nothing that a rollback would not undo.
    `then` is for what may happen only once that is committed, and may be lost.
    """

    async def work(heard: Sequence[Heard]) -> Sequence[None]:
        unique = {delivery.claim: (message, delivery) for message, delivery in heard}
        async with engine.begin() as connection:
            claimed = await inbox.claim(connection, unique)
            news = [one for claim, one in unique.items() if claim in claimed]
            if news:
                await act(connection, news)
            await failpoints.reach("after_effects_before_commit")
        if then and news:
            await then(news)
        return [None] * len(heard)

    coalesced = Coalesced(work, size_max=size_max)

    async def hear(message: Message, delivery: Delivery) -> None:
        await coalesced((message, delivery))

    return hear
