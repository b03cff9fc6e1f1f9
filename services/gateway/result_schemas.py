"""What the gateway says of a finished picture."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

TruthReason = Literal[
    "blank", "structure", "moved", "blurred", "clipped", "person", "face", "expression", "lines",
    "eyes", "stranger",
]  # fmt: skip


class Truth(BaseModel):
    """How true a result is to its photo. Amber: look closely whether they are still themselves."""

    score: Annotated[int, Field(ge=0, le=100)]
    verdict: Literal["green", "amber"]
    reasons: Annotated[
        list[TruthReason], Field(description="what is not as good as it can be, the worst first")
    ]


class Hints(BaseModel):
    """Which wishes of the note were granted, and which not, in the words of the engine."""

    applied: list[str]
    ignored: list[str]


class JobResult(BaseModel):
    """The finished picture. The address is signed, and valid for five minutes."""

    url: str
    expires_at: datetime
    width: int
    height: int
    media_type: str
    bytes: int
    sha256: str
    engine: str
    gpu_seconds: float
    truth: Annotated[
        Truth | None, Field(description="null of results that are older than the check")
    ]
    hints: Annotated[
        Hints | None, Field(description="null where nobody said: of older results, mostly")
    ]
