"""What a worker is asked to do: the input of a RunPod job, checked before anything is fetched.

    {"attempt_id": …, "task": "restore", "images": [{"url": …, "sha256": …}],
     "output": {"url": …, "headers": {…}}, "poster": {…},
     "options": {"seed": 7, "short_side_max": 720, "note": …, "preset": "best", …}}

`poster` belongs to `animate` alone: it is the first frame of the clip, as a picture.
"""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    ValidationError,
    model_validator,
)

from worker.failures import AttemptError

Task = Literal["restore", "colourize", "restore_colourize", "bring_together", "animate"]
Preset = Literal["fast", "best"]

PHOTOS: dict[Task, tuple[int, int]] = {
    "restore": (1, 1),
    "colourize": (1, 1),
    "restore_colourize": (1, 1),
    "bring_together": (2, 3),
    "animate": (1, 1),
}
"""How many photos a task takes, at least and at most."""

SAME_PICTURE: frozenset[Task] = frozenset({"restore", "colourize", "restore_colourize"})
"""Tasks whose result shows what the photo shows, so that the two can be blended."""

NOTE_MAX = 1_000
HEADERS_MAX = 16
HEADER_LENGTH_MAX = 500
FAULTS_MAX = 5  # one mistake can be found a hundred times in a list of images
ALLOWED_HEADERS = "^(content-type|if-none-match|cache-control|x-amz-[a-z0-9-]{1,60})$"

HeaderName = Annotated[str, Field(pattern=f"(?i){ALLOWED_HEADERS}")]
HeaderValue = Annotated[str, Field(max_length=HEADER_LENGTH_MAX, pattern=r"^[\x20-\x7e]*$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Source(BaseModel):
    """A photo. With its hash, another file at the same address is refused."""

    url: HttpUrl
    sha256: Sha256 | None = None


class Destination(BaseModel):
    url: HttpUrl
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict, max_length=HEADERS_MAX)


class Options(BaseModel):
    """How the work is to be done.

    `strength` is how much of the engine's work is seen: 1 all of it, less is blended with the
    photo. `keep_black_and_white` promises a result without any colour.
    """

    seed: int = Field(ge=0, lt=2**63)
    note: str | None = Field(default=None, max_length=NOTE_MAX)
    short_side_max: int = Field(ge=240, le=2160)
    preset: Preset = "best"
    strength: float = Field(default=1.0, ge=0.1, le=1.0)
    keep_black_and_white: bool = False


class Order(BaseModel):
    """One attempt. Unknown fields are ignored, so that an older worker hears a newer dispatcher."""

    model_config = ConfigDict(extra="ignore")

    attempt_id: UUID
    task: Task
    images: list[Source] = Field(min_length=1, max_length=max(most for _, most in PHOTOS.values()))
    output: Destination
    poster: Destination | None = None
    options: Options

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        least, most = PHOTOS[self.task]
        if not least <= len(self.images) <= most:
            number = str(least) if least == most else f"{least} to {most}"
            raise ValueError(f"{self.task} takes {number} photos and there are {len(self.images)}")
        if (self.task == "animate") != (self.poster is not None):
            raise ValueError("animate needs a place for its poster, and nothing else has one")
        if self.options.keep_black_and_white and "colourize" in self.task:
            raise ValueError(f"{self.task} cannot keep a photo black and white")
        if self.options.strength < 1 and self.task not in SAME_PICTURE:
            raise ValueError(f"{self.task} has no strength: its result is no copy of one photo")
        return self


def read_order(job_input: Any) -> Order:
    try:
        return Order.model_validate(job_input)
    except ValidationError as error:
        raise AttemptError("input", _explain(error)) from None


def _explain(error: ValidationError) -> str:
    """Name the fields and the reasons, never the values: they hold signed addresses."""
    faults = [
        f"{'.'.join(str(part) for part in fault['loc']) or 'input'}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False)
    ]
    return "; ".join(faults[:FAULTS_MAX])
