"""RunPod's webhook: a hint that an attempt may have ended. What happened, `/status` tells."""

import hmac
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from sqlalchemy import text

from services.kit import failpoints
from services.kit.http import Transaction
from services.kit.problems import NotFound
from services.processing.attempts import signature
from services.processing.runpod import RunPodJobId

SIGNATURE_LENGTH_MAX = 128

router = APIRouter(tags=["webhooks"])

_HINT = text(
    """
    update attempts set hint_at = now(), next_poll_at = now(), polls = 0,
        runpod_job_id = coalesce(runpod_job_id, :runpod_job_id)
    where id = :attempt_id and state in ('SUBMITTING', 'RUNNING')
    """
)


class Told(BaseModel):
    """The part of the body we read: which of RunPod's jobs this is about."""

    id: RunPodJobId


@router.post("/hooks/runpod/{attempt_id}")
async def hear(
    attempt_id: UUID,
    told: Told,
    connection: Transaction,
    request: Request,
    sig: Annotated[str, Query(max_length=SIGNATURE_LENGTH_MAX)] = "",
) -> dict[str, str]:
    """Look at the attempt soon."""
    expected = signature(request.app.state.webhook_secret, attempt_id)
    if not hmac.compare_digest(sig.encode(), expected.encode()):
        raise NotFound
    await failpoints.reach("before_hint")
    await connection.execute(_HINT, {"attempt_id": attempt_id, "runpod_job_id": told.id})
    return {}
