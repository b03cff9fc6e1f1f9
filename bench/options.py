"""How much a benchmark does."""

from dataclasses import dataclass

ROUNDS, JOBS = 5, 600


@dataclass(frozen=True, slots=True)
class Options:
    """Rounds of both in turn; for the saga also jobs in each, and which programs are watched."""

    rounds: int = ROUNDS
    jobs: int = JOBS
    watched: tuple[str, ...] = ()
