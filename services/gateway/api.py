"""Photos, credits and plans: asked of the services that own them, for whoever is signed in."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from services.gateway import accounts, credit_schemas, erasures, schemas
from services.gateway.errors import ErasureUnconfirmed
from services.gateway.openapi import ANYBODY, BY_PHONE_TOO, takes
from services.gateway.parts import Gateway
from services.gateway.places import begin_in_place
from services.gateway.upstream import (
    OK,
    PageCursor,
    PageLimit,
    ask,
    page_read_back,
    passed_back,
    read_back,
)
from services.gateway.visitors import (
    ANYONE,
    PhotoReader,
    PhotoWriter,
    Reader,
    Writer,
    forget_visitor,
)
from services.kit.client import Answer

router = APIRouter(prefix="/v1", generate_unique_id_function=lambda route: route.name)

KEPT = [
    "invoices and what was paid, under a number that names nobody, as tax law wants it",
    "the movements of credits, under the same number",
    "your sign-in, which is not ours but the issuer's; it leads to nothing here any more",
    "for 31 days a fingerprint of your sign-in, so that a new account cannot be begun at once",
]

PhotoState = Literal["begun", "accepted", "ready", "rejected"]
PhotoSearch = Annotated[str | None, Query(max_length=100)]


@router.get("/me", tags=["account"])
async def read_me(visitor: Reader, gateway: Gateway) -> schemas.Me:
    """Who is signed in."""
    async with gateway.engine.begin() as connection:
        email = await accounts.email_of(connection, visitor.account_id)
    return schemas.Me(account_id=visitor.account_id, email=email)


@router.delete("/me", status_code=202, tags=["account"])
async def erase_account(
    request: Request,
    response: Response,
    visitor: Writer,
    gateway: Gateway,
    confirm: Annotated[str, Query(description="The account's own id, said once more.")] = "",
) -> schemas.Erased:
    """Erase everything: photos, results, jobs, credits, plan and the account itself.

    It cannot be undone. A plan ends at once, and the credits that are left are lost.
    """
    if confirm != str(visitor.account_id):
        raise ErasureUnconfirmed
    async with gateway.engine.begin() as connection:
        erased_at = await erasures.erase(connection, visitor.account_id)
    forget_visitor(request, response, visitor)
    return schemas.Erased(account_id=visitor.account_id, erased_at=erased_at, kept=KEPT)


@router.post(
    "/photos",
    status_code=201,
    response_model=schemas.PhotoBegun,
    responses={200: {"model": schemas.PhotoBegun, "description": "It was announced before."}},
    openapi_extra=takes(schemas.BeginPhoto) | BY_PHONE_TOO,
    tags=["photos"],
)
async def begin_photo(request: Request, visitor: PhotoWriter, gateway: Gateway) -> Response:
    """Announce a photo; the answer says where and how to upload its bytes.

    With the `sha256` of a photo that this account has announced before (and that was not refused or
    deleted) the answer is 200 with that photo, and with what is still to be sent of it.
    """
    account_id = visitor.account_id

    async def begin(body: bytes) -> Answer:
        return await ask(gateway.uploads, "POST", "/v1/photos", account_id=account_id, body=body)

    return passed_back(await begin_in_place(gateway, visitor, await request.body(), begin))


@router.post(
    "/photos/{photo_id}/complete",
    status_code=202,
    response_model=schemas.Photo,
    openapi_extra=takes(schemas.CompletePhoto, is_required=False) | BY_PHONE_TOO,
    tags=["photos"],
)
async def complete_photo(
    photo_id: UUID, request: Request, visitor: PhotoWriter, gateway: Gateway
) -> Response:
    """Say that the bytes are uploaded. They are looked at now; a refusal says why."""
    path, body = f"/v1/photos/{photo_id}/complete", await request.body()
    account_id = visitor.account_id
    return passed_back(
        await ask(gateway.uploads, "POST", path, account_id=account_id, body=body or b"{}")
    )


@router.get(
    "/photos/{photo_id}/upload",
    response_model=schemas.Upload,
    openapi_extra=BY_PHONE_TOO,
    tags=["photos"],
)
async def resume_upload(photo_id: UUID, visitor: PhotoWriter, gateway: Gateway) -> Response:
    """What is still to be sent of a begun photo, with fresh addresses for it."""
    path, account_id = f"/v1/photos/{photo_id}/upload", visitor.account_id
    return passed_back(await ask(gateway.uploads, "GET", path, account_id=account_id))


@router.get("/photos", response_model=schemas.PhotoPage, tags=["photos"])
async def list_photos(
    *,
    request: Request,
    visitor: Reader,
    gateway: Gateway,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
    state: PhotoState | None = None,
    search: PhotoSearch = None,
) -> Response:
    """The account's photos, newest first; all, or those whose caption or name contains `search`."""
    query = {"limit": limit, "cursor": cursor, "state": state, "search": search}
    account_id = visitor.account_id
    answer = await ask(gateway.uploads, "GET", "/v1/photos", account_id=account_id, query=query)
    return page_read_back(request, answer)


@router.get(
    "/photos/{photo_id}",
    response_model=schemas.Photo,
    openapi_extra=BY_PHONE_TOO,
    tags=["photos"],
)
async def read_photo(
    request: Request, photo_id: UUID, visitor: PhotoReader, gateway: Gateway
) -> Response:
    """One photo."""
    path, account_id = f"/v1/photos/{photo_id}", visitor.account_id
    return read_back(request, await ask(gateway.uploads, "GET", path, account_id=account_id))


@router.put(
    "/photos/{photo_id}/caption",
    response_model=schemas.Photo,
    openapi_extra=takes(schemas.SetCaption),
    tags=["photos"],
)
async def set_caption(
    photo_id: UUID, request: Request, visitor: Writer, gateway: Gateway
) -> Response:
    """Write a caption: it is searched in the album, and part of the name of what is saved."""
    path, body = f"/v1/photos/{photo_id}/caption", await request.body()
    account_id = visitor.account_id
    return passed_back(await ask(gateway.uploads, "PUT", path, account_id=account_id, body=body))


@router.delete("/photos/{photo_id}", status_code=204, openapi_extra=BY_PHONE_TOO, tags=["photos"])
async def delete_photo(photo_id: UUID, visitor: PhotoWriter, gateway: Gateway) -> Response:
    """Delete a photo and everything made of its bytes."""
    path, account_id = f"/v1/photos/{photo_id}", visitor.account_id
    return passed_back(await ask(gateway.uploads, "DELETE", path, account_id=account_id))


@router.get("/credits", response_model=credit_schemas.Balance, tags=["credits"])
async def read_credits(request: Request, visitor: Reader, gateway: Gateway) -> Response:
    """How many credits can be spent now, and how many are set aside."""
    account_id = visitor.account_id
    return read_back(
        request, await ask(gateway.credits, "GET", "/v1/credits", account_id=account_id)
    )


@router.get("/credits/receipts", response_model=credit_schemas.ReceiptPage, tags=["credits"])
async def list_receipts(
    request: Request,
    visitor: Reader,
    gateway: Gateway,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Response:
    """Every movement of credits, newest first."""
    query, account_id = {"limit": limit, "cursor": cursor}, visitor.account_id
    answer = await ask(
        gateway.credits, "GET", "/v1/credits/receipts", account_id=account_id, query=query
    )
    return page_read_back(request, answer)


@router.get(
    "/credits/receipts.csv",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    tags=["credits"],
)
async def export_receipts(visitor: Reader, gateway: Gateway, cursor: PageCursor = None) -> Response:
    """Every movement of credits as a table, newest first; `Link` names the rest of a long one."""
    path, account_id = "/v1/credits/receipts.csv", visitor.account_id
    answer = await ask(
        gateway.credits, "GET", path, account_id=account_id, query={"cursor": cursor}
    )
    response = passed_back(answer)
    if answer.status == OK:
        response.headers["content-disposition"] = 'attachment; filename="rekindle-receipts.csv"'
    return response


@router.get(
    "/plans",
    response_model=schemas.Plans,
    openapi_extra=ANYBODY,
    dependencies=[ANYONE],
    tags=["plans"],
)
async def list_plans(request: Request, gateway: Gateway) -> Response:
    """What can be subscribed to or bought."""
    return read_back(request, await ask(gateway.billing, "GET", "/v1/plans", account_id=None))
