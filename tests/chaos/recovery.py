"""How soon users were served again after a fault."""

import math
from collections.abc import Sequence
from itertools import pairwise

from tests.chaos.history import Record
from tests.chaos.nemesis import Strike

ASKED = ("order", "read")
"""Calls that come many times a second, so that waiting for the next one measures no pause."""


def recoveries_s(strikes: Sequence[Strike], records: Sequence[Record]) -> list[float]:
    """From each fault's end to when every kind of call that began after it has succeeded once.

    Faults after which nobody asked any more are left out.
    """
    good = {call: _successes(records, call) for call in ASKED}
    found = []
    for strike in strikes:
        next_s = [
            min((ended for began, ended in calls if began >= strike.ended_s), default=math.inf)
            for calls in good.values()
        ]
        if max(next_s) < math.inf:
            found.append(max(next_s) - strike.ended_s)
    return found


def longest_outage_s(records: Sequence[Record]) -> float:
    """The longest time without one successful order."""
    ends = sorted(ended for _, ended in _successes(records, "order"))
    return max((later - before for before, later in pairwise(ends)), default=0.0)


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that so large a share of all does not pass; None of nothing."""
    if not values:
        return None
    return round(sorted(values)[math.ceil(share * len(values)) - 1], 2)


def _successes(records: Sequence[Record], call: str) -> list[tuple[float, float]]:
    return [(r.at_s, r.ended_s) for r in records if r.call == call and r.outcome == "ok"]
