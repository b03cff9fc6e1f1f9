"""Structured logs, what caused the work at hand, and hooks for OpenTelemetry.

Logs are JSON lines with the correlation id, never with personal data, tokens or signed addresses.
Traces flow when an OpenTelemetry SDK is configured in the process; without one the API is a no-op.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import structlog
from opentelemetry import propagate, trace
from opentelemetry.context import attach, detach

tracer = trace.get_tracer("rekindle")


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something happens: the story it belongs to, and the message that led to it."""

    correlation_id: UUID = field(default_factory=uuid4)
    message_id: UUID | None = None
    traceparent: str | None = None


_cause: ContextVar[Cause | None] = ContextVar("cause", default=None)


def current_cause() -> Cause:
    """The cause of the work at hand; outside of any, a new story begins."""
    return _cause.get() or Cause()


def current_traceparent() -> str | None:
    """The W3C trace context of the current span, to be stored beside what is said."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def caused_by(cause: Cause, *, doing: str) -> Iterator[None]:
    """Do something because of `cause`: its id is in every log line and every message said."""
    token = _cause.set(cause)
    parent = propagate.extract({"traceparent": cause.traceparent} if cause.traceparent else {})
    context = attach(parent)
    try:
        with (
            structlog.contextvars.bound_contextvars(correlation_id=str(cause.correlation_id)),
            tracer.start_as_current_span(doing),
        ):
            yield
    finally:
        detach(context)
        _cause.reset(token)


def configure_logs(service: str, *, level: str = "info") -> None:
    """Write one JSON object per line to standard output, from our code and from libraries."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=structlog.processors.JSONRenderer(), foreign_pre_chain=shared
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
