"""The shape every message shares: a CloudEvents 1.0 envelope around primitive data.

The body is the whole envelope as JSON, so that it reads the same in an outbox row, on the broker,
in a dead-letter queue and in a test (https://github.com/cloudevents/spec, structured mode).
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

AccountId = UUID
PhotoId = UUID
HandoffId = UUID
JobId = UUID
BatchId = UUID
AttemptId = UUID

Credits = Annotated[int, Field(gt=0, le=1_000_000_000, description="A whole number of credits.")]
Pixels = Annotated[int, Field(gt=0, description="Pixels along one side.")]
Version = Annotated[
    int, Field(ge=1, description="Grows with each change of the subject; ignore an older one.")
]
Tier = Literal["priority", "standard"]


class Message(BaseModel):
    """A fact or a request that crosses a service boundary.

    Readers ignore fields they do not know, so a writer may add an optional one at any time.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: ClassVar[Literal["event", "command"]]
    type: ClassVar[str]


class Event(Message):
    """Something that happened. Past tense; anyone may listen."""

    kind = "event"


class Command(Message):
    """Something to do. Imperative; exactly one service obeys."""

    kind = "command"


class Envelope(BaseModel):
    """What travels: who says what about which subject, and why."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: str
    type: str
    time: datetime
    subject: str
    correlationid: UUID
    causationid: UUID | None = None
    traceparent: str | None = None
    data: dict[str, Any]
