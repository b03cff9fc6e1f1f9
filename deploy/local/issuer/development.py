"""What a real issuer would not offer: its mail to read, its keys to turn."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from deploy.local.issuer import pages
from deploy.local.issuer.issuer import ThisIssuer
from deploy.local.issuer.requests import read_form

router = APIRouter(prefix="/dev")


@router.get("/mailbox")
async def mailbox(issuer: ThisIssuer) -> Response:
    return pages.mailbox([(mail.to, mail.subject, mail.link) for mail in issuer.mailbox])


@router.post("/rotate-keys")
async def rotate_keys(request: Request, issuer: ThisIssuer) -> dict[str, Any]:
    await read_form(request)  # refuses what another website sends
    issuer.rotate_keys()
    return issuer.keys.published()
