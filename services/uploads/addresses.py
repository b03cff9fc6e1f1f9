"""Where the file of an announced photo goes: to one form, or in parts to an address for each.

announced ──▶ (an upload in parts is started at S3, its id noted) ──▶ addresses, fresh ones any time

Who dies between start and note leaves an upload that is found by the photo's key: whoever comes
next takes it up, and when the photo ends, so does it.
"""

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import failpoints
from services.kit.storage import NoSuchObject, Storage
from services.uploads import announcements, parts
from services.uploads.errors import UploadEnded
from services.uploads.models import State
from services.uploads.parts import PART_BYTES, Part
from services.uploads.photos import UPLOAD_WITHIN, Photo

IN_PARTS_FROM_BYTES = 8 * 2**20
EXPIRES_S = int(UPLOAD_WITHIN.total_seconds())


@dataclass(frozen=True, slots=True)
class Form:
    """The whole file goes to one address, with these fields before it."""

    url: str
    fields: dict[str, str]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class InParts:
    """The numbers of the parts that S3 has, and the addresses of those that it waits for."""

    stored: list[int]
    missing: list[tuple[Part, str]]
    expires_at: datetime
    part_bytes: int = PART_BYTES


@dataclass(frozen=True, slots=True)
class Announced:
    """A photo and where its file goes: nowhere if it has arrived before."""

    photo: Photo
    upload: Form | InParts | None
    is_new: bool


async def announce(
    engine: AsyncEngine,
    storage: Storage,
    *,
    account_id: UUID,
    filename: str,
    size: int,
    sha256: str | None,
    in_parts: bool | None,
) -> Announced:
    """A new photo, or the account's photo of the same bytes with what is still to be sent of it."""
    async with engine.begin() as connection:
        photo, is_new = await announcements.begin(
            connection,
            account_id=account_id,
            filename=filename,
            size=size,
            sha256=sha256,
            in_parts=size > IN_PARTS_FROM_BYTES if in_parts is None else in_parts,
        )
    if is_new and not photo.in_parts:
        return Announced(photo, await _form(storage, photo), is_new)
    return await _addressed(engine, storage, photo, is_new=is_new)


async def resume(
    engine: AsyncEngine, storage: Storage, *, account_id: UUID, photo_id: UUID
) -> Form | InParts:
    """What is still to be sent of a photo, with fresh addresses for it."""
    async with engine.begin() as connection:
        photo = await announcements.find(connection, account_id=account_id, photo_id=photo_id)
    announced = await _addressed(engine, storage, photo, is_new=False)
    if announced.upload is None:
        raise UploadEnded(state=announced.photo.state)
    return announced.upload


async def _addressed(
    engine: AsyncEngine, storage: Storage, photo: Photo, *, is_new: bool
) -> Announced:
    if photo.state != State.BEGUN:
        return Announced(photo, None, is_new)
    upload_id = photo.upload_id
    if photo.in_parts and upload_id is None:
        left = [] if is_new else await parts.left_open(storage, prefix=photo.original_key)
        upload_id = left[0]["UploadId"] if left else await parts.start(storage, photo.original_key)
        await failpoints.reach("after_upload_start_before_row")
    async with engine.begin() as connection:
        renewed = await announcements.renew(connection, photo.id, upload_id=upload_id)
        known = renewed or await announcements.find(
            connection, account_id=photo.account_id, photo_id=photo.id
        )
    if upload_id and upload_id != known.upload_id:
        # Somebody else started one at the same time, and was faster.
        await parts.end(storage, photo.original_key, upload_id)
    if renewed is None:
        return Announced(known, None, is_new)
    if renewed.in_parts:
        return Announced(renewed, await _in_parts(storage, renewed, is_new=is_new), is_new)
    return Announced(renewed, await _form(storage, renewed), is_new)


async def _form(storage: Storage, photo: Photo) -> Form:
    fields = dict(parts.OF_ORIGINALS)
    if photo.sha256_announced:
        # Then S3 itself refuses other bytes. Of a file in parts it cannot tell.
        digest = b64encode(bytes.fromhex(photo.sha256_announced)).decode()
        fields |= {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-sha256": digest}
    post = await storage.sign_post(
        photo.original_key, size_bytes=photo.size_announced, expires_s=EXPIRES_S, **fields
    )
    return Form(post.url, post.fields, photo.upload_expires_at)


async def _in_parts(storage: Storage, photo: Photo, *, is_new: bool) -> InParts:
    assert photo.upload_id
    cut = parts.parts_of(photo.size_announced)
    try:
        key, upload_id = photo.original_key, photo.upload_id
        arrived = {} if is_new else await parts.arrived(storage, key, upload_id)
    except NoSuchObject:
        # They are one object already: all that is missing is somebody who looks at it.
        arrived = dict.fromkeys(cut, "")
    return InParts(
        stored=[part.number for part in cut if part in arrived],
        missing=[
            (part, parts.address(storage, key, upload_id, part, expires_s=EXPIRES_S))
            for part in cut
            if part not in arrived
        ],
        expires_at=photo.upload_expires_at,
    )
