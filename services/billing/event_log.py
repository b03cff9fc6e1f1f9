"""Stripe's events, each written down once before anything is done about it, and kept for ever.

stored ──▶ handled | ignored (nothing to do) | refused (not meant for us)
   └─────▶ parked: tried for three days, or does not fit; `replay` brings it back
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from services.billing import facts
from services.billing.models import stripe_events as table
from services.kit.db import Connection

TRIED_FOR = timedelta(days=3)
FIRST_RETRY_S, RETRY_S_MAX = 2, 60 * 60
NOTE_LENGTH_MAX = 300
EVENTS_AT_ONCE = 500

ACTED_ON: Final = frozenset(
    {
        *("checkout.session.completed", "checkout.session.expired"),
        *("checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed"),
        *("invoice.paid", "invoice.payment_succeeded", "invoice.payment_failed"),
        *("invoice.payment_action_required", "invoice.voided", "invoice.marked_uncollectible"),
        *("customer.subscription.created", "customer.subscription.updated"),
        *("customer.subscription.deleted", "customer.subscription.paused"),
        *("customer.subscription.resumed", "customer.subscription.trial_will_end"),
        *("customer.subscription.pending_update_applied", "customer.deleted"),
        *("charge.refunded", "charge.refund.updated"),
        *("refund.created", "refund.updated", "refund.failed"),
        *("charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"),
        *("charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated"),
    }
)
WATCHED: Final = frozenset(
    {
        *("price.created", "price.updated", "price.deleted"),
        *("product.updated", "product.deleted", "radar.early_fraud_warning.created"),
    }
)
"""Nothing is done about these; somebody should know of them."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that is to be acted on."""

    event_id: str
    type: str
    object: str
    object_id: str
    payment_intent_id: str | None
    customer_id: str | None


_WAITING = (
    table.c.event_id,
    table.c.type,
    table.c.object,
    table.c.object_id,
    table.c.payment_intent_id,
    table.c.customer_id,
)
_IS_DUE = sa.and_(table.c.state == "stored", table.c.next_attempt_at <= sa.func.now())

_DUE_CUSTOMERS = sa.text(
    """
    select e.customer_id from stripe_events e join customers c using (customer_id)
    where e.state = 'stored' and e.next_attempt_at <= now() and c.leased_until < now()
    group by e.customer_id order by min(e.next_attempt_at) limit :customers_max
    """
)
_DUE_STRANGERS = sa.text(
    """
    select e.event_id, e.type, e.object, e.object_id, e.payment_intent_id, e.customer_id
    from stripe_events e left join customers c using (customer_id)
    where e.state = 'stored' and e.next_attempt_at <= now() and c.customer_id is null
    order by e.next_attempt_at limit :events_max
    """
)
_TRY_LATER = sa.text(
    """
    update stripe_events set attempts = attempts + 1, note = :note,
        state = case when received_at < now() - cast(:tried_for as interval) then 'parked'
            else state end,
        next_attempt_at = now() + make_interval(secs =>
            least(cast(:retry_s_max as float8), :first_retry_s * power(2, least(attempts, 20)))
            * (0.5 + random() / 2))
    where event_id = any(:event_ids) and state = 'stored'
    returning event_id, state
    """
)


async def store(connection: Connection, event: facts.Event, *, refusal: str | None = None) -> bool:
    """Write an event down; False if it was known."""
    is_to_do = event.type in ACTED_ON
    state = "refused" if refusal else "stored" if is_to_do else "ignored"
    new = insert(table).values(
        event_id=event.id,
        type=event.type,
        object=event.object,
        object_id=event.object_id,
        payment_intent_id=event.payment_intent,
        customer_id=event.object_id if event.object == "customer" else event.customer,
        created_at=event.created,
        state=state,
        note=refusal,
    )
    stored = await connection.execute(new.on_conflict_do_nothing().returning(table.c.event_id))
    return stored.one_or_none() is not None


async def known(connection: Connection, event_ids: Collection[str]) -> set[str]:
    """Those of these events that we have."""
    found = await connection.scalars(
        sa.select(table.c.event_id).where(table.c.event_id == sa.any_(sa.literal(list(event_ids))))
    )
    return set(found)


async def due_customers(connection: Connection, *, customers_max: int) -> list[str]:
    """Customers that have events to act on, and that nobody works on."""
    return list(await connection.scalars(_DUE_CUSTOMERS, {"customers_max": customers_max}))


async def due_of(connection: Connection, customer_id: str) -> list[Waiting]:
    """What waits for one customer, oldest first."""
    rows = await connection.execute(
        sa.select(*_WAITING)
        .where(_IS_DUE, table.c.customer_id == customer_id)
        .order_by(table.c.created_at, table.c.event_id)
        .limit(EVENTS_AT_ONCE)
    )
    return [Waiting(*row) for row in rows]


async def due_strangers(connection: Connection) -> list[Waiting]:
    """Events of customers we do not know, or that do not say whose they are."""
    rows = await connection.execute(_DUE_STRANGERS, {"events_max": EVENTS_AT_ONCE})
    return [Waiting(*row) for row in rows]


async def name_customer(connection: Connection, event_id: str, customer_id: str) -> None:
    await connection.execute(
        sa.update(table).where(table.c.event_id == event_id).values(customer_id=customer_id)
    )


async def finish(
    connection: Connection, event_ids: Collection[str], *, state: str, note: str | None = None
) -> None:
    """Nothing is left to do about these events."""
    await connection.execute(
        sa.update(table)
        .where(table.c.event_id.in_(event_ids), table.c.state == "stored")
        .values(state=state, handled_at=sa.func.now(), note=_short(note))
    )


async def try_later(connection: Connection, event_ids: Collection[str], *, why: str) -> list[str]:
    """Wait longer each time; after three days, park. The ids of those that were parked."""
    asked = {
        "event_ids": list(event_ids),
        "note": _short(why),
        "tried_for": TRIED_FOR,
        "first_retry_s": FIRST_RETRY_S,
        "retry_s_max": RETRY_S_MAX,
    }
    rows = await connection.execute(_TRY_LATER, asked)
    return [row.event_id for row in rows if row.state == "parked"]


async def replay(connection: Connection, event_ids: Sequence[str]) -> int:
    """Act on events again, whatever became of them; how many of them we know."""
    replayed = await connection.execute(
        sa.update(table)
        .where(table.c.event_id.in_(event_ids))
        .values(
            state="stored", attempts=0, next_attempt_at=sa.func.now(), received_at=sa.func.now()
        )
    )
    return replayed.rowcount


async def parked(connection: Connection, *, limit: int) -> list[tuple[str, str, datetime, str]]:
    """What waits for an operator: event, type, when it came, and what is wrong with it."""
    t = table.c
    rows = await connection.execute(
        sa.select(t.event_id, t.type, t.received_at, sa.func.coalesce(t.note, ""))
        .where(t.state == "parked")
        .order_by(t.received_at)
        .limit(limit)
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def _short(note: str | None) -> str | None:
    return note[:NOTE_LENGTH_MAX] if note else None
