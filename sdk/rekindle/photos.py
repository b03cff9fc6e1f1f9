"""Photos: announced to Rekindle, sent straight to the storage, prepared, and deleted."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID, uuid4

from sdk.rekindle.files import Progress, fingerprint, send_file
from sdk.rekindle.models import (
    UPLOAD,
    BegunPhoto,
    FormUpload,
    Outline,
    Page,
    PartsUpload,
    Photo,
)
from sdk.rekindle.parts import send_parts
from sdk.rekindle.problems import AddressExpired, RekindleProblem
from sdk.rekindle.transport import Transport
from sdk.rekindle.waiting import wait_until

READY_TIMEOUT_S = 180.0
ROUNDS_MAX = 30
"""So often the addresses of one upload may expire, each time after minutes: for slow lines."""

Corner = tuple[float, float]


class Photos:
    """The user's photos."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def begin(
        self,
        filename: str,
        size: int,
        sha256: str | None = None,
        *,
        multipart: bool | None = None,
    ) -> BegunPhoto:
        """Announce a file; the answer says where its bytes go.

        With the `sha256` of a file that was announced before it is the same photo again, with what
        is still missing of it.
        """
        body = {"filename": filename, "size": size, "sha256": sha256, "multipart": multipart}
        answer = await self._transport.request("POST", "/v1/photos", body=body)
        return BegunPhoto.model_validate_json(answer.content)

    async def resume(self, photo_id: UUID) -> FormUpload | PartsUpload:
        """Ask for what is still to be sent of a photo, with fresh addresses for it."""
        answer = await self._transport.request("GET", f"/v1/photos/{photo_id}/upload")
        return UPLOAD.validate_json(answer.content)

    async def upload(
        self,
        upload: FormUpload | PartsUpload | None,
        path: Path,
        *,
        on_progress: Progress | None = None,
    ) -> None:
        """Send to the storage what is missing of a file: all of it, some parts, or nothing."""
        if isinstance(upload, FormUpload):
            await send_file(self._transport.http, upload, path, on_progress)
        elif upload:
            await send_parts(self._transport.http, upload, path, on_progress)

    async def complete(self, photo_id: UUID, *, quad: Sequence[Corner] | None = None) -> Photo:
        """Say that the bytes are there; they are looked at before this answers."""
        answer = await self._transport.request(
            "POST", f"/v1/photos/{photo_id}/complete", body={"quad": quad}
        )
        return Photo.model_validate_json(answer.content)

    async def list(
        self, *, limit: int = 20, cursor: str | None = None, state: str | None = None
    ) -> Page[Photo]:
        query = {"limit": limit, "cursor": cursor, "state": state}
        answer = await self._transport.request("GET", "/v1/photos", query=query)
        return Page[Photo].model_validate_json(answer.content)

    async def get(self, photo_id: UUID) -> Photo:
        answer = await self._transport.request("GET", f"/v1/photos/{photo_id}")
        return Photo.model_validate_json(answer.content)

    async def delete(self, photo_id: UUID) -> None:
        await self._transport.request("DELETE", f"/v1/photos/{photo_id}")

    async def outline(self, photo_id: UUID) -> Outline:
        """Where Rekindle would cut; asked for as soon as the bytes are there. Changes nothing."""
        answer = await self._transport.request("POST", f"/v1/photos/{photo_id}/outline")
        return Outline.model_validate_json(answer.content)

    async def set_quad(self, photo_id: UUID, quad: Sequence[Corner] | None) -> Photo:
        """Cut along other corners; None leaves the picture whole. Then wait until it is ready."""
        answer = await self._transport.request(
            "PUT", f"/v1/photos/{photo_id}/quad", body={"quad": quad}
        )
        return Photo.model_validate_json(answer.content)

    async def split(
        self,
        photo_id: UUID,
        *,
        quads: Sequence[Sequence[Corner]] | None = None,
        idempotency_key: str | None = None,
    ) -> tuple[Photo, ...]:
        """Make a photo of each print in one picture, in order: of these, or of those found.

        All tries of one call carry one key, so that no print becomes two photos.
        """
        answer = await self._transport.request(
            "POST",
            f"/v1/photos/{photo_id}/split",
            body={"quads": quads},
            headers={"idempotency-key": idempotency_key or str(uuid4())},
        )
        return Page[Photo].model_validate_json(answer.content).items

    async def wait_ready(
        self,
        photo_id: UUID,
        *,
        timeout_s: float = READY_TIMEOUT_S,
        on_change: Callable[[Photo], object] | None = None,
    ) -> Photo:
        """Wait until the photo is ready or refused: look at its `state` and `problem`."""
        return await wait_until(
            self._transport,
            lambda: self.get(photo_id),
            ended=lambda photo: photo.settled,
            timeout_s=timeout_s,
            on_change=on_change,
        )

    async def add(
        self, path: Path, *, multipart: bool | None = None, on_progress: Progress | None = None
    ) -> Photo:
        """Take one file all the way: announced, sent, completed, and prepared or refused.

        Who died on the way calls it again: what has arrived is not sent a second time.
        """
        size, sha256 = await asyncio.to_thread(fingerprint, path)
        begun = await self.begin(path.name, size, sha256, multipart=multipart)
        if begun.upload:
            await self._send(begun.photo.id, begun.upload, path, on_progress)
            await self.complete(begun.photo.id)
        return await self.wait_ready(begun.photo.id)

    async def _send(
        self,
        photo_id: UUID,
        upload: FormUpload | PartsUpload,
        path: Path,
        on_progress: Progress | None,
    ) -> None:
        for _ in range(ROUNDS_MAX):
            try:
                await self.upload(upload, path, on_progress=on_progress)
            except AddressExpired as expired:
                refusal = expired
            else:
                return
            try:
                upload = await self.resume(photo_id)
            except RekindleProblem as problem:
                if problem.code == "upload-ended":
                    return
                raise
        raise refusal
