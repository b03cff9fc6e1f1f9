"""What a status of RunPod means for an attempt. Pure: an answer in, a decision out."""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from services.processing.runpod import Status

DETAIL_LENGTH_MAX = 500
WORDS_MAX, WORDS_LENGTH_MAX = 20, 120
Word = Annotated[str, Field(pattern=r"^[\x20-\x7e]{0,100}$")]

Fault = Literal[
    "input", "oom", "infra", "model", "timed-out", "cancelled", "lost", "bad-request", "quality"
]
WORKER_FAULTS: tuple[Fault, ...] = ("input", "oom", "infra", "model")


def _words(said: Any) -> list[str]:
    """What a worker says in words of its own: a few, short, and printable, or nothing."""
    words = said if isinstance(said, list) else []
    kept = [word for word in words if isinstance(word, str) and word.isprintable()]
    return [word[:WORDS_LENGTH_MAX] for word in kept[:WORDS_MAX]]


Words = Annotated[list[str], BeforeValidator(_words)]


class Hints(BaseModel):
    """Which wishes of a note were granted, and which not, each with its reason."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    applied: Words = []
    ignored: Words = []


class WorkerOutput(BaseModel):
    """What a worker reports of a finished attempt."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    attempt_id: UUID
    engine: Word
    engine_version: Word = ""
    gpu: Word = ""
    width: Annotated[int, Field(gt=0, le=100_000)]
    height: Annotated[int, Field(gt=0, le=100_000)]
    bytes: Annotated[int, Field(gt=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    media_type: Literal["image/png"]
    hints: Annotated[
        Hints, BeforeValidator(lambda said: said if isinstance(said, dict) else {})
    ] = Hints()


@dataclass(frozen=True, slots=True)
class Running:
    """Not over yet, as far as we know."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The worker says that the result is stored."""

    output: WorkerOutput
    gpu_seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The run ended without a result."""

    fault: Fault
    detail: str
    gpu_seconds: float


def outcome_of(status: Status, attempt_id: UUID) -> Running | Finished | Failed:
    """What this answer says about the attempt; an unknown state is not an end."""
    seconds = status.execution_time / 1000
    match status.status:
        case "COMPLETED":
            return _finished(status, attempt_id, seconds)
        case "FAILED":
            return _failed(status.error, seconds)
        case "TIMED_OUT":
            return Failed("timed-out", "RunPod stopped the run", seconds)
        case "CANCELLED":
            return Failed("cancelled", "the run was cancelled", seconds)
        case _:
            return Running()


def _finished(status: Status, attempt_id: UUID, seconds: float) -> Finished | Failed:
    try:
        output = WorkerOutput.model_validate(status.output)
    except ValidationError as error:
        where = ", ".join(str(fault["loc"]) for fault in error.errors()[:5])
        return Failed("infra", f"the worker's answer is not valid: {where}", seconds)
    if output.attempt_id != attempt_id:
        return Failed("infra", "the answer belongs to another attempt", seconds)
    return Finished(output, seconds)


def _failed(error: Any, seconds: float) -> Failed:
    """Workers say `{"class", "detail"}` as JSON; anything else is trouble of the machine."""
    try:
        told = json.loads(error) if isinstance(error, str) else error
        fault = told["class"]
        detail = str(told["detail"])
    except (ValueError, KeyError, TypeError, RecursionError):
        fault, detail = "infra", str(error)
    if fault not in WORKER_FAULTS:
        fault = "infra"
    return Failed(fault, detail[:DETAIL_LENGTH_MAX].replace("\0", ""), seconds)
