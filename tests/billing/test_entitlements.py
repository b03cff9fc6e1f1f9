"""What payments buy, as arithmetic: months from an anchor, shares of a month, shares of money."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing import calendar_months, entitlements
from services.billing.entitlements import Dispute, Line, Payment, Refund

PAYMENT = Payment(
    payment_id="pi_1",
    charge_id="ch_1",
    amount_cents=999,
    credits=0,
    paid_at=datetime(2027, 1, 31, tzinfo=UTC),
)
BEGIN = datetime(2027, 1, 31, 12, tzinfo=UTC)
LATER = datetime(2030, 1, 1, tzinfo=UTC)


def line(number: int, credits_: int, starts_at: datetime, **changes: object) -> Line:
    known = {
        "line_id": f"il_{number}",
        "payment_id": "pi_1",
        "subscription_id": "sub_1",
        "plan": {25: "remember", 60: "cherish", 150: "forever"}[credits_],
        "credits_monthly": credits_,
        "is_annual": False,
        "is_proration": False,
        "starts_at": starts_at,
        "ends_at": calendar_months.after(BEGIN, 1),
    }
    return Line(**(known | changes))  # type: ignore[arg-type]


def worth(lines: list[Line], at: datetime = LATER) -> list[tuple[int, int]]:
    months = entitlements.months(lines, {"pi_1": PAYMENT}, started_at=BEGIN, at=at)
    return [(month.index, month.amount) for month in months]


@pytest.mark.parametrize(
    ("months", "day"),
    [(1, (2027, 2, 28)), (2, (2027, 3, 31)), (3, (2027, 4, 30)), (13, (2028, 2, 29))],
)
def test_the_31st_is_the_last_day_of_a_shorter_month(
    months: int, day: tuple[int, int, int]
) -> None:
    moved = calendar_months.after(BEGIN, months)

    assert (moved.year, moved.month, moved.day, moved.hour) == (*day, 12)
    assert calendar_months.between(BEGIN, moved) == months


@given(st.integers(0, 40 * 365 * 24), st.integers(0, 240))
def test_months_of_an_anchor_never_share_a_calendar_month(hours: int, months: int) -> None:
    anchor = BEGIN + timedelta(hours=hours)
    this, following = (calendar_months.after(anchor, n) for n in (months, months + 1))

    assert calendar_months.between(this, following) == 1
    assert this.day <= anchor.day


def test_a_month_that_has_not_begun_is_worth_nothing() -> None:
    assert worth([line(1, 25, BEGIN)], at=BEGIN - timedelta(seconds=1)) == []
    assert worth([line(1, 25, BEGIN)], at=BEGIN) == [(0, 25)]


@given(st.randoms(use_true_random=False))
def test_the_order_in_which_lines_are_heard_of_is_no_matter(random: Random) -> None:
    lines = [line(1, 25, BEGIN)]
    for number in range(2, 6):
        moment = BEGIN + timedelta(days=random.uniform(0, 27))
        lines.append(line(number, random.choice([60, 150]), moment, is_proration=True))
    shuffled = random.sample(lines, len(lines))

    assert worth(lines) == worth(shuffled)
    assert 25 <= worth(lines)[0][1] <= 150


@given(st.randoms(use_true_random=False))
def test_hearing_of_one_more_upgrade_never_makes_a_month_worth_less(random: Random) -> None:
    lines = [line(1, 25, BEGIN)]
    before = worth(lines)[0][1]
    for number in range(2, 8):
        moment = BEGIN + timedelta(days=random.uniform(0, 27))
        lines.append(line(number, random.choice([25, 60, 150]), moment, is_proration=True))
        after = worth(lines)[0][1]
        assert after >= before
        before = after


def test_the_month_is_rounded_down_once_and_not_line_by_line() -> None:
    lines = [
        line(1, 25, BEGIN),
        line(2, 60, BEGIN + timedelta(days=14), is_proration=True),  # 17.5
        line(3, 150, BEGIN + timedelta(days=21), is_proration=True),  # 22.5
    ]

    assert worth(lines) == [(0, 25 + 40)]


def test_an_upgrade_on_the_last_day_buys_a_days_worth() -> None:
    last_day = calendar_months.after(BEGIN, 1) - timedelta(days=1)
    lines = [line(1, 25, BEGIN), line(2, 150, last_day, is_proration=True)]

    assert worth(lines) == [(0, 25 + 125 // 28)]


@given(
    st.integers(0, 1_000),
    st.integers(1, 10**6),
    st.lists(st.integers(1, 10**6), max_size=6),
)
def test_what_goes_back_is_its_share_and_never_more_than_was_given(
    earned: int, amount: int, refunded: list[int]
) -> None:
    refunds = tuple(Refund(f"re_{n}", cents, True, BEGIN) for n, cents in enumerate(refunded))
    payment = Payment(
        payment_id="pi", charge_id=None, amount_cents=amount, credits=0, paid_at=BEGIN,
        refunds=refunds,
    )  # fmt: skip

    taken = entitlements.taken(payment, earned).by_refunds

    assert taken == earned * min(sum(refunded), amount) // amount
    assert 0 <= taken <= earned


@given(st.integers(0, 1_000), st.permutations(range(4)))
def test_several_disputes_take_together_what_one_of_their_sum_would(
    earned: int, order: list[int]
) -> None:
    disputes = tuple(
        Dispute(f"du_{n}", 250, "lost", BEGIN + timedelta(days=order[n])) for n in range(4)
    )
    payment = Payment(
        payment_id="pi", charge_id=None, amount_cents=1_000, credits=0, paid_at=BEGIN,
        disputes=disputes,
    )  # fmt: skip

    assert sum(entitlements.taken(payment, earned).by_disputes.values()) == earned
