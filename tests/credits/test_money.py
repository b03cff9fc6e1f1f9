"""News of money: whatever the order and however often it is heard, the books are the same."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contracts.billing.v1 import (
    CreditsBlocked,
    CreditsPurchased,
    CreditsRestored,
    CreditsRevoked,
    CreditsUnblocked,
    SubscriptionEnded,
)
from contracts.message import Event
from services.credits import audit, consumers, holds
from services.credits.errors import InsufficientCredits
from services.kit.db import create_engine
from tests.credits.bank import Bank

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STANDING = "available, held, blocked, owed, greatest(past, 0)"
HISTORIES = 60

News = tuple[str, int, int]
"""What happened, how many credits it is about, and on which day (or to which dispute)."""


def day(number: int) -> datetime:
    return BEGIN + timedelta(days=number)


def purchased(account_id: UUID, amount: int, *, on: int, cause: str = "topup:1") -> Event:
    return CreditsPurchased(
        account_id=account_id, cause=cause, amount=amount, reason="Bought", paid_at=day(on)
    )


def revoked(
    account_id: UUID,
    amount: int,
    *,
    on: int | None,
    cause: str = "claw:1",
    blocked_by: str | None = None,
) -> Event:
    return CreditsRevoked(
        account_id=account_id,
        cause=cause,
        amount=amount,
        reason="Refunded",
        blocked_by=blocked_by,
        paid_at=None if on is None else day(on),
    )


def restored(account_id: UUID, amount: int, *, on: int, cause: str = "reinstate:1") -> Event:
    return CreditsRestored(
        account_id=account_id, cause=cause, amount=amount, reason="Back", paid_at=day(on)
    )


def blocked(account_id: UUID, amount: int, *, on: int, cause: str = "disp:1:block") -> Event:
    return CreditsBlocked(
        account_id=account_id, cause=cause, amount=amount, reason="Disputed", paid_at=day(on)
    )


def unblocked(account_id: UUID, *, blocked_by: str = "disp:1:block") -> Event:
    return CreditsUnblocked(
        account_id=account_id, cause=f"won:{blocked_by}", blocked_by=blocked_by, reason="Won"
    )


def ended(account_id: UUID, *, on: int, cause: str = "forfeit:1") -> Event:
    return SubscriptionEnded(account_id=account_id, cause=cause, ended_at=day(on))


async def hear(bank: Bank, *news: Event) -> None:
    for one in news:
        async with bank.engine.begin() as connection:
            await consumers.RARE[type(one)](connection, one)


async def standing(bank: Bank, account_id: UUID) -> tuple[int, ...]:
    """What is available, held, blocked, owed and lost."""
    query = f"select {STANDING} from accounts where id = :id"
    return tuple((await bank.rows(query, id=account_id))[0])


@pytest.fixture
async def account_id(bank: Bank) -> UUID:
    """An account that has nothing and waits for nothing."""
    return await bank.open_account(amount=0)


async def test_a_purchase_counts_once(bank: Bank, account_id: UUID) -> None:
    await hear(bank, *[purchased(account_id, 10, on=1)] * 3)

    assert await bank.balance(account_id) == (10, 0)
    ((said, facts),) = await bank.said()
    assert (said, facts["available"]) == ("credits.balance.granted.v1", 10)


async def test_the_owner_is_told_of_every_change_in_the_words_of_the_receipt(
    bank: Bank, account_id: UUID
) -> None:
    await hear(bank, purchased(account_id, 10, on=1))
    job_id = await bank.hold(account_id, amount=4)
    await hear(bank, blocked(account_id, 10, on=1), unblocked(account_id))
    await hear(bank, revoked(account_id, 9, on=1), ended(account_id, on=5))
    await bank.release(job_id)
    await hear(bank, purchased(account_id, 7, on=9, cause="topup:2"))

    told = [
        (said.removeprefix("credits."), facts["amount"], facts["available"])
        for said, facts in await bank.said()
    ]
    assert told == [
        ("balance.granted.v1", 10, 10),
        ("hold.placed.v1", 4, 6),
        ("balance.blocked.v1", 6, 0),
        ("balance.unblocked.v1", 6, 6),
        ("balance.revoked.v1", 6, 0),
        ("balance.owed.v1", 3, 0),
        ("hold.released.v1", 4, 4),
        ("balance.forfeited.v1", 1, 3),
        ("balance.repaid.v1", 3, 0),
        ("balance.granted.v1", 7, 7),
    ]
    rows = await bank.rows("select version, reason from movements order by version")
    assert [facts["version"] for _, facts in await bank.said()] == [row.version for row in rows]
    explained = [(row.version, row.reason) for row in rows]
    for said, facts in await bank.said():
        if said.startswith("credits.balance"):
            assert (facts["version"], facts["reason"]) in explained


async def test_what_was_spent_is_owed_when_its_money_goes_back(
    bank: Bank, account_id: UUID
) -> None:
    await hear(bank, purchased(account_id, 10, on=1))
    await bank.capture(await bank.hold(account_id, amount=7))

    await hear(bank, *[revoked(account_id, 10, on=1)] * 2)

    assert await standing(bank, account_id) == (0, 0, 0, 7, 0)
    assert (await bank.receipts(account_id))[-2:] == [("clawback", 3, 0, 0), ("owe", 7, 0, 0)]


async def test_who_owes_repays_before_anything_can_be_held(bank: Bank, account_id: UUID) -> None:
    await hear(bank, revoked(account_id, 7, on=1), purchased(account_id, 5, on=2))
    with pytest.raises(InsufficientCredits):
        await bank.hold(account_id, amount=1)

    await hear(bank, purchased(account_id, 5, on=3, cause="topup:2"))

    assert await standing(bank, account_id) == (3, 0, 0, 0, 0)


async def test_a_hold_that_comes_back_repays_too(bank: Bank, account_id: UUID) -> None:
    await hear(bank, purchased(account_id, 10, on=1))
    job_id = await bank.hold(account_id, amount=6)
    await hear(bank, revoked(account_id, 10, on=1))
    assert await standing(bank, account_id) == (0, 6, 0, 6, 0)

    await bank.release(job_id)

    assert await standing(bank, account_id) == (0, 0, 0, 0, 0)


async def test_a_refund_that_failed_gives_back(bank: Bank, account_id: UUID) -> None:
    await hear(bank, purchased(account_id, 10, on=1), revoked(account_id, 4, on=1))

    await hear(bank, *[restored(account_id, 4, on=1)] * 2)

    assert await standing(bank, account_id) == (10, 0, 0, 0, 0)


async def test_disputed_credits_cannot_be_spent_until_it_is_won(
    bank: Bank, account_id: UUID
) -> None:
    await hear(bank, purchased(account_id, 10, on=1), blocked(account_id, 8, on=1))
    assert await standing(bank, account_id) == (2, 0, 8, 0, 0)
    with pytest.raises(InsufficientCredits):
        await bank.hold(account_id, amount=3)

    await hear(bank, unblocked(account_id))

    assert await standing(bank, account_id) == (10, 0, 0, 0, 0)


async def test_a_lost_dispute_takes_what_was_blocked(bank: Bank, account_id: UUID) -> None:
    await hear(bank, purchased(account_id, 10, on=1))
    await hear(bank, purchased(account_id, 5, on=1, cause="topup:2"), blocked(account_id, 10, on=1))

    await hear(bank, revoked(account_id, 10, on=1, blocked_by="disp:1:block"))

    assert await standing(bank, account_id) == (5, 0, 0, 0, 0)


async def test_the_end_takes_the_pool_but_what_was_paid_for_later(
    bank: Bank, account_id: UUID
) -> None:
    await hear(bank, purchased(account_id, 10, on=1))
    held = await bank.hold(account_id, amount=4)
    await hear(bank, purchased(account_id, 3, on=20, cause="topup:2"))

    await hear(bank, *[ended(account_id, on=10)] * 2)
    assert await standing(bank, account_id) == (3, 4, 0, 0, 6)

    await bank.capture(held)
    assert await standing(bank, account_id) == (3, 0, 0, 0, 6)


async def test_a_purchase_from_before_the_end_is_lost_when_it_is_heard(
    bank: Bank, account_id: UUID
) -> None:
    await hear(bank, ended(account_id, on=10), purchased(account_id, 5, on=10))

    assert await standing(bank, account_id) == (0, 0, 0, 0, 5)


async def test_held_credits_that_come_back_after_the_end_are_lost(
    bank: Bank, account_id: UUID
) -> None:
    await hear(bank, purchased(account_id, 10, on=1))
    old = await bank.hold(account_id, amount=4)
    await hear(bank, ended(account_id, on=10), purchased(account_id, 5, on=20, cause="topup:2"))
    new = await bank.hold(account_id, amount=5)

    await bank.release(old)
    assert await standing(bank, account_id) == (0, 5, 0, 0, 10)

    await bank.release(new)
    assert await standing(bank, account_id) == (5, 0, 0, 0, 10)


async def test_a_refund_of_what_was_lost_is_not_owed(bank: Bank, account_id: UUID) -> None:
    await hear(bank, purchased(account_id, 10, on=1), ended(account_id, on=10))

    await hear(bank, revoked(account_id, 10, on=1))

    assert await standing(bank, account_id) == (0, 0, 0, 0, 0)


async def test_lost_credits_do_not_pay_for_a_later_purchase(bank: Bank, account_id: UUID) -> None:
    await hear(bank, purchased(account_id, 50, on=1), ended(account_id, on=10))
    await hear(bank, purchased(account_id, 10, on=20, cause="topup:2"))
    await bank.capture(await bank.hold(account_id, amount=10))

    await hear(bank, revoked(account_id, 10, on=20))

    assert await standing(bank, account_id) == (0, 0, 0, 10, 50)


async def test_a_refund_without_a_time_is_of_what_is_there_now(
    bank: Bank, account_id: UUID
) -> None:
    await hear(bank, purchased(account_id, 50, on=1), ended(account_id, on=10))

    await hear(bank, revoked(account_id, 10, on=None))

    assert await standing(bank, account_id) == (0, 0, 0, 10, 50)


def predicted(news: Sequence[News]) -> tuple[int, ...]:
    """Where an account stands after all of this, worked out without a ledger."""
    ends = max((when for what, _, when in news if what == "end"), default=-2)
    closed = {when for what, _, when in news if what in ("win", "lose")}
    old = new = disputed = 0
    for what, amount, when in news:
        sign = {"buy": 1, "restore": 1, "revoke": -1, "lose": -1, "gift": 1}.get(what, 0)
        if when <= ends and what != "lose":
            old += sign * amount
        else:
            new += sign * amount
        if what == "block" and when not in closed:
            disputed += amount
    rest = new + min(old, 0)
    kept = min(disputed, max(rest, 0))
    return (max(rest, 0) - kept, 0, kept, max(-rest, 0), max(old, 0))


def told(account_id: UUID, number: int, news: News) -> Event:  # noqa: PLR0911  # one per kind
    """The event that tells this; disputes and their ends are of payments no end is later than."""
    what, amount, when = news
    match what:
        case "buy":
            return purchased(account_id, amount, on=when, cause=f"topup:{number}")
        case "revoke":
            return revoked(account_id, amount, on=when, cause=f"claw:{number}")
        case "restore":
            return restored(account_id, amount, on=when, cause=f"reinstate:{number}")
        case "block":
            return blocked(account_id, amount, on=99, cause=f"disp:{when}:block")
        case "win":
            return unblocked(account_id, blocked_by=f"disp:{when}:block")
        case "lose":
            block = f"disp:{when}:block"
            return revoked(
                account_id, amount, on=None, cause=f"disp:{number}:lost", blocked_by=block
            )
        case _:
            return ended(account_id, on=when, cause=f"forfeit:{number}")


amounts = st.integers(1, 20)
histories = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["buy", "buy", "revoke", "restore"]), amounts, st.integers(0, 9)),
        st.tuples(st.just("end"), st.just(0), st.integers(0, 9)),
        st.tuples(st.sampled_from(["block", "win", "lose"]), amounts, st.integers(100, 102)),
    ),
    min_size=1,
    max_size=9,
    unique_by=lambda news: (news[0], news[2]) if news[2] >= 100 else (news[0], news[1], news[2]),
)


@pytest.mark.timeout(240)
def test_every_order_and_repetition_ends_in_the_same_books(
    database_url: Callable[[str], str],
) -> None:
    url = database_url("credits")
    with asyncio.Runner() as runner:
        bank = Bank(create_engine(url, name="tests", pool_size=1))

        @settings(
            max_examples=HISTORIES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @example(
            [("buy", 10, 1), ("end", 0, 5), ("revoke", 10, 1), ("block", 3, 100)], 6, Random(1)
        )
        @given(histories, st.integers(0, 6), st.randoms(use_true_random=False))
        def check(history: list[News], held: int, chance: Random) -> None:
            runner.run(play(bank, history, held, chance))

        try:
            check()
            findings = runner.run(audit.audit(bank.engine))
        finally:
            runner.run(bank.engine.dispose())
    assert [finding for finding in findings if finding.drift] == []


async def play(bank: Bank, history: list[News], held: int, chance: Random) -> None:
    """Two accounts hear the same in different orders, while a hold is open that comes back."""
    outcomes = []
    for _ in range(2):
        account_id = await bank.open_account(amount=0)
        gift: News = ("gift", 300, -1)
        await hear(bank, purchased(account_id, 300, on=-1, cause="gift"))
        steps: list[Callable[[], Awaitable[object]]] = []
        if held:
            job_id = await bank.hold(account_id, amount=held)

            async def give_back(job_id: UUID = job_id) -> None:
                async with bank.engine.begin() as connection:
                    await holds.release(connection, job_id=job_id)

            steps.append(give_back)
        for number, news in enumerate(history):
            event = told(account_id, number, news)
            for _ in range(chance.randint(1, 3)):

                async def tell(event: Event = event) -> None:
                    await hear(bank, event)

                steps.append(tell)
        chance.shuffle(steps)
        for step in steps:
            await step()
        outcomes.append(await standing(bank, account_id))
        assert outcomes[-1] == predicted([gift, *history])
    assert outcomes[0] == outcomes[1]
