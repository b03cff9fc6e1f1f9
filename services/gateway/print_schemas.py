"""The public shapes of prints: their corners, what is proposed, and what is asked for."""

from typing import Annotated

from pydantic import BaseModel, Field

Point = tuple[float, float]
PRINTS_MAX = 9

Quad = Annotated[
    list[Point],
    Field(
        min_length=4,
        max_length=4,
        description="Corners as seen upright, clockwise from the upper left, each 0 to 1.",
    ),
]
Confidence = Annotated[float, Field(ge=0, le=1, description="How sure we are, from 0 to 1.")]


class Print(BaseModel):
    """One print in a picture."""

    quad: Quad
    confidence: Confidence


class Outline(Print):
    """Where we would cut; the whole picture when we do not know."""

    prints: Annotated[
        list[Print],
        Field(description="Each of several prints in reading order; empty when there is one."),
    ]


class AppliedOutline(BaseModel):
    """What was proposed while a photo without corners was prepared."""

    quad: Quad
    confidence: Confidence
    applied: Annotated[bool, Field(description="Whether the photo is cut along it.")]
    prints: list[Quad]


class CutPhoto(BaseModel):
    """Where to cut a photo; null leaves the picture whole."""

    quad: Quad | None


class SplitPhoto(BaseModel):
    """The prints in a picture, in order."""

    quads: list[Quad] | None = Field(
        default=None,
        min_length=1,
        max_length=PRINTS_MAX,
        description="Left out, they are looked for.",
    )
