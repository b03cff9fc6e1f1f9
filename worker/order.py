"""What a worker is asked to do: the input of a RunPod job, checked before anything is fetched."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    ValidationError,
)

from worker.failures import AttemptError

Task = Literal["restore", "colourize", "restore_colourize"]
NOTE_MAX = 1_000
HEADERS_MAX = 16
HEADER_LENGTH_MAX = 500
ALLOWED_HEADERS = "^(content-type|if-none-match|cache-control|x-amz-[a-z0-9-]{1,60})$"

HeaderName = Annotated[str, Field(pattern=f"(?i){ALLOWED_HEADERS}")]
HeaderValue = Annotated[str, Field(max_length=HEADER_LENGTH_MAX, pattern=r"^[\x20-\x7e]*$")]


class Source(BaseModel):
    url: HttpUrl


class Destination(BaseModel):
    url: HttpUrl
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict, max_length=HEADERS_MAX)


class Options(BaseModel):
    seed: int = Field(ge=0, lt=2**63)
    note: str | None = Field(default=None, max_length=NOTE_MAX)
    short_side_max: int = Field(ge=240, le=2160)


class Order(BaseModel):
    """One attempt. Unknown fields are ignored, so that an older worker hears a newer dispatcher."""

    model_config = ConfigDict(extra="ignore")

    attempt_id: UUID
    task: Task
    images: list[Source] = Field(min_length=1, max_length=1)
    output: Destination
    options: Options


def read_order(job_input: Any) -> Order:
    try:
        return Order.model_validate(job_input)
    except ValidationError as error:
        raise AttemptError("input", _explain(error)) from None


def _explain(error: ValidationError) -> str:
    """Name the fields and the reasons, never the values: they hold signed addresses."""
    faults = (
        f"{'.'.join(str(part) for part in fault['loc']) or 'input'}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False)
    )
    return "; ".join(faults)
