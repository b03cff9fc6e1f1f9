"""The HTTP door for prints: where a photo lies, along which corners it is cut, and its parts."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header
from pydantic import BaseModel, Field

from services.kit.http import AccountOfCaller, Transaction
from services.uploads import arrivals, prints, splitting
from services.uploads.api import Bucket, Engine, Looks, Photo, shown
from services.uploads.corners import WHOLE, GivenQuad

KEY_LENGTH_MAX = 255

router = APIRouter(prefix="/v1/photos", tags=["photos"])


class Picture(BaseModel):
    """Where the whole picture lies; never told outside."""

    object_key: str


class Corners(BaseModel):
    """The corners to cut along; none: the whole picture."""

    quad: GivenQuad | None


class Parts(BaseModel):
    """The corners of each print."""

    quads: Annotated[list[GivenQuad], Field(min_length=1, max_length=splitting.PARTS_MAX)]


class Photos(BaseModel):
    """Photos that were cut out of one, in order."""

    items: list[Photo]


@router.get("/{photo_id}/picture")
async def find_picture(
    photo_id: UUID, engine: Engine, account_id: AccountOfCaller, storage: Bucket, inspector: Looks
) -> Picture:
    """Where the picture lies that corners refer to; a file that was not complete is looked at."""
    key = await arrivals.picture(
        engine, storage, inspector, account_id=account_id, photo_id=photo_id
    )
    return Picture(object_key=key)


@router.put("/{photo_id}/quad", status_code=202)
async def set_quad(
    photo_id: UUID,
    corners: Corners,
    connection: Transaction,
    account_id: AccountOfCaller,
    storage: Bucket,
) -> Photo:
    """Cut a photo along other corners. Jobs that wait take what comes of it."""
    photo = await prints.prepare_again(
        connection, account_id=account_id, photo_id=photo_id, quad=corners.quad or WHOLE
    )
    return shown(photo, storage)


@router.post("/{photo_id}/split", status_code=201)
async def split_photo(
    *,
    photo_id: UUID,
    parts: Parts,
    engine: Engine,
    account_id: AccountOfCaller,
    storage: Bucket,
    inspector: Looks,
    idempotency_key: Annotated[str, Header(min_length=1, max_length=KEY_LENGTH_MAX)],
) -> Photos:
    """Make a photo of each of the prints in one; the same key gives the same photos."""
    made = await splitting.split(
        engine,
        storage,
        inspector,
        account_id=account_id,
        page_id=photo_id,
        quads=parts.quads,
        key=idempotency_key,
    )
    return Photos(items=[shown(photo, storage) for photo in made])
