"""The public shapes of shares."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.shares import DAYS, DAYS_MAX


class ShareRequest(BaseModel):
    """For how long anybody with the address may look."""

    model_config = ConfigDict(extra="forbid")

    days: int = Field(default=DAYS, ge=1, le=DAYS_MAX)


class Share(BaseModel):
    """An address under which anybody may look at a job's before and after until it expires."""

    job_id: UUID
    address: str
    created_at: datetime
    expires_at: datetime
