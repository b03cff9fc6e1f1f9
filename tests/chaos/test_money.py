"""What the checker says of purchases and refunds in worlds that are wrong."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos import checker, money
from tests.chaos.history import Record
from tests.chaos.money import Money, Moved
from tests.chaos.stripe_books import CREDITS, Refund, Sale
from tests.chaos.world import World

ACCOUNT, SESSION, CHARGE, CAUSE, CHECKOUT = "account", "cs_1", "ch_1", "topup:pi_1", "checkout"
JOB = "job"
GRANTED = {(ACCOUNT, CAUSE): Moved(issued=30)}


def sale(*refunds: Refund) -> Sale:
    return Sale(SESSION, ACCOUNT, CAUSE, 30, CHARGE, 1299, refunds)


def refund(cents: int = 433, *, is_effective: bool = True) -> Refund:
    return Refund("re_1", cents, is_effective)


def checkout(state: str = "paid", *, key: str = "key", checkout_id: str = CHECKOUT) -> Any:
    return SimpleNamespace(
        id=checkout_id, session_id=SESSION, state=state, account_id=ACCOUNT, idempotency_key=key
    )


def books(*sales: Sale, moved: Any = None, state: str = "paid", **known: Any) -> Money:
    return Money(
        sales=sales,
        moved=GRANTED if moved is None else moved,
        checkouts={CHECKOUT: checkout(state)},
        **known,
    )


def world(known: Money, *jobs: Any) -> World:
    return World({job.id: job for job in jobs}, captured={}, held={}, photos={}, money=known)


def record(call: str, outcome: Any = "ok", **facts: str) -> Record:
    return Record(ACCOUNT, call, outcome, 0.0, 0.0, facts)


def taken(revoked: int, cause: str = f"claw:{CHARGE}:433") -> dict[tuple[str, str], Moved]:
    return {**GRANTED, (ACCOUNT, cause): Moved(revoked=revoked)}


def test_a_purchase_that_is_granted_once_and_refunded_in_part_is_no_anomaly() -> None:
    good = world(books(sale(refund()), moved=taken(10), refunds={"re_1": True}))
    told = [
        record("checkout", key="key", checkout=CHECKOUT, said="a page"),
        record("checkout", key="key", checkout=CHECKOUT),
        record("refund", refund="re_1"),
    ]

    assert not {kind: found for kind, found in checker.judge(good, told).items() if found}


def test_every_price_is_worth_something() -> None:
    assert CREDITS["payment", 1299] == 30
    assert CREDITS["subscription", 1999] == CREDITS["subscription", 19990] == 60


@pytest.mark.parametrize("told", [("checkout", "checkout"), ("refund", "refund")])
def test_what_was_acknowledged_and_is_gone_is_seen(told: tuple[str, str]) -> None:
    call, what = told

    assert checker.lost(world(Money()), [record(call, key="key", **{what: "gone"})]) == [
        f"{what} gone"
    ]


def test_a_returned_result_that_brought_nothing_back_is_seen() -> None:
    told = [record("return", job=JOB, returned=JOB)]

    assert checker.lost(world(Money()), told) == [f"return of {JOB}"]


@pytest.mark.parametrize("issued", [0, 60])
def test_a_purchase_that_is_granted_not_or_twice_is_seen(issued: int) -> None:
    wrong = books(sale(), moved={(ACCOUNT, CAUSE): Moved(issued=issued)})

    assert money.wrong_sales(wrong) == [f"{CAUSE} is worth 30, granted {issued}"]


@pytest.mark.parametrize("cause", [f"{CAUSE}:2", "sub:sub_1:0", "upgrade:il_1"])
def test_credits_for_money_that_nobody_paid_are_seen(cause: str) -> None:
    wrong = books(sale(), moved={**GRANTED, (ACCOUNT, cause): Moved(issued=30)})

    assert money.wrong_sales(wrong) == [f"{ACCOUNT}: 30 granted for {cause}, and nobody paid"]


def test_credits_of_a_purchase_that_another_account_got_are_seen() -> None:
    wrong = books(sale(), moved={("another", CAUSE): Moved(issued=30)})

    assert len(money.wrong_sales(wrong)) == 2


def test_a_paid_checkout_that_is_open_in_our_books_is_seen() -> None:
    assert money.wrong_sales(books(sale(), state="open")) == [
        f"{SESSION} is paid, and its checkout open"
    ]


@pytest.mark.parametrize(
    ("moved", "refunds"),
    [
        (GRANTED, {"re_1": True}),
        (taken(20), {"re_1": True}),
        (taken(10), {}),
        (taken(10), {"re_1": False}),
        ({**taken(10), (ACCOUNT, "claw:ch_2:1"): Moved(revoked=1)}, {"re_1": True}),
    ],
    ids=["kept", "taken-twice", "unknown", "thought-failed", "taken-for-nothing"],
)
def test_a_refund_whose_credits_did_not_go_with_it_is_seen(moved: Any, refunds: Any) -> None:
    wrong = books(sale(refund()), moved=moved, refunds=refunds)

    assert len(money.wrong_refunds(wrong)) == 1


def test_a_refund_that_failed_has_to_give_back_what_it_took() -> None:
    failed = sale(refund(is_effective=False))
    back = {(ACCOUNT, "reinstate:re_1"): Moved(revoked=-10)}

    assert not money.wrong_refunds(books(failed, refunds={"re_1": False}))
    assert not money.wrong_refunds(
        books(failed, moved={**taken(10), **back}, refunds={"re_1": False})
    )
    assert money.wrong_refunds(books(failed, moved=taken(10), refunds={"re_1": False}))


def test_a_result_that_brought_back_another_price_or_came_back_unasked_is_seen() -> None:
    returned = Money(returned={JOB: 2})
    asked = [record("return", "unknown", job=JOB)]

    assert not money.wrong_returns(returned, asked, {JOB: 2})
    assert len(money.wrong_returns(returned, asked, {JOB: 1})) == 1
    assert len(money.wrong_returns(returned, [], {JOB: 2})) == 1


def test_what_the_reconcile_report_says_is_seen() -> None:
    assert checker.judge(world(Money(behind=["differs: grant 30"])), [])["behind"]


def test_one_key_that_led_to_two_checkouts_is_seen() -> None:
    answers = [record("checkout", key="key", checkout=name, said=name) for name in ("one", "two")]
    stored = {name: checkout(checkout_id=name) for name in ("one", "two")}

    assert len(checker.doubled(world(Money(checkouts=stored)), answers)) == 2
    assert checker.disagreeing(world(Money()), answers)


def test_a_key_that_was_refused_and_then_sold_is_seen() -> None:
    told = [
        record("checkout", "refused", key="key", code="already-subscribed"),
        record("checkout", key="key", checkout=CHECKOUT, said="a page"),
    ]

    assert checker.disagreeing(world(Money()), told)
