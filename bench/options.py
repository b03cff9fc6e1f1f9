"""How much a benchmark does."""

from dataclasses import dataclass
from pathlib import Path

ROUNDS, JOBS = 5, 600


@dataclass(frozen=True, slots=True)
class Options:
    """Rounds of both in turn.

    For the saga also jobs in each, and which programs are watched; for enhancement a folder of more
    photos.
    """

    rounds: int = ROUNDS
    jobs: int = JOBS
    watched: tuple[str, ...] = ()
    photos: Path | None = None
