"""What may happen to one customer of a Stripe in memory, whose clock is moved by hand.

It keeps books of its own and says what happened, as events. Random histories are played on it, and
`served.py` lets the official library ask it over HTTP. The emulator of the local stack is a Stripe
with pages, sockets and a file; this one is asked without any of them, by thousands of random lives.
"""

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from services.billing import calendar_months, plans
from tests.billing.memory import Contract, Memory, stamp


class World(Memory):
    """One customer at Stripe."""

    def top_up(self, credits_: int, *, is_free: bool = False) -> str:
        """A checkout for credits that is paid; its payment."""
        item = plans.ITEMS[plans.top_up_key(credits_)]
        session = self._session("payment", item)
        intent = None if is_free else self._pay(item.price_cents)
        session |= {
            "status": "complete",
            "payment_status": "no_payment_required" if is_free else "paid",
            "payment_intent": intent,
        }
        self._happen("checkout.session.completed", "checkout.session", session["id"])
        return intent or str(session["id"])

    def top_up_later(self, credits_: int, *, works: bool) -> str:
        """A checkout that is finished before its money comes."""
        item = plans.ITEMS[plans.top_up_key(credits_)]
        session = self._session("payment", item)
        session |= {"status": "complete", "payment_status": "unpaid"}
        self._happen("checkout.session.completed", "checkout.session", session["id"])
        if works:
            session |= {"payment_status": "paid", "payment_intent": self._pay(item.price_cents)}
        kind = "succeeded" if works else "failed"
        self._happen(f"checkout.session.async_payment_{kind}", "checkout.session", session["id"])
        return str(session["id"])

    def abandon(self) -> None:
        session = self._session("payment", plans.ITEMS[plans.top_up_key(10)])
        session["status"] = "expired"
        self._happen("checkout.session.expired", "checkout.session", session["id"])

    def subscribe(
        self, plan: str, *, interval: plans.Interval = "month", coupon: bool = False
    ) -> Contract:
        """A checkout for a plan, with a card that works."""
        return self._begin(plan, interval=interval, coupon=coupon, trial_days=0)

    def subscribe_on_trial(self, plan: str, *, trial_days: int) -> Contract:
        return self._begin(plan, interval="month", coupon=False, trial_days=trial_days)

    def change(self, contract: Contract, plan: str, *, interval: plans.Interval) -> None:
        """Another plan: a higher one at once with the difference paid, a lower one with credit."""
        old, new = contract.item, plans.ITEMS[plans.plan_key(plan, interval)]
        if old.interval != new.interval:
            self._switch_interval(contract, new)
            return
        whole = contract.period_ends_at - contract.period_starts_at
        left = Fraction(int((contract.period_ends_at - self.now).total_seconds()))
        left /= int(whole.total_seconds())
        unused, rest = int(old.price_cents * left), int(new.price_cents * left)
        contract.price, contract.next_price = new.lookup_key, None
        lines = [
            self._line(contract, old, -unused, self.now, contract.period_ends_at, proration=True),
            self._line(contract, new, rest, self.now, contract.period_ends_at, proration=True),
        ]
        self._happen("customer.subscription.updated", "subscription", contract.id)
        if rest >= unused:
            self._invoice(contract, lines)
        else:
            contract.credit_cents += unused - rest

    def change_at_renewal(self, contract: Contract, plan: str) -> None:
        contract.next_price = plans.plan_key(plan, contract.item.interval or "month")
        self._happen("customer.subscription.updated", "subscription", contract.id)

    def cancel(self, contract: Contract) -> None:
        contract.cancel_at_period_end = True
        self._happen("customer.subscription.updated", "subscription", contract.id)

    def resume(self, contract: Contract) -> None:
        contract.cancel_at_period_end = False
        self._happen("customer.subscription.updated", "subscription", contract.id)

    def cancel_now(self, contract: Contract) -> None:
        contract.status, contract.ended_at = "canceled", self.now
        self._happen("customer.subscription.deleted", "subscription", contract.id)

    def refund(self, intent: str, cents: int) -> str:
        """Give money back; the refund, or nothing if there is nothing left to give."""
        left = self._left(intent)
        if left <= 0 or cents <= 0:
            return ""
        name = self._name("re")
        refunded = min(cents, left)
        self.refunds[name] = {"id": name, "amount": refunded, "status": "succeeded"}
        self.refunds[name] |= {"created": stamp(self.now), "payment_intent": intent}
        self._happen("refund.created", "refund", name, intent=intent)
        self._happen("charge.refunded", "charge", f"ch_{intent}", intent=intent)
        return name

    def fail_refund(self, refund: str) -> None:
        self.refunds[refund]["status"] = "failed"
        intent = str(self.refunds[refund]["payment_intent"])
        self._happen("refund.failed", "refund", refund, intent=intent)

    def dispute(self, intent: str) -> str:
        name = self._name("du")
        left = self._left(intent)
        if left <= 0:
            return ""
        self.disputes[name] = {"id": name, "amount": left, "status": "needs_response"}
        self.disputes[name] |= {"created": stamp(self.now), "payment_intent": intent}
        self._happen("charge.dispute.created", "dispute", name, intent=intent)
        return name

    def decide(self, dispute: str, *, won: bool) -> None:
        self.disputes[dispute]["status"] = "won" if won else "lost"
        intent = str(self.disputes[dispute]["payment_intent"])
        moved = "reinstated" if won else "withdrawn"
        self._happen(f"charge.dispute.funds_{moved}", "dispute", dispute, intent=intent)
        self._happen("charge.dispute.closed", "dispute", dispute, intent=intent)

    def murmur(self) -> None:
        """Things that Stripe tells, and that change nothing."""
        for kind in ("customer.updated", "payment_method.attached", "invoice.upcoming"):
            self._happen(kind, "customer", self.customer_id)

    def advance(self, until: datetime) -> None:
        """Let time pass: periods end, and are renewed if the card works."""
        while due := [
            c for c in self.subscriptions.values() if not c.ended_at and c.period_ends_at <= until
        ]:
            contract = min(due, key=lambda c: (c.period_ends_at, c.id))
            self.now = max(self.now, contract.period_ends_at)
            self._renew(contract)
        self.now = until

    # How it comes about.

    def _begin(
        self, plan: str, *, interval: plans.Interval, coupon: bool, trial_days: int
    ) -> Contract:
        item = plans.ITEMS[plans.plan_key(plan, interval)]
        anchor = self.now + timedelta(days=trial_days)
        ends_at = anchor if trial_days else _period_end(item, self.now, 1)
        name = self._name("sub")
        contract = Contract(
            name, item.lookup_key, self.now, self.now, ends_at, anchor=anchor,
            status="trialing" if trial_days else "active", periods=0 if trial_days else 1,
        )  # fmt: skip
        self.subscriptions[name] = contract
        session = self._session("subscription", item)
        paid = {"status": "complete", "payment_status": "paid", "subscription": name}
        self.sessions[session["id"]] |= paid
        self._happen("customer.subscription.created", "subscription", name)
        amount = 0 if trial_days else item.price_cents
        line = self._line(contract, item, amount, self.now, ends_at)
        if coupon:
            line["discount_amounts"] = [{"amount": amount}]
        self._invoice(contract, [line])
        self._happen("checkout.session.completed", "checkout.session", session["id"])
        return contract

    def _renew(self, contract: Contract) -> None:
        if contract.cancel_at_period_end:
            contract.status, contract.ended_at = "canceled", contract.period_ends_at
            self._happen("customer.subscription.deleted", "subscription", contract.id)
            return
        if contract.status == "past_due":
            contract.status, contract.ended_at = "canceled", self.now
            self._happen("customer.subscription.deleted", "subscription", contract.id)
            return
        if contract.next_price:
            contract.price, contract.next_price = contract.next_price, None
        contract.periods += 1
        contract.period_starts_at = contract.period_ends_at
        contract.period_ends_at = _period_end(contract.item, contract.anchor, contract.periods)
        item = contract.item
        line = self._line(
            contract, item, item.price_cents, contract.period_starts_at, contract.period_ends_at
        )
        contract.status = "active" if self.card_works else "past_due"
        self._happen("customer.subscription.updated", "subscription", contract.id)
        self._invoice(contract, [line], is_paid=self.card_works)

    def _switch_interval(self, contract: Contract, new: plans.Item) -> None:
        """The new period begins now; what is left of the old one is credited."""
        contract.price, contract.next_price = new.lookup_key, None
        contract.anchor, contract.periods = self.now, 1
        contract.period_starts_at = self.now
        contract.period_ends_at = _period_end(new, self.now, 1)
        self._happen("customer.subscription.updated", "subscription", contract.id)
        line = self._line(contract, new, new.price_cents, self.now, contract.period_ends_at)
        self._invoice(contract, [line])

    def _invoice(
        self, contract: Contract, lines: list[dict[str, Any]], *, is_paid: bool = True
    ) -> None:
        name = self._name("in")
        due = sum(line["amount"] for line in lines)
        due -= sum(one["amount"] for line in lines for one in line.get("discount_amounts", []))
        used = min(due, contract.credit_cents) if is_paid else 0
        contract.credit_cents -= used
        paid = due - used if is_paid else 0
        self.invoices[name] = {
            "id": name,
            "customer": self.customer_id,
            "status": "paid" if is_paid else "open",
            "currency": "usd",
            "amount_paid": paid,
            "parent": {"subscription_details": {"subscription": contract.id}},
            "status_transitions": {"paid_at": stamp(self.now) if is_paid else None},
            "lines": {"data": lines, "has_more": False},
            "paid_by": self._pay(paid) if paid else None,
        }
        if is_paid:
            self._happen("invoice.paid", "invoice", name)
            self._happen("invoice.payment_succeeded", "invoice", name)
        else:
            self._happen("invoice.payment_failed", "invoice", name)


def _period_end(item: plans.Item, anchor: datetime, periods: int) -> datetime:
    each = plans.MONTHS_IN_A_YEAR if item.is_annual else 1
    return calendar_months.after(anchor, periods * each)
