"""What a Stripe in memory keeps of one customer, what billing reads of it, and its JSON."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

from services.billing import facts, plans
from services.billing.errors import Missing
from services.billing.stripe_client import API_VERSION
from tests.billing.places import price_of

BEGINNING = datetime(2027, 1, 31, 12, tzinfo=UTC)


@dataclass(slots=True)
class Contract:
    """A subscription as this Stripe keeps it."""

    id: str
    price: str
    started_at: datetime
    period_starts_at: datetime
    period_ends_at: datetime
    status: str = "active"
    anchor: datetime = BEGINNING
    periods: int = 1
    cancel_at_period_end: bool = False
    ended_at: datetime | None = None
    next_price: str | None = None
    credit_cents: int = 0
    pending: list[dict[str, Any]] = field(default_factory=list)

    @property
    def item(self) -> plans.Item:
        return plans.ITEMS[self.price]


class Memory:
    """The books of one customer."""

    def __init__(self, customer_id: str, *, begins: datetime = BEGINNING) -> None:
        self.customer_id, self.now = customer_id, begins
        self.subscriptions: dict[str, Contract] = {}
        self.invoices: dict[str, dict[str, Any]] = {}
        self.sessions: dict[str, dict[str, Any]] = {}
        self.intents: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.disputes: dict[str, dict[str, Any]] = {}
        self.events: list[facts.Event] = []
        self.card_works = True
        self.price_ids = {key: price_of(key) for key in plans.ITEMS}
        self._numbers = count(1)

    # What billing reads.

    async def subscriptions_of(self, customer_id: str) -> list[facts.Subscription]:
        self._require_customer(customer_id)
        return [self._told(contract) for contract in self.subscriptions.values()]

    async def subscription(self, subscription_id: str) -> facts.Subscription:
        return self._told(_have(self.subscriptions, subscription_id))

    async def invoice(self, invoice_id: str) -> facts.Invoice:
        return facts.Invoice.model_validate(_have(self.invoices, invoice_id))

    async def latest_invoices(self, customer_id: str) -> list[str]:
        self._require_customer(customer_id)
        paid = [name for name, one in self.invoices.items() if one["status"] == "paid"]
        return list(reversed(paid))[:4]

    async def session(self, session_id: str) -> facts.Session:
        return facts.Session.model_validate(_have(self.sessions, session_id))

    async def session_paid_by(self, intent: str) -> str | None:
        found = (name for name, one in self.sessions.items() if one["payment_intent"] == intent)
        return next(found, None)

    async def invoice_paid_by(self, intent: str) -> str | None:
        found = (name for name, one in self.invoices.items() if one["paid_by"] == intent)
        return next(found, None)

    async def intent_that_paid(self, invoice_id: str) -> str | None:
        paid_by: str | None = _have(self.invoices, invoice_id)["paid_by"]
        return paid_by

    async def state_of_payment(self, invoice_id: str) -> str | None:
        paid_by = await self.intent_that_paid(invoice_id)
        return str(_have(self.intents, paid_by)["status"]) if paid_by else None

    async def intent(self, intent: str) -> facts.PaymentIntent:
        return facts.PaymentIntent.model_validate(_have(self.intents, intent))

    async def money(self, intent: str) -> facts.Money:
        return facts.Money(
            intent=await self.intent(intent),
            refunds=[
                facts.Refund.model_validate(one)
                for one in self.refunds.values()
                if one["payment_intent"] == intent
            ],
            disputes=[
                facts.Dispute.model_validate(one)
                for one in self.disputes.values()
                if one["payment_intent"] == intent
            ],
        )

    async def events_since(self, moment: datetime) -> AsyncIterator[facts.Event]:
        for event in reversed(self.events):
            if event.created >= moment:
                yield event

    # How it writes down.

    def _line(
        self,
        contract: Contract,
        item: plans.Item,
        amount: int,
        starts_at: datetime,
        ends_at: datetime,
        *,
        proration: bool = False,
    ) -> dict[str, Any]:
        parent = "invoice_item_details" if proration else "subscription_item_details"
        details = {"subscription": contract.id, "proration": proration}
        return {
            "id": self._name("il"),
            "amount": amount,
            "quantity": 1,
            "period": {"start": stamp(starts_at), "end": stamp(ends_at)},
            "pricing": {"price_details": {"price": self.price_ids[item.lookup_key]}},
            "parent": {parent: details},
        }

    def _name(self, sort: str) -> str:
        """Ids are unique among all customers; the number tells them apart within one."""
        return f"{sort}_{next(self._numbers)}_{self.customer_id}"

    def _session(self, mode: str, item: plans.Item) -> dict[str, Any]:
        name = self._name("cs")
        self.sessions[name] = {
            "id": name,
            "mode": mode,
            "status": "open",
            "payment_status": "unpaid",
            "customer": self.customer_id,
            "currency": "usd",
            "created": stamp(self.now),
            "payment_intent": None,
            "subscription": None,
            "metadata": {"account_id": "somebody else", "credits": "1000000"},
            "line_items": {"data": [{"price": self._price(item), "quantity": 1}]},
        }
        return self.sessions[name]

    def _pay(self, cents: int) -> str:
        name = self._name("pi")
        self.intents[name] = {
            "id": name,
            "customer": self.customer_id,
            "status": "succeeded",
            "currency": "usd",
            "amount_received": cents,
            "latest_charge": {"id": f"ch_{name}", "created": stamp(self.now)},
        }
        return name

    def _left(self, intent: str) -> int:
        """What can still go back of a payment."""
        back = [r for r in self.refunds.values() if r["status"] == "succeeded"]
        back += [d for d in self.disputes.values() if d["status"] != "won"]
        gone = sum(one["amount"] for one in back if one["payment_intent"] == intent)
        return int(self.intents[intent]["amount_received"]) - int(gone)

    def raw(self, event: facts.Event) -> dict[str, Any]:
        """An event as Stripe sends it."""
        about = {"object": event.object, "id": event.object_id, "customer": event.customer}
        return {
            "id": event.id,
            "object": "event",
            "type": event.type,
            "created": stamp(event.created),
            "livemode": event.livemode,
            "api_version": event.api_version,
            "data": {"object": {**about, "payment_intent": event.payment_intent}},
        }

    def _told(self, contract: Contract) -> facts.Subscription:
        return facts.Subscription.model_validate(self.raw_subscription(contract))

    def raw_subscription(self, contract: Contract) -> dict[str, Any]:
        """A subscription as Stripe sends it."""
        item = {
            "price": self._price(contract.item),
            "quantity": 1,
            "current_period_end": stamp(contract.period_ends_at),
        }
        return {
            "id": contract.id,
            "object": "subscription",
            "customer": self.customer_id,
            "status": contract.status,
            "start_date": stamp(contract.started_at),
            "ended_at": stamp(contract.ended_at) if contract.ended_at else None,
            "cancel_at": None,
            "cancel_at_period_end": contract.cancel_at_period_end,
            "items": {"object": "list", "data": [item]},
        }

    def _price(self, item: plans.Item) -> dict[str, Any]:
        return {
            "id": self.price_ids[item.lookup_key],
            "lookup_key": item.lookup_key,
            "unit_amount": item.price_cents,
            "currency": "usd",
        }

    def _happen(self, kind: str, sort: str, name: str, *, intent: str | None = None) -> None:
        about = {"object": sort, "id": name, "payment_intent": intent}
        # Neither a refund nor a dispute says whose it is.
        about["customer"] = None if sort in ("refund", "dispute") else self.customer_id
        event = {
            "id": self._name("evt"),
            "type": kind,
            "created": stamp(self.now),
            "livemode": False,
            "api_version": API_VERSION,
            "data": {"object": about},
        }
        self.events.append(facts.Event.model_validate(event))

    def _require_customer(self, customer_id: str) -> None:
        if customer_id != self.customer_id:
            raise Missing(customer_id)


def stamp(moment: datetime) -> int:
    return int(moment.timestamp())


def _have(known: dict[str, Any], name: str) -> Any:
    if name not in known:
        raise Missing(name)
    return known[name]
