"""The private HTTP API of outlines: what we would cut out of a picture that is stored."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from services.kit.http import AccountOfCaller
from services.processing.outlining import Outliner

KEY_LENGTH_MAX = 200

router = APIRouter(prefix="/v1", tags=["outlines"])

Corner = tuple[float, float]


class Picture(BaseModel):
    """Where the picture lies; uploads knows it."""

    object_key: Annotated[str, Field(max_length=KEY_LENGTH_MAX)]


class PrintView(BaseModel):
    """The corners of a print, and how sure we are of them."""

    quad: list[Corner]
    confidence: float


class OutlineView(PrintView):
    """The corners we propose; `prints` are those of each, if there are several."""

    prints: list[PrintView]


@router.post("/outlines")
async def propose_outline(
    picture: Picture, account_id: AccountOfCaller, request: Request
) -> OutlineView:
    """Propose where to cut a picture of the account. Nothing is stored or changed."""
    outliner: Outliner = request.app.state.outliner
    proposed = await outliner.propose(picture.object_key, account_id=account_id)
    return OutlineView.model_validate(proposed)
