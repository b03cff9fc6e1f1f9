"""What has become due, in the order of its moments: each is done as of then."""

from collections.abc import Callable

from deploy.local.stripe import checkout, refunds, renewals
from deploy.local.stripe.account import Account
from deploy.local.stripe.store import Object

STEPS_MAX = 20_000
BY_KIND: dict[str, Callable[[Account, Object], object]] = {
    "subscription": renewals.catch_up,
    "checkout.session": checkout.catch_up,
    "refund": refunds.fail,
}


def catch_up(account: Account, until: int, *, test_clock: str | None = None) -> int:
    """Do everything due until then; how much that was.

    Customers under a test clock live in its time, and only in its time.
    """
    for step in range(STEPS_MAX):
        found = _earliest(account, until, test_clock)
        if found is None:
            return step
        with account.at(found["_due"]):
            BY_KIND[found["object"]](account, found)
    raise RuntimeError(f"more than {STEPS_MAX} things were due at once")


def _earliest(account: Account, until: int, test_clock: str | None) -> Object | None:
    due = account.store.due(until)
    for found in due:
        clock = account.test_clock_of(found.get("customer"))
        if (clock and clock["id"]) == test_clock:
            return found
    return None
