"""Every kind of work a customer can ask for: what it costs, what it takes, how long it may run.

To add one, add a row here and a task to an engine of `worker/engines`; price, checks and the public
list follow from the row.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of work: `name` is what the API, the database and the worker call it."""

    name: str
    title: str
    price: int
    photos_min: int = 1
    photos_max: int = 1
    available: bool = True
    colours_are_new: bool = False
    """Whether its colours are a guess, so that only its light is compared with the photo's."""

    runs_at_most: timedelta = timedelta(minutes=5)


_ALL = (
    Kind(name="restore", title="Restore", price=2),
    Kind(name="colourize", title="Colourize", price=3, colours_are_new=True),
    Kind(name="restore_colourize", title="Restore and colourize", price=4, colours_are_new=True),
    Kind(
        name="bring_together",
        title="Bring together",
        price=6,
        photos_min=2,
        photos_max=3,
        available=False,
    ),
    Kind(
        name="animate",
        title="Animate",
        price=8,
        available=False,
        runs_at_most=timedelta(minutes=10),
    ),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
PHOTOS_MAX = max(kind.photos_max for kind in _ALL)
