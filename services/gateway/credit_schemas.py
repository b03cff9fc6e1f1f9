"""The public shapes of credits: what there is, and how it came and went."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.gateway.schemas import Cursor, PlanName, Tier


class Balance(BaseModel):
    """How many credits can be spent now, and how many are set aside."""

    available: int
    held: int
    blocked: Annotated[int, Field(description="Cannot be spent while a payment is disputed.")]
    owed: Annotated[int, Field(description="Repaid first by whatever comes in.")]
    lost_at_end: Annotated[
        int, Field(description="What would be lost if the subscription ended now.")
    ]
    plan: PlanName
    tier: Tier
    credits_monthly: int


class Receipt(BaseModel):
    """One movement of credits, with the balance after it."""

    id: UUID
    time: datetime
    movement: Literal[
        "grant",
        "hold",
        "capture",
        "release",
        "expire",
        "refund",
        "forfeit",
        "recover",
        "clawback",
        "restore",
        "block",
        "unblock",
        "owe",
        "repay",
    ]
    amount: int
    available: int
    held: int
    text: str
    job_id: UUID | None
    cause: Annotated[str | None, Field(description="The purchase or grant, where it was one.")]


class ReceiptPage(BaseModel):
    """Receipts, newest first."""

    items: list[Receipt]
    next_cursor: Cursor
