"""Plans over HTTP: what is on offer, and what an account is on."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from contracts.message import Tier
from services.billing import plans, subscriptions
from services.kit.http import AccountOfCaller, InternalCaller, Transaction

router = APIRouter(prefix="/v1", tags=["plans"])


class Plan(BaseModel):
    plan: str
    title: str
    credits_monthly: int
    tier: Tier
    short_side_max: Literal[480, 720]
    price_monthly_cents: int
    price_annual_cents: int
    currency: Literal["usd"] = plans.CURRENCY


class TopUp(BaseModel):
    credits: int
    price_cents: int
    currency: Literal["usd"] = plans.CURRENCY


class Offer(BaseModel):
    plans: list[Plan]
    top_ups: list[TopUp]


class Subscription(BaseModel):
    plan: str
    tier: Tier
    since: datetime
    source: Literal["free", "gift"]


@router.get("/plans")
async def list_plans(request: Request, _: InternalCaller) -> Offer:
    """Every plan and top-up with its price. No account is needed."""
    on_offer, top_ups = request.app.state.price_list
    return Offer(
        plans=[Plan.model_validate(plan, from_attributes=True) for plan in on_offer],
        top_ups=[TopUp.model_validate(top_up, from_attributes=True) for top_up in top_ups],
    )


@router.get("/subscription")
async def read_subscription(connection: Transaction, account_id: AccountOfCaller) -> Subscription:
    """The plan of the account, and where it comes from."""
    found = await subscriptions.read(connection, account_id)
    return Subscription(
        plan=found.plan,
        tier=plans.find(found.plan).tier,
        since=found.since,
        source=found.source,
    )
