"""The public shapes of purchases: what can be asked for, and where it is paid."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.gateway.schemas import PlanName, Tier

Interval = Literal["month", "year"]


class Subscription(BaseModel):
    """The plan of this account, and when its next period begins or the last one ends."""

    plan: PlanName
    tier: Tier
    since: datetime
    source: Literal["free", "gift", "paid"]
    interval: Interval | None = None
    renews_at: datetime | None = None
    ends_at: Annotated[
        datetime | None, Field(description="It is cancelled: all credits are lost then.")
    ] = None
    payment_due: Annotated[bool, Field(description="The last payment failed.")] = False
    payment_detail: Annotated[str | None, Field(description="Why it failed, and what to do.")] = (
        None
    )
    priority_until: Annotated[
        datetime | None, Field(description="Until when a payment that is due costs no priority.")
    ] = None


class Cancellation(BaseModel):
    """What would be lost if the subscription were cancelled now."""

    plan: PlanName
    ends_at: datetime
    credits_lost: Annotated[int, Field(description="What is left then is lost, top-ups too.")]
    credits_held: Annotated[int, Field(description="Set aside for jobs; these are not lost.")]
    falls_back_to: PlanName


class CheckoutRequest(BaseModel):
    """One plan with its interval, or one top-up."""

    plan: Literal["remember", "cherish", "forever"] | None = None
    interval: Interval | None = None
    top_up: Annotated[int | None, Field(description="How many credits, of those on offer.")] = None


class Checkout(BaseModel):
    """A purchase on Stripe's page. It is `paid` once Stripe has told us so."""

    id: UUID
    state: Literal["open", "paid", "failed", "expired"]
    url: Annotated[str | None, Field(description="Where to pay; while it is open.")]


class PortalRequest(BaseModel):
    """What to do at Stripe's customer portal."""

    purpose: Literal["manage", "cancel", "change_plan", "payment_method"] = "manage"


class Portal(BaseModel):
    """Stripe's page for card, invoices, change of plan and cancellation; for one visit."""

    url: str
