"""What users buy: pages asked for through the gateway and paid on as a browser would, by plain
HTTP; and the money that an operator gives back at Stripe. Every answer is written down.
"""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from sdk.rekindle.client import Rekindle
from services.billing import plans
from tests.chaos import stripe_books

GOOD_CARD = "4242424242424242"
ABANDONED, ASKED_TWICE, REGRETTED = 0.1, 0.3, 0.2
"""Of the pages: left, and perhaps paid for when they are asked for again; asked for twice in a row,
as those of plans always are; paid for, and given back before anybody was told of the payment."""

PAYS_WITH: tuple[tuple[dict[str, str], int], ...] = (
    ({"number": GOOD_CARD}, 20),
    ({"number": "4000000000000002"}, 1),
    ({"number": "4000000000009995"}, 1),
    ({"do": "debit"}, 2),
    ({"do": "failing_debit"}, 1),
)
"""Forms of the hosted page, and how often each is sent: good, declined and empty cards, and bank
debits that come later or never. A plan takes cards only."""

PLANS_FOR_SALE = [name for name in plans.PLANS if name != plans.FREE.plan]
INTERVALS: tuple[plans.Interval, ...] = ("month", "month", "year")
PAGE_TRIES, PAGE_PAUSE_S, PAGE_TIMEOUT_S = 5, 1.0, 5.0
WAITS_S = 5.0
"""How long somebody who has paid waits for the credits before buying more."""

IN_PART, FAILS = 0.5, 0.25
"""Of the refunds."""

Answer = TypeVar("Answer")


class Recorded(Protocol):
    """Write down what was asked and answered; None where there was no answer."""

    async def __call__(
        self,
        call: str,
        asking: Awaitable[Answer],
        facts_of: Callable[[Answer], dict[str, str]] = ...,
        /,
        **facts: str,
    ) -> Answer | None: ...


@dataclass(frozen=True, slots=True)
class Wish:
    """A purchase as it was asked for, to be asked for again."""

    key: str
    body: dict[str, Any]

    @property
    def is_plan(self) -> bool:
        return "plan" in self.body


class Shopper:
    """The purchases of one user. Who `subscribes` buys a plan first, and is given nothing."""

    def __init__(
        self,
        stack: Mapping[str, Any],
        client: Rekindle,
        rng: random.Random,
        recorded: Recorded,
        *,
        subscribes: bool,
    ) -> None:
        self._stack, self._transport = stack, client._transport
        self._rng, self._recorded = rng, recorded
        self._wants_plan = subscribes
        self._wishes: list[Wish] = []
        self._paid: list[str] = []
        self._patient_until_s = 0.0

    async def buy(self) -> None:
        """Ask for a page, and pay on it."""
        if asyncio.get_running_loop().time() < self._patient_until_s:
            return
        wish = self._new_wish()
        self._wishes.append(wish)
        page = await self._ask(wish)
        if wish.is_plan or self._rng.random() < ASKED_TWICE:
            page = await self._ask(wish) or page
        await self._perhaps_pay(wish, page)

    async def ask_again(self) -> None:
        """Ask for a page as before; if nobody has paid on it, perhaps somebody does now."""
        if not self._wishes:
            return
        wish = self._rng.choice(self._wishes)
        await self._perhaps_pay(wish, await self._ask(wish))

    async def is_given_back(self) -> None:
        """An operator gives back a payment of this user's, or a part of it; some of it fails."""
        if self._paid:
            session = self._rng.choice(self._paid)
            await self._recorded(
                "refund", self._give_back(session), lambda refund: {"refund": refund}
            )

    def _new_wish(self) -> Wish:
        key = str(UUID(int=self._rng.getrandbits(128), version=4))
        if self._wants_plan:
            plan, interval = self._rng.choice(PLANS_FOR_SALE), self._rng.choice(INTERVALS)
            return Wish(key, {"plan": plan, "interval": interval})
        return Wish(key, {"top_up": self._rng.choice(plans.TOP_UPS).credits})

    async def _ask(self, wish: Wish) -> Any:
        return await self._recorded("checkout", self._begin(wish), _said, key=wish.key)

    async def _begin(self, wish: Wish) -> Any:
        headers = {"idempotency-key": wish.key}
        answer = await self._transport.request(
            "POST", "/v1/checkout", body=wish.body, headers=headers
        )
        return answer.json()

    async def _perhaps_pay(self, wish: Wish, page: Any) -> None:
        if not page or not page["url"] or self._rng.random() < ABANDONED:
            return
        await self._pay(wish, page)
        if self._rng.random() < REGRETTED:
            await self.is_given_back()

    async def _pay(self, wish: Wish, page: Mapping[str, str]) -> None:
        session = urlsplit(page["url"]).path.rpartition("/")[2]
        forms = [(form, n) for form, n in PAYS_WITH if "number" in form or not wish.is_plan]
        form = self._rng.choices([form for form, _ in forms], [n for _, n in forms])[0]
        is_done = await self._recorded(
            "pay",
            _send(page["url"], form),
            lambda is_done: {"done": session} if is_done else {"refused": session},
            checkout=page["id"],
        )
        self._patient_until_s = asyncio.get_running_loop().time() + WAITS_S
        if is_done:
            self._wants_plan &= not wish.is_plan
            self._paid.append(session)

    async def _give_back(self, session_id: str) -> str:
        async with stripe_books.door(self._stack) as stripe:
            session = await stripe_books.get(stripe, f"/v1/checkout/sessions/{session_id}")
            intent = await stripe_books.intent_of(stripe, session)
            wanted: dict[str, Any] = {"payment_intent": intent}
            if self._rng.random() < IN_PART:
                wanted["amount"] = self._rng.randint(1, session["amount_total"])
            if self._rng.random() < FAILS:
                wanted["fails"] = True
                made = await stripe_books.ask(stripe, "POST", "/__control/refund", json=wanted)
            else:
                made = await stripe_books.ask(stripe, "POST", "/v1/refunds", data=wanted)
            return str(made["id"])


def _said(page: Any) -> dict[str, str]:
    """While nobody has paid, every answer to one wish names the same page."""
    facts = {"checkout": str(page["id"])}
    if page["url"]:
        said = f"{page['id']} {page['url']}"
        facts["said"] = hashlib.sha256(said.encode()).hexdigest()[:16]
    return facts


async def _send(url: str, form: Mapping[str, str]) -> bool:
    """Fill in the page; whether it lets through. Whose connection breaks sends it again."""
    async with httpx.AsyncClient(
        verify=stripe_books.TRUSTED, trust_env=False, timeout=PAGE_TIMEOUT_S
    ) as browser:
        for tries_left in reversed(range(PAGE_TRIES)):
            try:
                return (await browser.post(url, data=form)).is_redirect
            except httpx.TransportError:
                if not tries_left:
                    raise
            await asyncio.sleep(PAGE_PAUSE_S)
    raise AssertionError
