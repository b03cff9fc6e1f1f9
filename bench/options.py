"""How much a benchmark does."""

from dataclasses import dataclass

ROUNDS, JOBS = 5, 600


@dataclass(frozen=True, slots=True)
class Options:
    """Rounds, each of ours and of the peer in turn; jobs in each round of the saga."""

    rounds: int = ROUNDS
    jobs: int = JOBS
