"""What uploads says, version 1."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from contracts.message import AccountId, Event, PhotoId, Pixels, Version

Coordinate = Annotated[float, Field(ge=0, le=1, description="Part of the width or height.")]
Quad = Annotated[
    list[tuple[Coordinate, Coordinate]],
    Field(
        min_length=4,
        max_length=4,
        description="Corners of the print as seen upright, clockwise from the upper left.",
    ),
]


class Outline(BaseModel):
    """What preparation proposed for a photo whose corners nobody gave."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    quad: Quad
    confidence: Annotated[float, Field(ge=0, le=1)]
    applied: Annotated[bool, Field(description="Whether the photo was cut along it.")]
    prints: Annotated[
        list[Quad], Field(description="Several prints in one picture, in reading order.")
    ] = []


class PhotoAccepted(Event):
    """The bytes are a photo that may be prepared; said again when its corners were changed.

    Without corners they are looked for; those of the whole picture leave it whole.
    """

    type = "uploads.photo.accepted.v1"

    photo_id: PhotoId
    account_id: AccountId
    version: Version
    object_key: str
    media_type: str
    size_bytes: Annotated[int, Field(gt=0)]
    width: Pixels
    height: Pixels
    quad: Quad | None = None
    etag: Annotated[str | None, Field(description="Of the object that was looked at.")] = None
    sha256: Annotated[str | None, Field(description="What its bytes must have, in hex.")] = None


class PhotoRejected(Event):
    """The bytes are no photo we can work with; they are deleted."""

    type = "uploads.photo.rejected.v1"

    photo_id: PhotoId
    account_id: AccountId
    version: Version
    code: str
    detail: str


class PhotoReady(Event):
    """The photo is flat, upright and clean; its original is deleted."""

    type = "uploads.photo.ready.v1"

    photo_id: PhotoId
    account_id: AccountId
    version: Version
    width: Pixels
    height: Pixels
    blurhash: str | None = None
    quad: Quad | None = None
    outline: Outline | None = None


class PhotoDeleted(Event):
    """The user deleted the photo; nothing of it may stay."""

    type = "uploads.photo.deleted.v1"

    photo_id: PhotoId
    account_id: AccountId
    version: Version


class AccountCleared(Event):
    """The account was erased: none of its photos is left, nor anything made of one."""

    type = "uploads.account.cleared.v1"

    account_id: AccountId
