"""Stripe's own books after a run, as the emulator keeps them; and how ours catch up with them."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing import event_log, plans
from services.billing.reconciling import LEEWAY, Reconciler
from services.billing.stripe_client import Stripe
from tests.journeys import people

TRUSTED = httpx.create_ssl_context(trust_env=False)
"""Made once: it takes 15 ms of every client."""

PAGE = 100
CALL_TIMEOUT_S = 10.0
TRIES, CALL_TRIES, PAUSE_S = 40, 8, 0.5
SETTLES_WITHIN_S = 15.0
CREDITS = {
    **{("payment", top_up.price_cents): top_up.credits for top_up in plans.TOP_UPS},
    **{
        ("subscription", cents): plan.credits_monthly
        for plan in plans.PLANS.values()
        for cents in (plan.price_monthly_cents, plan.price_annual_cents)
    },
}
"""What is bought, by how it is sold and what is paid for it."""

_STORED = text("select event_id from stripe_events where state = 'stored'")

Stack = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that went back; one that failed came to us again."""

    refund_id: str
    cents: int
    is_effective: bool


@dataclass(frozen=True, slots=True)
class Sale:
    """Something that Stripe says was paid for, and what it entitles to."""

    session: str
    account: str
    cause: str
    """What its credits are granted for."""

    credits: int
    charge: str
    cents: int
    refunds: Sequence[Refund] = ()

    @property
    def taken(self) -> int:
        """How many of the credits go back with the money, rounded down."""
        cents = sum(refund.cents for refund in self.refunds if refund.is_effective)
        return self.credits * cents // self.cents


@asynccontextmanager
async def door(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """The emulator's API, past the proxy before it."""
    key = stack["environments"]["billing"]["STRIPE_API_KEY"]
    async with httpx.AsyncClient(
        base_url=stack["stripe_url"],
        headers={"authorization": f"Bearer {key}"},
        verify=TRUSTED,
        trust_env=False,
        timeout=CALL_TIMEOUT_S,
    ) as stripe:
        yield stripe


async def get(stripe: httpx.AsyncClient, path: str, **params: Any) -> Any:
    return await ask(stripe, "GET", path, params=params)


async def ask(stripe: httpx.AsyncClient, method: str, path: str, **sent: Any) -> Any:
    """An answer; what Stripe is too busy or too ill for is asked again, as its library does."""
    headers = {"idempotency-key": str(uuid4())} if method == "POST" else {}
    for _ in range(CALL_TRIES):
        answer = await stripe.request(method, path, headers=headers, **sent)
        if answer.status_code < httpx.codes.TOO_MANY_REQUESTS:
            break
        await asyncio.sleep(PAUSE_S)
    return answer.raise_for_status().json()


async def intent_of(stripe: httpx.AsyncClient, session: Mapping[str, Any]) -> str:
    """What a session was paid with."""
    if session["payment_intent"]:
        return str(session["payment_intent"])
    found = await get(stripe, "/v1/invoice_payments", invoice=session["invoice"], status="paid")
    return str(found["data"][0]["payment"]["payment_intent"])


async def sales(stack: Stack) -> list[Sale]:
    """Everything that was paid for."""
    async with door(stack) as stripe:
        refunds = await _list(stripe, "/v1/refunds")
        intents = {intent["id"]: intent for intent in await _list(stripe, "/v1/payment_intents")}
        paid = [
            session
            for session in await _list(stripe, "/v1/checkout/sessions")
            if session["payment_status"] == "paid"
        ]
        return [
            _sale(session, intents[await intent_of(stripe, session)], refunds) for session in paid
        ]


def _sale(session: Any, intent: Any, refunds: Sequence[Any]) -> Sale:
    is_plan = session["mode"] == "subscription"
    return Sale(
        session=session["id"],
        account=session["client_reference_id"],
        cause=f"sub:{session['subscription']}:0" if is_plan else f"topup:{intent['id']}",
        credits=CREDITS[session["mode"], session["amount_total"]],
        charge=intent["latest_charge"],
        cents=intent["amount_received"],
        refunds=[
            Refund(one["id"], one["amount"], one["status"] not in ("failed", "canceled"))
            for one in refunds
            if one["payment_intent"] == intent["id"]
        ],
    )


async def calm_down(stack: Stack) -> None:
    """No more faults; money that is on its way arrives, and what billing put off is due now.

    What is put off may be so for minutes; an operator's `replay` does as much.
    """
    async with door(stack) as stripe:
        await _when_it_answers(stripe)
        (await stripe.delete("/__control/faults")).raise_for_status()
        async with asyncio.timeout(SETTLES_WITHIN_S):
            while any(
                intent["status"] == "processing"
                for intent in await _list(stripe, "/v1/payment_intents")
            ):
                await asyncio.sleep(PAUSE_S)
    async with _database(stack) as engine, engine.begin() as connection:
        stored: list[str] = list(await connection.scalars(_STORED))
        await event_log.replay(connection, stored)


async def catch_up(stack: Stack) -> None:
    """What billing does each quarter of an hour: fetch the events that never arrived."""
    async with _reconciler(stack) as reconciler:
        await reconciler.catch_up()


async def behind(stack: Stack) -> list[str]:
    """What `rekindle billing reconcile` says is not in our books as it is in Stripe's."""
    async with _reconciler(stack) as reconciler:
        report = await reconciler.reconcile(fix=False)
    return [
        *(f"never arrived: {event}" for event in report.missing_events),
        *(f"differs: {difference}" for difference in report.differences),
        *(f"problem: {problem}" for problem in report.problems),
    ]


@asynccontextmanager
async def _reconciler(stack: Stack) -> AsyncIterator[Reconciler]:
    """A sweep that does not leave out what happened in the last two minutes, and says nothing."""
    key = stack["environments"]["billing"]["STRIPE_API_KEY"]
    stripe = Stripe(key, base_url=stack["stripe_url"])
    try:
        async with _database(stack) as engine:
            with structlog.testing.capture_logs():
                yield Reconciler(engine, stripe, clock=lambda: datetime.now(UTC) + LEEWAY)
    finally:
        await stripe.close()


@asynccontextmanager
async def _database(stack: Stack) -> AsyncIterator[AsyncEngine]:
    engine = people.engine_of(dict(stack), "billing")
    try:
        yield engine
    finally:
        await engine.dispose()


async def _when_it_answers(stripe: httpx.AsyncClient) -> None:
    for _ in range(TRIES):
        try:
            (await stripe.get("/ready")).raise_for_status()
        except httpx.HTTPError:
            await asyncio.sleep(PAUSE_S)
        else:
            return


async def _list(stripe: httpx.AsyncClient, path: str) -> list[Any]:
    """Every object of a list, page after page."""
    found: list[Any] = []
    params: dict[str, Any] = {"limit": PAGE}
    while True:
        page = await get(stripe, path, **params)
        found += page["data"]
        if not page["has_more"]:
            return found
        params["starting_after"] = found[-1]["id"]
