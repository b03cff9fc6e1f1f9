"""Act on Stripe's events: take a customer, read what its events are about, and settle its account.

    due events ─▶ lease of the customer ─▶ read from Stripe ─▶ one transaction: the customer is
                                           (no transaction)     locked, books and outbox written

Events about the same thing are acted on at once, whatever their number. One that cannot be acted
on is tried again, ever later, for three days; then it is parked and an operator is told.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.billing import customers, event_log, facts, reading, recording, settling
from services.billing.customers import Leased, LeaseLost
from services.billing.errors import Missing, Refused
from services.billing.event_log import Waiting
from services.billing.reading import Subject
from services.billing.stripe_client import Stripe
from services.kit import telemetry

CUSTOMERS_AT_ONCE = 8
PAUSE_S = 0.5
PAUSE_AFTER_FAILURE_S = 5
READING_TIMEOUT_S = 60
"""Less than the lease: what was read is written while it still holds."""

Clock = Callable[[], datetime]

LOOKED_AT_AGAIN_IN = timedelta(minutes=2)

log = structlog.get_logger()

_DUE = sa.text(
    """
    select customer_id from subscriptions join customers using (account_id)
    where due_at <= :at and leased_until < now() order by due_at limit :customers_max
    """
)
_POSTPONE = sa.text("update subscriptions set due_at = :at where account_id = :account_id")


def utc_now() -> datetime:
    return datetime.now(UTC)


class Actor:
    """Whoever acts on events; any number of them may run."""

    def __init__(self, engine: AsyncEngine, stripe: Stripe, *, clock: Clock = utc_now) -> None:
        self.engine, self.stripe, self.clock = engine, stripe, clock

    async def act_for_ever(self) -> None:
        """Act on what comes in, and on what becomes due by itself."""
        while True:
            try:
                is_busy = await self.act_once()
                is_busy |= await self.settle_due() > 0
                pause_s = 0.0 if is_busy else PAUSE_S
            except Exception as error:  # noqa: BLE001  # a killed Postgres raises from many families
                log.warning("billing.acting.interrupted", error=repr(error)[:200])
                pause_s = PAUSE_AFTER_FAILURE_S
            await asyncio.sleep(pause_s)

    async def act_once(self) -> bool:
        """Act on one batch of due events; whether there were any."""
        had_strangers = await self._name_strangers()
        async with self.engine.begin() as connection:
            due = await event_log.due_customers(connection, customers_max=CUSTOMERS_AT_ONCE)
            leased = await customers.lease(connection, due)
        await asyncio.gather(*(self._act_for(one) for one in leased))
        return bool(leased) or had_strangers

    async def settle_due(self) -> int:
        """Settle accounts for which a moment has come: a month, or the end of something.

        Stripe is asked once more first: its last word may be on its way still.
        """
        asked = {"at": self.clock(), "customers_max": CUSTOMERS_AT_ONCE}
        async with self.engine.begin() as connection:
            due = list(await connection.scalars(_DUE, asked))
            leased = await customers.lease(connection, due)
        return sum(await asyncio.gather(*(self._settle(one) for one in leased)))

    async def _settle(self, leased: Leased) -> bool:
        account_id = str(leased.account_id)
        try:
            found = await self._read(leased, reading.CLOCK)
            async with self.engine.begin() as connection:
                await customers.hold(connection, leased)
                await recording.record(connection, leased, found)
                changed = await settling.settle_by_clock(
                    connection, leased.account_id, at=self.clock()
                )
        except Exception as error:  # noqa: BLE001  # one account must not hold up the others
            log.warning("account.not_settled", account_id=account_id, error=repr(error)[:200])
            async with self.engine.begin() as connection:
                later = {"account_id": leased.account_id, "at": self.clock() + LOOKED_AT_AGAIN_IN}
                await connection.execute(_POSTPONE, later)
                await customers.release(connection, leased)
            return False
        async with self.engine.begin() as connection:
            await customers.release(connection, leased)
        log.info("account.settled", account_id=account_id, changed=changed)
        return True

    async def _name_strangers(self) -> bool:
        """Find out whose the events are that do not say so; those of others are not for us."""
        async with self.engine.begin() as connection:
            strangers = await event_log.due_strangers(connection)
        for event in strangers:
            try:
                customer_id = event.customer_id or await reading.customer_of(self.stripe, event)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is tried again
                await self._put_off([event.event_id], error)
                continue
            async with self.engine.begin() as connection:
                if customer_id and await customers.is_known(connection, customer_id):
                    await event_log.name_customer(connection, event.event_id, customer_id)
                else:
                    log.error("stripe.event.of_nobody", event_id=event.event_id, type=event.type)
                    await event_log.finish(
                        connection, [event.event_id], state="parked", note="not a customer of ours"
                    )
        return bool(strangers)

    async def _act_for(self, leased: Leased) -> None:
        try:
            async with self.engine.begin() as connection:
                due = await event_log.due_of(connection, leased.customer_id)
            subjects: dict[Subject, list[Waiting]] = defaultdict(list)
            for event in due:
                subjects[reading.subject_of(event)].append(event)
            for subject, events in subjects.items():
                with telemetry.caused_by(telemetry.Cause(), doing=f"stripe {subject[0]}"):
                    await self._act_on(leased, subject, [event.event_id for event in events])
        except LeaseLost:
            log.info("customer.lease_lost", customer_id=leased.customer_id)
            return
        async with self.engine.begin() as connection:
            await customers.release(connection, leased)

    async def _act_on(self, leased: Leased, subject: Subject, event_ids: Sequence[str]) -> None:
        try:
            found = await self._read(leased, subject)
            async with self.engine.begin() as connection:
                await customers.hold(connection, leased)
                await recording.record(connection, leased, found)
                changed = await settling.settle(connection, leased.account_id, at=self.clock())
                await event_log.finish(connection, event_ids, state="handled")
        except LeaseLost:
            raise
        except Missing as error:
            await self._close(event_ids, state="ignored", note=f"Stripe has it no more: {error}")
        except Refused as error:
            log.error("stripe.event.refused", event_ids=event_ids, why=str(error))  # noqa: TRY400
            await self._close(event_ids, state="parked", note=str(error))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is tried again
            await self._put_off(event_ids, error)
        else:
            log.info(
                "stripe.events.handled",
                account_id=str(leased.account_id),
                event_ids=event_ids,
                changed=changed,
            )

    async def _read(self, leased: Leased, subject: Subject) -> facts.Found:
        async with asyncio.timeout(READING_TIMEOUT_S):
            return await reading.read(self.stripe, leased.customer_id, subject)

    async def _close(self, event_ids: Sequence[str], *, state: str, note: str) -> None:
        async with self.engine.begin() as connection:
            await event_log.finish(connection, event_ids, state=state, note=note)

    async def _put_off(self, event_ids: Sequence[str], error: Exception) -> None:
        why = f"{type(error).__name__}: {error}"
        async with self.engine.begin() as connection:
            given_up = await event_log.try_later(connection, event_ids, why=why)
        log.warning("stripe.event.put_off", event_ids=event_ids, error=why[:200])
        if given_up:
            log.error("stripe.event.parked", event_ids=given_up, error=why[:200])
