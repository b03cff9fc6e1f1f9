"""The door for prints: where to cut a photo, cutting it elsewhere, several prints in one picture.

Where a picture lies, uploads knows; what is in it, processing finds out. Neither asks the other.
"""

import json
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.gateway import print_schemas, schemas
from services.gateway.errors import NothingToSplit
from services.gateway.idempotency import Attempt
from services.gateway.once import answer_once, read_body
from services.gateway.openapi import IDEMPOTENCY_KEY, takes
from services.gateway.parts import Gateway, Parts
from services.gateway.upstream import OK, ask, passed_back
from services.gateway.visitors import Writer
from services.kit.client import Answer

router = APIRouter(
    prefix="/v1/photos", tags=["photos"], generate_unique_id_function=lambda route: route.name
)


@router.post("/{photo_id}/outline", response_model=print_schemas.Outline)
async def outline_photo(photo_id: UUID, visitor: Writer, gateway: Gateway) -> Response:
    """Propose the corners of the print, as soon as the file is uploaded. Nothing is changed."""
    return passed_back(await _outline(gateway, visitor.account_id, photo_id))


@router.put(
    "/{photo_id}/quad",
    status_code=202,
    response_model=schemas.Photo,
    openapi_extra=takes(print_schemas.CutPhoto),
)
async def cut_photo(
    photo_id: UUID, request: Request, visitor: Writer, gateway: Gateway
) -> Response:
    """Cut a photo along other corners, or (null) not at all. It is prepared again.

    Until it is ready, and if that fails, it stays what it was. Work that waits takes what comes of
    it; work that runs goes on with what it was given.
    """
    path, body = f"/v1/photos/{photo_id}/quad", await request.body()
    return passed_back(
        await ask(gateway.uploads, "PUT", path, account_id=visitor.account_id, body=body)
    )


@router.post(
    "/{photo_id}/split",
    status_code=201,
    response_model=schemas.Photos,
    openapi_extra=takes(print_schemas.SplitPhoto, IDEMPOTENCY_KEY, is_required=False),
)
async def split_photo(
    photo_id: UUID, request: Request, visitor: Writer, gateway: Gateway
) -> Response:
    """Make a photo of each print in one picture, in order. The page's own photo stays.

    Sent again with the same key, the first answer is repeated with `Idempotent-Replayed: true`.
    """
    path = f"/v1/photos/{photo_id}/split"

    async def split(attempt: Attempt, body: bytes) -> Answer:
        given = read_body(print_schemas.SplitPhoto, body or b"{}")
        if given.quads is None:
            outline = await _outline(gateway, attempt.account_id, photo_id)
            if outline.status != OK:
                return outline
            found = [one["quad"] for one in json.loads(outline.body)["prints"]]
            if not found:
                raise NothingToSplit
            body = json.dumps({"quads": found}).encode()
        headers = {"idempotency-key": attempt.key}
        return await ask(
            gateway.uploads,
            "POST",
            path,
            account_id=attempt.account_id,
            body=body,
            headers=headers,
        )

    return await answer_once(request, gateway, visitor.account_id, f"POST {path}", split)


async def _outline(gateway: Parts, account_id: UUID, photo_id: UUID) -> Answer:
    path = f"/v1/photos/{photo_id}/picture"
    picture = await ask(gateway.uploads, "GET", path, account_id=account_id)
    if picture.status != OK:
        return picture
    return await ask(
        gateway.processing, "POST", "/v1/outlines", account_id=account_id, body=picture.body
    )
