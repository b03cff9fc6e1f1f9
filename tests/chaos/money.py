"""What is so about money after a run, in Stripe's books and in ours, and what would be wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos import stripe_books
from tests.chaos.history import Record
from tests.chaos.stripe_books import Sale, Stack

BOUGHT = ("topup:", "sub:", "upgrade:")
TAKEN = ("claw:", "reinstate:")
"""How the causes begin for which credits come with money, and go with it."""

_MOVED = """
    select m.account_id, m.cause,
        coalesce(-sum(e.amount) filter (where e.bucket = 'issued'), 0) as issued,
        coalesce(sum(e.amount) filter (where e.bucket = 'revoked'), 0) as revoked
    from movements m join entries e on e.movement_id = m.id
    where m.cause is not null group by 1, 2
"""
_RETURNED = """
    select job_id, sum(amount) from movements where kind = 'refund' group by job_id
"""
_CHECKOUTS = "select id, session_id, state, account_id, idempotency_key from checkouts"
_REFUNDS = "select refund_id, is_effective from refunds"
_PARKED = """
    select event_id, type, note from stripe_events where state in ('parked', 'refused')
"""

Rows = Callable[[Stack, str, str], Any]


@dataclass(frozen=True, slots=True)
class Moved:
    """The credits that came into being, and those taken back, because of one cause."""

    issued: int = 0
    revoked: int = 0


@dataclass(frozen=True, slots=True)
class Money:
    """Stripe's books, billing's, and those of credits."""

    sales: Sequence[Sale] = ()
    moved: Mapping[tuple[str, str], Moved] = field(default_factory=dict)
    """By account and cause."""

    checkouts: Mapping[str, Any] = field(default_factory=dict)
    refunds: Mapping[str, bool] = field(default_factory=dict)
    """Whether each refund that billing knows took the money away."""

    returned: Mapping[str, int] = field(default_factory=dict)
    """The credits that came back for results which their owners rejected, by job."""

    behind: Sequence[str] = ()
    parked: Sequence[str] = ()

    @property
    def refunds_kept(self) -> int:
        """How many times money went back to stay there."""
        return sum(one.is_effective for sale in self.sales for one in sale.refunds)


async def look(stack: Stack, rows: Rows) -> Money:
    """Read all of it; `rows` asks a service's database."""
    return Money(
        sales=await stripe_books.sales(stack),
        moved={
            (str(account), cause): Moved(int(issued), int(revoked))
            for account, cause, issued, revoked in await rows(stack, "credits", _MOVED)
        },
        checkouts={str(row.id): row for row in await rows(stack, "billing", _CHECKOUTS)},
        refunds=dict(map(tuple, await rows(stack, "billing", _REFUNDS))),
        returned={str(job): int(amount) for job, amount in await rows(stack, "credits", _RETURNED)},
        behind=await stripe_books.behind(stack),
        parked=[
            f"billing {kind} {event}: {note}"
            for event, kind, note in await rows(stack, "billing", _PARKED)
        ],
    )


def lost_purchases(money: Money, told: Mapping[tuple[str, str], set[str]]) -> list[str]:
    """Checkouts and refunds that were acknowledged and are not there."""
    given_back = {one.refund_id for sale in money.sales for one in sale.refunds}
    return [
        *(f"checkout {one}" for one in told["checkout", "checkout"] - money.checkouts.keys()),
        *(f"refund {one}" for one in told["refund", "refund"] - given_back),
        *(f"return of {job}" for job in told["return", "returned"] - money.returned.keys()),
    ]


def wrong_sales(money: Money) -> list[str]:
    """Purchases that are not in our books as paid, or whose credits are not granted exactly once;
    credits for money that nobody paid.
    """
    states = {row.session_id: row.state for row in money.checkouts.values() if row.session_id}
    due = {(sale.account, sale.cause) for sale in money.sales}
    return [
        *(
            f"{sale.session} is paid, and its checkout {states.get(sale.session)}"
            for sale in money.sales
            if states.get(sale.session) != "paid"
        ),
        *(
            f"{sale.cause} is worth {sale.credits}, granted {issued}"
            for sale in money.sales
            if (issued := money.moved.get((sale.account, sale.cause), Moved()).issued)
            != sale.credits
        ),
        *(
            f"{account}: {moved.issued} granted for {cause}, and nobody paid"
            for (account, cause), moved in money.moved.items()
            if cause.startswith(BOUGHT) and (account, cause) not in due
        ),
    ]


def wrong_refunds(money: Money) -> list[str]:
    """Money that went back and is not written down as it is, or whose credits did not go with it;
    credits taken back for nothing.
    """
    wrong, explained = [], set()
    for sale in money.sales:
        causes = [key for key in money.moved if key[0] == sale.account and _is_of(sale, key[1])]
        explained.update(causes)
        taken = sum(money.moved[key].revoked for key in causes)
        if taken != sale.taken:
            wrong.append(f"{sale.cause}: {sale.taken} of {sale.credits} go back, {taken} did")
        for one in sale.refunds:
            if money.refunds.get(one.refund_id) != one.is_effective:
                known = money.refunds.get(one.refund_id)
                wrong.append(f"{one.refund_id} is {one.is_effective}, and in our books {known}")
    for key, moved in money.moved.items():
        if key[1].startswith(TAKEN) and key not in explained:
            wrong.append(f"{key[0]}: {moved.revoked} taken for {key[1]}, and nothing was refunded")
    return wrong


def wrong_returns(money: Money, records: Sequence[Record], prices: Mapping[str, int]) -> list[str]:
    """Rejected results whose price did not come back as it was paid, and others that did."""
    asked = {record.facts["job"] for record in records if record.call == "return"}
    return [
        *(
            f"job {job} cost {prices.get(job)}, and {amount} came back"
            for job, amount in money.returned.items()
            if amount != prices.get(job)
        ),
        *(f"job {job} came back unasked" for job in money.returned.keys() - asked),
    ]


def _is_of(sale: Sale, cause: str) -> bool:
    """Whether credits went, or came back, because of this sale's money."""
    if cause.startswith(f"claw:{sale.charge}:"):
        return True
    return cause.startswith("reinstate:") and any(
        cause.startswith(f"reinstate:{name}")
        for name in (sale.charge, *(refund.refund_id for refund in sale.refunds))
    )
