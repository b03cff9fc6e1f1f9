"""A door for tests and chaos, on this machine only: `/__control`. Faults, time, money that goes."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from deploy.local.faults import refuse_strangers
from deploy.local.stripe import cards, checkout, disputes, due, refunds
from deploy.local.stripe.account import Account, shown
from deploy.local.stripe.faults import Faults
from deploy.local.stripe.periods import DAY_S

ADVANCE_S_MAX = 2 * 366 * DAY_S


def _account(request: Request) -> Account:
    account: Account = request.app.state.account
    return account


LocalAccount = Annotated[Account, Depends(_account)]
router = APIRouter(
    prefix="/__control", include_in_schema=False, dependencies=[Depends(refuse_strangers)]
)


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Advance(_Wish):
    """Put everybody's clock ahead; customers under a test clock stay in their time."""

    seconds: Annotated[int, Field(ge=1, le=ADVANCE_S_MAX)]


class GiveBack(_Wish):
    payment_intent: str
    amount: Annotated[int, Field(ge=1)] | None = None
    fails: bool = False


class Contest(_Wish):
    payment_intent: str
    reason: str = "fraudulent"


class Decide(_Wish):
    dispute: str
    outcome: Literal["won", "lost"]


class Pay(_Wish):
    """Finish a checkout as a person would, with one of the test cards, who agrees if asked."""

    session: str
    card: str = "4242424242424242"


@router.get("/faults")
async def read_faults(request: Request) -> Faults:
    faults: Faults = request.app.state.faults
    return faults


@router.post("/faults")
async def set_faults(request: Request, wanted: Faults) -> Faults:
    faults: Faults = request.app.state.faults
    faults.set(wanted)
    return faults


@router.delete("/faults")
async def clear_faults(request: Request) -> Faults:
    faults: Faults = request.app.state.faults
    faults.clear()
    return faults


@router.post("/clock")
async def advance(wanted: Advance, account: LocalAccount) -> dict[str, int]:
    with account.store.transaction():
        until = account.now() + wanted.seconds
        done = due.catch_up(account, until)
        account.put_ahead(account.ahead_s + wanted.seconds)
    return {"now": account.now(), "done": done}


@router.post("/refund")
async def refund(wanted: GiveBack, account: LocalAccount) -> dict[str, Any]:
    with account.store.transaction():
        made = refunds.give_back(
            account, _charge(account, wanted.payment_intent), amount=wanted.amount
        )
        return shown(refunds.fail(account, made) if wanted.fails else made)


@router.post("/dispute")
async def dispute(wanted: Contest, account: LocalAccount) -> dict[str, Any]:
    with account.store.transaction():
        charge = _charge(account, wanted.payment_intent)
        return shown(disputes.open_dispute(account, charge, reason=wanted.reason))


@router.post("/decide")
async def decide(wanted: Decide, account: LocalAccount) -> dict[str, Any]:
    with account.store.transaction():
        found = account.get("dispute", wanted.dispute)
        return shown(disputes.decide(account, found, wanted.outcome))


@router.post("/pay")
async def pay(wanted: Pay, account: LocalAccount) -> dict[str, Any]:
    with account.store.transaction():
        session = account.get("checkout.session", wanted.session)
        if session["status"] != "open":
            raise HTTPException(409, f"this session is {session['status']}")
        card = cards.of_number(account, wanted.card)
        if card is None:
            raise HTTPException(422, "this is none of the test cards")
        checkout.pay(account, session, card, has_agreed=True)
        return shown(account.get("checkout.session", wanted.session))


@router.get("/deliveries")
async def deliveries(account: LocalAccount) -> dict[str, int]:
    """How many webhooks still wait to be taken."""
    row = account.store.connection.execute("select count(*) from deliveries").fetchone()
    return {"waiting": int(row[0])}


def _charge(account: Account, payment_intent: str) -> dict[str, Any]:
    intent = account.get("payment_intent", payment_intent)
    return account.get("charge", str(intent["latest_charge"]))
