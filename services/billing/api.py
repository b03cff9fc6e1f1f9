"""Plans and purchases over HTTP: what is on offer, what an account is on, and how it changes."""

import json
import re
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel, model_validator

from contracts.message import Tier
from services.billing import (
    books,
    business,
    checkouts,
    payments_missed,
    plans,
    standing,
    subscriptions,
)
from services.billing.acting import utc_now
from services.billing.checkouts import Cashier, Checkout, Purpose
from services.billing.errors import KeyRequired, NotSubscribed
from services.kit.client import ServiceClient
from services.kit.http import AccountOfCaller, InternalCaller, Transaction
from services.kit.problems import Unavailable

OK, CREATED = 200, 201
KEY = re.compile(r"[\x20-\x7e]{1,255}")

router = APIRouter(prefix="/v1", tags=["plans"])
internal = APIRouter(prefix="/internal", tags=["operators"])


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
    source: subscriptions.Source
    interval: plans.Interval | None = None
    renews_at: datetime | None = None
    ends_at: datetime | None = None
    payment_due: bool = False
    payment_detail: str | None = None
    priority_until: datetime | None = None


class Cancellation(BaseModel):
    plan: str
    ends_at: datetime
    credits_lost: int
    credits_held: int
    falls_back_to: str = plans.FREE.plan


class CheckoutRequest(BaseModel):
    plan: Literal["remember", "cherish", "forever"] | None = None
    interval: plans.Interval | None = None
    top_up: int | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> "CheckoutRequest":
        if (self.plan is None) == (self.top_up is None) or bool(self.plan) != bool(self.interval):
            raise ValueError("ask for a plan with its interval, or for a top-up")
        return self

    @property
    def lookup_key(self) -> str:
        if self.plan and self.interval:
            return plans.plan_key(self.plan, self.interval)
        return plans.top_up_key(self.top_up or 0)


class CheckoutPage(BaseModel):
    id: UUID
    state: checkouts.State
    url: str | None


class PortalRequest(BaseModel):
    purpose: Purpose = "manage"


class PortalPage(BaseModel):
    url: str


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
    known = Subscription(plan=found.plan, tier=found.tier, since=found.since, source=found.source)
    covers = (await books.read(connection, account_id)).covers
    cover = standing.standing(covers, utc_now()).cover
    if cover is None:
        return known
    paid = cover.subscription
    is_due = paid.status in standing.PAYMENT_DUE
    ends_at = cover.ends_at or paid.will_end_at
    detail = None
    if is_due:
        detail = await payments_missed.last_told(connection, account_id, plan=paid.plan)
    return known.model_copy(
        update={
            "interval": "year" if paid.is_annual else "month",
            "renews_at": None if ends_at or is_due else paid.period_ends_at,
            "ends_at": ends_at,
            "payment_due": is_due,
            "payment_detail": detail,
            "priority_until": cover.grace_ends_at if is_due else None,
        }
    )


@router.get("/subscription/cancellation")
async def preview_cancellation(request: Request, account_id: AccountOfCaller) -> Cancellation:
    """What would be lost, and when, if the subscription were cancelled now."""
    # Credits is asked after this transaction, which waits for nobody.
    async with request.app.state.engine.begin() as connection:
        cover = await checkouts.running(connection, account_id)
    if cover is None:
        raise NotSubscribed
    credits_: ServiceClient = request.app.state.credits
    answer = await credits_.request("GET", "/v1/credits", account_id=account_id)
    if answer.status != OK:
        raise Unavailable("The balance cannot be read right now, so nothing is promised.")
    balance = json.loads(answer.body)
    ends_at = cover.subscription.will_end_at or cover.subscription.period_ends_at
    return Cancellation(
        plan=cover.subscription.plan,
        ends_at=max(ends_at, cover.paid_until or ends_at),
        credits_lost=balance["available"],
        credits_held=balance["held"],
    )


@router.post("/checkout", status_code=CREATED)
async def begin_checkout(
    asked: CheckoutRequest,
    request: Request,
    account_id: AccountOfCaller,
    idempotency_key: Annotated[str, Header()] = "",
) -> CheckoutPage:
    """A page of Stripe's to buy a plan or credits on."""
    if not KEY.fullmatch(idempotency_key):
        raise KeyRequired
    cashier: Cashier = request.app.state.cashier
    return _page(await cashier.sell(account_id, asked.lookup_key, key=idempotency_key))


@router.get("/checkout/{checkout_id}")
async def read_checkout(
    checkout_id: UUID, connection: Transaction, account_id: AccountOfCaller
) -> CheckoutPage:
    """How a purchase stands. It is paid when Stripe has told us so, and not before."""
    return _page(await checkouts.find(connection, account_id, checkout_id))


@router.post("/portal")
async def open_portal(
    request: Request, account_id: AccountOfCaller, asked: PortalRequest | None = None
) -> PortalPage:
    """Stripe's page for the card, invoices, change of plan, cancellation and resuming."""
    cashier: Cashier = request.app.state.cashier
    purpose = asked.purpose if asked else "manage"
    return PortalPage(url=await cashier.open_portal(account_id, purpose))


@internal.get("/metrics/business")
async def read_business(request: Request, _: InternalCaller) -> business.Figures:
    """What operators want to know of the business, with the definition of each figure."""
    outstanding = await business.credits_outstanding(request.app.state.credits)
    async with request.app.state.engine.begin() as connection:
        return await business.figures(connection, outstanding=outstanding, at=utc_now())


def _page(checkout: Checkout) -> CheckoutPage:
    return CheckoutPage(
        id=checkout.checkout_id,
        state=checkout.state,
        url=checkout.url if checkout.state == "open" else None,
    )
