"""Compare what Stripe changed lately with our books: a webhook that never came loses nothing.

Each quarter of an hour events that never arrived are fetched. Once a day everything that an event
of the last days is about is read and written down as the webhook's worker would: what that changes
is what we did not know. Without `fix` it is rolled back, and only reported.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing import customers, event_log, facts, reading, recording, settling
from services.billing.acting import Clock, utc_now
from services.billing.customers import Leased, LeaseLost
from services.billing.errors import Missing, Refused, StripeAway
from services.billing.event_log import ACTED_ON, Waiting
from services.billing.facts import Event
from services.billing.reading import Subject
from services.billing.stripe_client import Stripe
from services.kit.db import Connection

WINDOW = timedelta(days=4)
"""Stripe tries a webhook for three days."""

LEEWAY = timedelta(minutes=2)
"""What happened just now may be on its way still."""

EVERY = timedelta(minutes=15)
ROUNDS_A_DAY = 96
LEADER = 0x72656B62  # an advisory lock of this schema's: one sweep at a time
LEASE_TRIES, LEASE_PAUSE_S = 20, 0.5
SHOWN_MAX = 20

log = structlog.get_logger()


@dataclass(slots=True)
class Report:
    """What Stripe says and our books did not."""

    events: int = 0
    subjects: int = 0
    missing_events: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.missing_events or self.differences or self.problems)


@dataclass(frozen=True, slots=True)
class _Wanted:
    customer_id: str
    subject: Subject


@dataclass(frozen=True, slots=True)
class Reconciler:
    engine: AsyncEngine
    stripe: Stripe
    clock: Clock = utc_now

    async def reconcile_for_ever(self) -> None:
        """Fetch what never arrived, and each day compare everything; whoever gets the lock."""
        for number in count():
            try:
                await self._once_among_many(is_thorough=number % ROUNDS_A_DAY == 0)
            except Exception as error:  # noqa: BLE001  # Stripe or Postgres is away; the next round
                log.warning("reconcile.interrupted", error=repr(error)[:200])
            await asyncio.sleep(EVERY.total_seconds())

    async def reconcile(self, *, fix: bool) -> Report:
        """Compare the last four days; with `fix`, what is missing is made good."""
        report = Report()
        events = await self._look_for_missing(report, fix=fix)
        for wanted in await self._wanted(report, events):
            report.subjects += 1
            await self._compare(report, wanted, fix=fix)
        return _logged(report, fix=fix)

    async def catch_up(self) -> Report:
        """Fetch the events that no webhook told us of; they are acted on like any other."""
        report = Report()
        await self._look_for_missing(report, fix=True)
        return _logged(report, fix=True)

    async def _once_among_many(self, *, is_thorough: bool) -> None:
        async with self.engine.connect() as lock:
            is_leader = await lock.scalar(
                text("select pg_try_advisory_lock(:key)"), {"key": LEADER}
            )
            await lock.commit()
            if not is_leader:
                return
            try:
                await (self.reconcile(fix=True) if is_thorough else self.catch_up())
            finally:
                await lock.execute(text("select pg_advisory_unlock(:key)"), {"key": LEADER})
                await lock.commit()

    async def _look_for_missing(self, report: Report, *, fix: bool) -> list[Event]:
        """What happened lately. Events that nobody told us of count as told with `fix`."""
        until = self.clock() - LEEWAY
        events = [
            event
            async for event in self.stripe.events_since(self.clock() - WINDOW)
            if event.type in ACTED_ON and event.created <= until
        ]
        report.events = len(events)
        async with self.engine.begin() as connection:
            known = await event_log.known(connection, [event.id for event in events])
            for event in events:
                if event.id in known:
                    continue
                report.missing_events.append(f"{event.id} {event.type}")
                if fix:
                    await event_log.store(connection, event)
        return events

    async def _wanted(self, report: Report, events: Sequence[Event]) -> list[_Wanted]:
        """What to look at: each thing once, with the customer it belongs to."""
        found: dict[_Wanted, None] = {}
        for event in events:
            waiting = Waiting(
                event.id,
                event.type,
                event.object,
                event.object_id,
                event.payment_intent,
                event.object_id if event.object == "customer" else event.customer,
            )
            try:
                owner = waiting.customer_id or await reading.customer_of(self.stripe, waiting)
            except (StripeAway, Refused) as error:
                report.problems.append(f"{event.id}: {error}")
                continue
            if owner:
                found[_Wanted(owner, reading.subject_of(waiting))] = None
        return list(reversed(found))

    async def _compare(self, report: Report, wanted: _Wanted, *, fix: bool) -> None:
        name = " ".join(wanted.subject)
        try:
            leased = await self._lease(wanted.customer_id)
            if leased is None:
                report.problems.append(f"{name}: {wanted.customer_id} is no customer of ours")
                return
            changed = await self._bring_in_line(leased, wanted.subject, fix=fix)
            report.differences += [f"{leased.account_id} {name}: {what}" for what in changed]
        except Missing:
            pass  # deleted since; the event that says so is among the others
        except (LeaseLost, Refused, StripeAway, TimeoutError) as error:
            report.problems.append(f"{name}: {type(error).__name__} {error}")

    async def _bring_in_line(self, leased: Leased, subject: Subject, *, fix: bool) -> list[str]:
        try:
            found = await reading.read(self.stripe, leased.customer_id, subject)
            async with self.engine.connect() as connection:
                changed = await self._write(connection, leased, found)
                await (connection.commit() if fix else connection.rollback())
        finally:
            async with self.engine.begin() as connection:
                await customers.release(connection, leased)
        return changed

    async def _write(self, connection: Connection, leased: Leased, found: facts.Found) -> list[str]:
        """Write down what was found; what is different now."""
        await customers.hold(connection, leased)
        before = await _fingerprint(connection, leased)
        await recording.record(connection, leased, found)
        changed = await settling.settle(connection, leased.account_id, at=self.clock())
        if not changed and await _fingerprint(connection, leased) != before:
            return ["our books were behind"]
        return changed

    async def _lease(self, customer_id: str) -> Leased | None:
        """Wait for whoever works on the customer; None if it is none of ours."""
        for _ in range(LEASE_TRIES):
            async with self.engine.begin() as connection:
                if not await customers.is_known(connection, customer_id):
                    return None
                if leased := await customers.lease(connection, [customer_id]):
                    return leased[0]
            await asyncio.sleep(LEASE_PAUSE_S)
        raise LeaseLost(customer_id)


def _logged(report: Report, *, fix: bool) -> Report:
    tell = log.info if report.is_clean else log.error
    tell(
        "reconcile.done",
        events=report.events,
        missing=report.missing_events[:SHOWN_MAX],
        differences=report.differences[:SHOWN_MAX],
        problems=report.problems[:SHOWN_MAX],
        fixed=fix,
    )
    return report


_FINGERPRINT = text(
    """
    select md5(concat(
        (select string_agg(s::text, '|' order by subscription_id)
            from stripe_subscriptions s where account_id = :account_id),
        (select string_agg(p::text, '|' order by payment_id)
            from payments p where account_id = :account_id),
        (select string_agg(l::text, '|' order by line_id)
            from paid_lines l where account_id = :account_id),
        (select string_agg(r::text, '|' order by refund_id)
            from refunds r join payments using (payment_id) where account_id = :account_id),
        (select string_agg(d::text, '|' order by dispute_id)
            from disputes d join payments using (payment_id) where account_id = :account_id),
        (select string_agg(c.state, '|' order by id)
            from checkouts c where account_id = :account_id)
    ))
    """
)


async def _fingerprint(connection: Connection, leased: Leased) -> Any:
    """Of everything that we know of an account from Stripe."""
    return await connection.scalar(_FINGERPRINT, {"account_id": leased.account_id})
