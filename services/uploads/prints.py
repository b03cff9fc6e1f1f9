"""What preparation made of a photo, and how it is made anew with other corners.

    accepted ──make_ready──▶ ready ──prepare_again──▶ accepted ──make_ready | refuse──▶ ready
        └─────refuse──▶ rejected

Once a photo was ready it always has a master: while it is prepared again, and when that fails, it
keeps the one it had. It is made anew of the whole picture: the original as long as it is not ready,
then the frame, or the master if nothing was cut off. Nothing here commits.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from contracts.processing.v1 import PhotoPrepared, PhotoUnusable
from contracts.uploads.v1 import PhotoReady
from services.kit import failpoints, outbox
from services.kit.db import Connection
from services.uploads import leftovers, photos
from services.uploads.corners import WHOLE
from services.uploads.errors import NotComplete, TooManyChanges
from services.uploads.models import State
from services.uploads.photos import SWEEP_AFTER, Photo

LEFTOVERS_MAX = 40
"""So many objects that were replaced may wait to be removed: some ten changes in two hours."""

Quad = list[tuple[float, float]]


async def make_ready(connection: Connection, prepared: PhotoPrepared) -> Photo | None:
    """Master and thumbnails are stored; None if the photo does not wait for them (any more)."""
    before = await photos.lock(connection, prepared.photo_id)
    if before is None or not _waits_for(before, prepared.version):
        return None
    photo = await photos.change(
        connection,
        prepared.photo_id,
        {State.ACCEPTED},
        state=State.READY,
        master_key=prepared.master_key,
        thumbnail_key=prepared.thumbnail_key,
        preview_key=prepared.preview_key,
        frame_key=prepared.frame_key,
        blurhash=prepared.blurhash,
        quad=prepared.quad,
        outline=_outline(prepared, before),
        width=prepared.width,
        height=prepared.height,
        sweep_at=photos.in_(SWEEP_AFTER),
    )
    assert photo
    await leftovers.leave(connection, photo.id, before.made_keys - photo.made_keys)
    await failpoints.reach("mid_ready")
    await _say_ready(connection, photo)
    return photo


async def refuse(connection: Connection, unusable: PhotoUnusable) -> Photo | None:
    """It could not be prepared, and ends; or stays what it was, if it had a master before.

    None if the photo does not wait for this (any more).
    """
    before = await photos.lock(connection, unusable.photo_id)
    if before is None or not _waits_for(before, unusable.version):
        return None
    problem = {"code": unusable.code, "detail": unusable.detail}
    if not before.made_keys:
        return await photos.reject(
            connection, unusable.photo_id, when=State.ACCEPTED, problem=problem
        )
    photo = await photos.change(
        connection,
        unusable.photo_id,
        {State.ACCEPTED},
        state=State.READY,
        quad_asked=before.quad or WHOLE,
        problem=problem,
    )
    assert photo
    await leftovers.leave(connection, photo.id, before.keys_in_the_making)
    await _say_ready(connection, photo)
    return photo


async def discard(connection: Connection, prepared: PhotoPrepared) -> Photo | None:
    """Nobody waits for what was made: it is due to be removed.

    What is shown stays. The photo, if it is over: then all of it must go at once.
    """
    photo = await photos.lock(connection, prepared.photo_id)
    made = {prepared.master_key, prepared.thumbnail_key}
    made |= {key for key in (prepared.preview_key, prepared.frame_key) if key}
    if photo and photo.state in (State.ACCEPTED, State.READY):
        await leftovers.leave(connection, photo.id, made - photo.made_keys)
        return None
    await leftovers.leave(connection, prepared.photo_id, made, after=timedelta(0))
    return photo


async def prepare_again(
    connection: Connection, *, account_id: UUID, photo_id: UUID, quad: Quad
) -> Photo:
    """Have a photo cut along these corners. Asked for what it is already, nothing happens."""
    await outbox.require_room(connection)
    await photos.find(connection, account_id=account_id, photo_id=photo_id)
    before = await photos.lock(connection, photo_id)
    if before is None or before.state not in (State.ACCEPTED, State.READY):
        state = before.state.value if before else State.DELETED.value
        raise NotComplete(f"The photo is {state}: there is nothing to cut.", state=state)
    is_ready = before.state == State.READY
    if _as_asked(quad) == _as_asked((before.quad or WHOLE) if is_ready else before.quad_asked):
        return before
    if await leftovers.count(connection, photo_id) >= LEFTOVERS_MAX:
        raise TooManyChanges(retry_after_s=int(leftovers.READ_FOR.total_seconds()) // 4)
    if not is_ready:
        await leftovers.leave(connection, photo_id, before.keys_in_the_making)
    photo = await photos.change(
        connection,
        photo_id,
        {State.ACCEPTED, State.READY},
        state=State.ACCEPTED,
        accepted_version=before.version + 1,
        quad_asked=quad,
        problem=None,
    )
    assert photo
    await photos.say_accepted(connection, photo)
    return photo


def _waits_for(photo: Photo, version: int | None) -> bool:
    """Whether this is the end of the preparation that was asked for last."""
    return photo.state == State.ACCEPTED and version in (None, photo.accepted_version)


def _outline(prepared: PhotoPrepared, before: Photo) -> dict[str, Any] | None:
    """What was proposed, now or when the photo was first prepared, and whether it holds."""
    if prepared.outline:
        return prepared.outline.model_dump(mode="json")
    known = before.outline
    return known and known | {"applied": _as_asked(known["quad"]) == _as_asked(prepared.quad)}


def _as_asked(quad: Any) -> list[list[float]] | None:
    return [list(corner) for corner in quad] if quad else None


async def _say_ready(connection: Connection, photo: Photo) -> None:
    ready = PhotoReady.model_validate(
        {
            "photo_id": photo.id,
            "account_id": photo.account_id,
            "version": photo.version,
            "width": photo.width,
            "height": photo.height,
            "blurhash": photo.blurhash,
            "quad": photo.quad,
            "outline": photo.outline,
        }
    )
    await outbox.say(connection, ready, about=photo.id)
