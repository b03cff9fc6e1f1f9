"""The HTTP door of uploads."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.uploads.v1 import Outline, Quad
from services.kit.http import AccountOfCaller, InvalidRequest, Transaction
from services.kit.problems import NotFound
from services.kit.storage import Storage
from services.uploads import addresses, arrivals, photos, removal
from services.uploads.arrivals import Inspector
from services.uploads.corners import GivenQuad
from services.uploads.models import State
from services.uploads.photos import CAPTION_LENGTH_MAX, FILENAME_LENGTH_MAX

PAGE_MAX, PAGE_DEFAULT = 100, 20
SEARCH_LENGTH_MAX = 100
LINK_EXPIRES_S = 5 * 60

router = APIRouter(prefix="/v1/photos", tags=["photos"])


class NewPhoto(BaseModel):
    filename: Annotated[str, Field(min_length=1, max_length=FILENAME_LENGTH_MAX)]
    size: Annotated[int, Field(ge=1, le=2**53, strict=True, description="Bytes of the file.")]
    sha256: Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")] | None = None
    multipart: bool | None = None


class Completion(BaseModel):
    quad: GivenQuad | None = None


class Caption(BaseModel):
    """What to write about a photo; null takes it away."""

    caption: Annotated[str, Field(max_length=CAPTION_LENGTH_MAX)] | None


class FormUpload(BaseModel):
    """How to send the file: a form with these fields first and the file, as `file`, last."""

    method: Literal["POST"] = "POST"
    url: str
    fields: dict[str, str]
    expires_at: datetime


class PartAddress(BaseModel):
    number: int
    bytes: int
    url: str


class PartsUpload(BaseModel):
    """How to send the file: each missing part by a PUT to its address, several at a time."""

    method: Literal["PUT"] = "PUT"
    part_bytes: int
    parts: list[PartAddress]
    stored: list[int]
    expires_at: datetime


Upload = Annotated[FormUpload | PartsUpload, Field(discriminator="method")]


class PhotoProblem(BaseModel):
    code: str
    detail: str


class Photo(BaseModel):
    id: UUID
    state: Literal["begun", "accepted", "ready", "rejected", "deleted"]
    filename: str
    caption: str | None
    size: int | None
    media_type: str | None
    width: int | None
    height: int | None
    problem: PhotoProblem | None
    thumbnail_url: str | None
    preview_url: str | None
    master_url: str | None
    frame_url: str | None
    blurhash: str | None
    quad: Quad | None
    outline: Outline | None
    page_id: UUID | None
    created_at: datetime
    updated_at: datetime
    version: int


class BegunPhoto(BaseModel):
    photo: Photo
    upload: Upload | None


class PhotoPage(BaseModel):
    items: list[Photo]
    next_cursor: str | None


def _storage(request: Request) -> Storage:
    storage: Storage = request.app.state.storage
    return storage


def _inspector(request: Request) -> Inspector:
    inspector: Inspector = request.app.state.inspector
    return inspector


def _engine(request: Request) -> AsyncEngine:
    engine: AsyncEngine = request.app.state.engine
    return engine


Bucket = Annotated[Storage, Depends(_storage)]
Looks = Annotated[Inspector, Depends(_inspector)]
Engine = Annotated[AsyncEngine, Depends(_engine)]


@router.post("", status_code=201, responses={200: {"model": BegunPhoto}})
async def begin_photo(
    new: NewPhoto, engine: Engine, account_id: AccountOfCaller, storage: Bucket, response: Response
) -> BegunPhoto:
    """Announce a photo and learn where to send its file; one of the same bytes is found again."""
    announced = await addresses.announce(
        engine,
        storage,
        account_id=account_id,
        filename=new.filename,
        size=new.size,
        sha256=new.sha256.lower() if new.sha256 else None,
        in_parts=new.multipart,
    )
    photo, upload = announced.photo, announced.upload
    if not announced.is_new:
        response.status_code = 200
    response.headers["location"] = f"/v1/photos/{photo.id}"
    return BegunPhoto(photo=shown(photo, storage), upload=_told(upload) if upload else None)


@router.get("/{photo_id}/upload")
async def resume_upload(
    photo_id: UUID, engine: Engine, account_id: AccountOfCaller, storage: Bucket
) -> Upload:
    """What is still to be sent of a photo, with fresh addresses for it."""
    upload = await addresses.resume(engine, storage, account_id=account_id, photo_id=photo_id)
    return _told(upload)


@router.post("/{photo_id}/complete", status_code=202)
async def complete_photo(
    *,
    photo_id: UUID,
    engine: Engine,
    account_id: AccountOfCaller,
    storage: Bucket,
    inspector: Looks,
    completion: Completion | None = None,
) -> Photo:
    """Say that the file is there: it is looked at, then prepared."""
    photo = await arrivals.complete(
        engine,
        storage,
        inspector,
        account_id=account_id,
        photo_id=photo_id,
        quad=completion.quad if completion else None,
    )
    return shown(photo, storage)


@router.get("")
async def list_photos(
    *,
    connection: Transaction,
    account_id: AccountOfCaller,
    storage: Bucket,
    state: Literal["begun", "accepted", "ready", "rejected"] | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    search: Annotated[str | None, Query(max_length=SEARCH_LENGTH_MAX)] = None,
) -> PhotoPage:
    """The account's photos, newest first; all, or those whose caption or name contains words."""
    found = await photos.page(
        connection,
        account_id=account_id,
        state=State(state) if state else None,
        before=_read_cursor(cursor) if cursor else None,
        limit=limit + 1,
        search=search,
    )
    items = [shown(photo, storage) for photo in found[:limit]]
    more = len(found) > limit
    return PhotoPage(items=items, next_cursor=_cursor(items[-1].id) if more else None)


@router.get("/{photo_id}")
async def show_photo(
    photo_id: UUID, connection: Transaction, account_id: AccountOfCaller, storage: Bucket
) -> Photo:
    """One photo; its links work for five minutes."""
    photo = await photos.find(connection, account_id=account_id, photo_id=photo_id)
    return shown(photo, storage)


@router.put("/{photo_id}/caption")
async def set_caption(
    photo_id: UUID,
    wanted: Caption,
    connection: Transaction,
    account_id: AccountOfCaller,
    storage: Bucket,
) -> Photo:
    """Write a caption."""
    photo = await photos.describe(
        connection, account_id=account_id, photo_id=photo_id, caption=wanted.caption
    )
    return shown(photo, storage)


@router.delete("/{photo_id}", status_code=204)
async def delete_photo(
    photo_id: UUID, engine: Engine, account_id: AccountOfCaller, storage: Bucket
) -> None:
    """Delete a photo and every file of it."""
    async with engine.begin() as connection:
        await photos.find(connection, account_id=account_id, photo_id=photo_id)
        photo = await photos.delete(connection, photo_id)
    if photo is None:
        raise NotFound
    await removal.remove_at_once(engine, storage, photo)


def _told(upload: addresses.Form | addresses.InParts) -> FormUpload | PartsUpload:
    if isinstance(upload, addresses.Form):
        return FormUpload(url=upload.url, fields=upload.fields, expires_at=upload.expires_at)
    return PartsUpload(
        part_bytes=upload.part_bytes,
        parts=[
            PartAddress(number=part.number, bytes=part.size_bytes, url=url)
            for part, url in upload.missing
        ],
        stored=upload.stored,
        expires_at=upload.expires_at,
    )


def shown(photo: photos.Photo, storage: Storage) -> Photo:
    """A photo as its owner sees it, with addresses of what is made of it."""
    return Photo(
        id=photo.id,
        state=photo.state.value,
        filename=photo.filename,
        caption=photo.caption,
        size=photo.size_bytes,
        media_type=photo.media_type,
        width=photo.width,
        height=photo.height,
        problem=PhotoProblem(**photo.problem) if photo.problem else None,
        thumbnail_url=_link(photo, photo.thumbnail_key, storage),
        preview_url=_link(photo, photo.preview_key, storage),
        master_url=_link(photo, photo.master_key, storage),
        frame_url=_link(photo, photo.frame_key or photo.master_key, storage),
        blurhash=photo.blurhash,
        quad=photo.quad,
        outline=Outline.model_validate(photo.outline) if photo.outline else None,
        page_id=photo.page_id,
        created_at=photo.created_at,
        updated_at=photo.updated_at,
        version=photo.version,
    )


def _link(photo: photos.Photo, key: str | None, storage: Storage) -> str | None:
    if key is None or photo.state not in (State.ACCEPTED, State.READY):
        return None
    return storage.sign_get(key, expires_s=LINK_EXPIRES_S)


def _cursor(photo_id: UUID) -> str:
    return urlsafe_b64encode(photo_id.bytes).decode().rstrip("=")


def _read_cursor(cursor: str) -> UUID:
    try:
        return UUID(bytes=urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        raise InvalidRequest("cursor: use the one from the page before.") from None
