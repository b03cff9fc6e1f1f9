"""Periods of a subscription: whole months from an anchor, on its day or the month's last one."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta

from deploy.local.stripe.store import Object

DAY_S = 24 * 3600
MONTHS = {"month": 1, "year": 12}
DAYS = {"day": 1, "week": 7}


def next_end(anchor: int, recurring: Object, *, after: int) -> int:
    """The first end of a period that is later than `after`."""
    count = 1
    while (end := _step(anchor, recurring, count)) <= after:
        count += 1
    return end


def _step(anchor: int, recurring: Object, count: int) -> int:
    interval, steps = recurring["interval"], count * recurring["interval_count"]
    begin = datetime.fromtimestamp(anchor, UTC)
    if interval in DAYS:
        return int((begin + timedelta(days=DAYS[interval] * steps)).timestamp())
    months = begin.month - 1 + MONTHS[interval] * steps
    year, month = begin.year + months // 12, months % 12 + 1
    day = min(begin.day, monthrange(year, month)[1])
    return int(begin.replace(year=year, month=month, day=day).timestamp())
