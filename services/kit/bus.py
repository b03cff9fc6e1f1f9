"""RabbitMQ behind FastStream, with its unsafe defaults turned off in this one place.

What a plain broker does, and what this module does instead:

* an unroutable message is reported as sent → it raises (`on_return_raises`);
* messages are transient → always persistent, always confirmed, always within `CONFIRM_TIMEOUT_S`;
* publishing to a missing exchange breaks the channel that consumers share → every consumer has a
  channel of its own;
* prefetch is unlimited → every queue names its own;
* a failing message is destroyed, or redelivered for ever → `Transient` errors come back after
  the pauses of `RETRY_LEVELS` on a copy with our own `x-attempt`, everything else is parked in
  `rk.dead.<service>` with its reason (by the queue's policy, if even that fails). Only what could
  not be copied for another try is requeued; a crash between the copy and its acknowledgement gives
  a duplicate, never a loss.

A handler does its work in `delivery.transaction()`, where the inbox makes redelivery harmless.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from faststream import AckPolicy, BaseMiddleware, StreamMessage
from faststream.exceptions import NackMessage
from faststream.rabbit import Channel, ExchangeType, QueueType, RabbitBroker, RabbitExchange
from faststream.rabbit import RabbitQueue as Queue
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.message import Envelope, Message
from services.kit import failpoints, telemetry
from services.kit.db import is_transient
from services.kit.inbox import AlreadyHandled, Delivery, Intake

CONFIRM_TIMEOUT_S = 10
CONNECT_RETRY_S = 1
START_TIMEOUT_S = 60
COPY_TRIES_MAX = 3
HANDLERS_FINISH_WITHIN_S = 8
BODY_BYTES_MAX = 256 * 1024
REASON_LENGTH_MAX = 500
RETRY_LEVELS = ("5s", *("30s",) * 4, *("5m",) * 12)
"""The pauses: after a short trouble all is soon done, and an hour of it parks nothing."""

log = structlog.get_logger()

_EXCHANGES = {
    "rk.events": RabbitExchange("rk.events", type=ExchangeType.TOPIC, declare=False),
    "rk.commands": RabbitExchange("rk.commands", type=ExchangeType.DIRECT, declare=False),
    "rk.progress": RabbitExchange("rk.progress", type=ExchangeType.TOPIC, declare=False),
    "rk.gw": RabbitExchange("rk.gw", type=ExchangeType.TOPIC, declare=False),
    "rk.dlx": RabbitExchange("rk.dlx", type=ExchangeType.TOPIC, declare=False),
    **{
        f"rk.retry.{level}": RabbitExchange(
            f"rk.retry.{level}", type=ExchangeType.FANOUT, declare=False
        )
        for level in set(RETRY_LEVELS)
    },
}
_STRIPPED_HEADERS = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-", "x-acquired-")


class Transient(Exception):  # noqa: N818  # it says how the failure is to be treated
    """The same message may succeed later; deliver it again after a pause."""


class NotUnderstood(Exception):  # noqa: N818  # the message is parked, not retried
    """No handler for this type, or a body that is not what its type promises."""


class Stalled(Exception):  # noqa: N818  # it says what became of the consumer
    """Messages wait and do not come; only another process will hear them."""


Handler = Callable[[Any, Delivery], Awaitable[None]]


class RetryMiddleware(BaseMiddleware):
    """Send a copy through a retry queue when the failure is transient; let the rest be parked."""

    async def consume_scope(
        self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]
    ) -> Any:
        try:
            return await call_next(msg)
        except Exception as error:
            attempt = int(msg.headers.get("x-attempt", 0))
            queue = self.context.get("handler_").queue.name
            headers = _headers_of_copy(msg.headers)
            if _is_worth_retrying(error) and attempt < len(RETRY_LEVELS):
                log.warning("message.retried", message_id=msg.message_id, error=repr(error)[:200])
                exchange, key = f"rk.retry.{RETRY_LEVELS[attempt]}", queue
                headers["x-attempt"] = attempt + 1
            else:
                log.exception("message.parked", message_id=msg.message_id, attempt=attempt)
                # Rejected, it would be parked as well, but nobody could see there why.
                exchange, key = "rk.dlx", f"dead.{queue.split('.')[1]}"
                headers["x-parked-from"] = queue
                headers["x-parked-at"] = datetime.now(UTC).isoformat(timespec="seconds")
                headers["x-reason"] = repr(error)[:REASON_LENGTH_MAX]
            try:
                await _publish_copy(
                    self.context.get("broker"),
                    msg.body,
                    exchange=exchange,
                    routing_key=key,
                    message_id=msg.message_id,
                    message_type=msg.raw_message.type or "",
                    correlation_id=msg.correlation_id,
                    headers=headers,
                )
            except Exception:
                if exchange == "rk.dlx":
                    raise
                # The broker takes no copies now, as with a full disk. Parked for that, a good
                # message would wait for an operator; the pauses before keep this from spinning.
                raise NackMessage(requeue=True) from error
            return None


def create_broker(url: str, *, name: str) -> RabbitBroker:
    """A broker that is not connected yet; `start` connects it."""
    broker = RabbitBroker(
        url,
        app_id=name,
        default_channel=Channel(prefetch_count=1, on_return_raises=True),
        middlewares=[RetryMiddleware],
        graceful_timeout=HANDLERS_FINISH_WITHIN_S,
        reconnect_interval=CONNECT_RETRY_S,
        apply_types=False,
        logger=None,
    )
    broker.context.set_global("intakes", {})
    return broker


def intakes(broker: RabbitBroker) -> dict[str, Intake]:
    """What each queue that is listened to has handed over so far."""
    of_queues: dict[str, Intake] = broker.context.get("intakes")
    return of_queues


async def start(broker: RabbitBroker) -> None:
    """Connect and begin to consume, waiting for a RabbitMQ that is still starting.

    One that was reached and then does not answer raises `Stalled`: half of the queues may be
    consumed already, so that only another process can begin anew.
    """
    while True:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                return await broker.start()
        except TimeoutError as error:
            raise Stalled("RabbitMQ does not let us consume") from error
        # A connection that is dropped at once raises StopAsyncIteration under uvloop.
        except Exception as error:  # noqa: BLE001
            log.warning("broker.unreachable", error=repr(error)[:200])
            await asyncio.sleep(CONNECT_RETRY_S)


async def publish(
    broker: RabbitBroker,
    body: bytes,
    *,
    exchange: str,
    routing_key: str,
    message_id: str,
    message_type: str,
    correlation_id: str | None,
    headers: dict[str, Any] | None = None,
    timestamp: datetime | None = None,
) -> None:
    """Publish and wait until the broker has it on disk; raise if no queue would get it."""
    # FastStream's own `timeout` never reaches the client library.
    async with asyncio.timeout(CONFIRM_TIMEOUT_S):
        await broker.publish(
            body,
            exchange=_EXCHANGES[exchange],
            routing_key=routing_key,
            mandatory=True,
            persist=True,
            message_id=message_id,
            message_type=message_type,
            correlation_id=correlation_id,
            content_type="application/json",
            headers=headers,
            timestamp=timestamp,
        )


def listen(
    broker: RabbitBroker,
    engine: AsyncEngine,
    *,
    queue: str,
    prefetch: int,
    handlers: Mapping[type[Message], Handler],
) -> None:
    """Act on the messages of one queue, `prefetch` of them at a time."""
    # FastStream would silently give a second subscriber the first one's channel and prefetch.
    assert queue not in intakes(broker), queue
    intake = intakes(broker)[queue] = Intake()
    by_type = {message.type: (message, handler) for message, handler in handlers.items()}
    names = {message.type.rpartition(".")[0] for message in handlers}

    def understood(envelope: Envelope) -> tuple[type[Message], Handler]:
        if envelope.type in by_type:
            return by_type[envelope.type]
        is_newer = envelope.type.rpartition(".")[0] in names
        why = "unsupported_version" if is_newer else "unknown_type"
        raise NotUnderstood(f"{why}: {queue} does not hear {envelope.type}")

    async def on_delivery(message: StreamMessage[Any]) -> None:
        with intake.taking():
            envelope = read_envelope(message.body, message.message_id)
            model, handler = understood(envelope)
            delivery = Delivery(engine, queue, envelope)
            with telemetry.caused_by(delivery.cause, doing=f"{queue} {envelope.type}"):
                try:
                    await handler(model.model_validate(envelope.data), delivery)
                except AlreadyHandled:
                    log.info("message.duplicate", message_id=str(envelope.id), type=envelope.type)
            await failpoints.reach("after_commit_before_ack")

    broker.subscriber(
        Queue(queue, queue_type=QueueType.QUORUM, declare=False),
        channel=Channel(prefetch_count=prefetch),
        ack_policy=AckPolicy.REJECT_ON_ERROR,
        decoder=_undecoded,
        no_reply=True,
    )(on_delivery)


def read_envelope(body: bytes, message_id: str) -> Envelope:
    """The envelope in a body, which is input like any other: bounded and validated."""
    if len(body) > BODY_BYTES_MAX:
        raise NotUnderstood(f"a body of {len(body)} bytes")
    try:
        envelope = Envelope.model_validate_json(body)
    except ValueError as error:
        raise NotUnderstood("the body is no CloudEvent") from error
    if UUID(message_id) != envelope.id:
        raise NotUnderstood("message_id and envelope differ")
    return envelope


async def _publish_copy(broker: RabbitBroker, body: bytes, **properties: Any) -> None:
    """Publish, again after a pause when the broker hesitates: a good message would be parked."""
    for left in reversed(range(COPY_TRIES_MAX)):
        try:
            await failpoints.reach("before_retry_copy")
            await publish(broker, body, **properties)
            await failpoints.reach("after_retry_copy")
        # A connection that breaks raises from many families, some of them plain `RuntimeError`s.
        except Exception as error:
            log.warning("copy.failed", message_id=properties["message_id"], error=repr(error)[:200])
            if not left:
                raise
            await asyncio.sleep(CONNECT_RETRY_S)
        else:
            return


async def _undecoded(message: StreamMessage[Any]) -> StreamMessage[Any]:
    return message


def _is_worth_retrying(error: BaseException) -> bool:
    if isinstance(error, Transient | OSError | AMQPError | ChannelInvalidStateError):
        return True
    return is_transient(error)


def _headers_of_copy(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in headers.items() if not k.startswith(_STRIPPED_HEADERS)}
