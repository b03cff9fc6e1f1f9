"""Months that begin on the day and time of an anchor, in UTC."""

from calendar import monthrange
from datetime import datetime

MONTHS = 12


def after(anchor: datetime, months: int) -> datetime:
    """So many months later; the 31st is the last day of a month that has no such day."""
    year, month = divmod(anchor.year * MONTHS + anchor.month - 1 + months, MONTHS)
    month += 1
    return anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))


def between(first: datetime, second: datetime) -> int:
    """How many calendar months the second moment is after the first."""
    return (second.year - first.year) * MONTHS + second.month - first.month
