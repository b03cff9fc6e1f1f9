"""How true a result is to its photo: a score of 0 to 100, with reasons, or a refusal.

Each measure has a worst value, from which on a result is refused, and a best one, which
restorations reach; the score is that of the weakest. Where the bounds come from, and how often they
are wrong, is measured by `make bench only=check` (bench/README.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np

from services.processing import identity, structure
from services.processing.identity import Picture

Verdict = Literal["green", "amber", "refused"]
Reason = Literal[
    "blank", "structure", "moved", "blurred", "clipped", "person", "face", "expression", "lines",
    "eyes", "stranger",
]  # fmt: skip

GREEN_FROM = 50
COMPARABLE_SIDE_LEAST = 128
"""Pixels of the longer side: in a smaller picture a scratch is as much as all there is to see."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a measure is so bad that a result is refused, and where it cannot be better."""

    worst: float
    best: float

    def score(self, value: float) -> float:
        """0 at the worst, 100 at the best."""
        return 100 * min(1.0, max(0.0, (value - self.worst) / (self.best - self.worst)))


BOUNDS: dict[Reason, Bounds] = {
    "blank": Bounds(2, 8),
    "structure": Bounds(0.65, 0.85),
    "moved": Bounds(0.008, 0.003),
    "blurred": Bounds(0.72, 0.88),
    "clipped": Bounds(0.3, 0.1),
    "person": Bounds(0.5, 0.35),
    "face": Bounds(0.75, 0.9),
    "expression": Bounds(0.012, 0.0),
    "lines": Bounds(0.3, 0.12),
    "eyes": Bounds(12, 6),
    "stranger": Bounds(1, 0),
}
DIRECTION = Bounds(0.70, 0.82)
"""Edges that run another way are as bad for the structure as such that are elsewhere."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The verdict on a result; `reasons` are what is not as good as it can be, the worst first."""

    score: int
    verdict: Verdict
    reasons: list[Reason] = field(default_factory=list)


def judge(master: Picture, result: Picture, *, colours_are_new: bool) -> Truth:
    """Compare a result with the master it was made of, both height x width x 3 (RGB).

    They have one shape, and may differ in size. Where colours are a guess, none are compared.
    """
    scores: dict[Reason, float] = {}
    for reason, score in _scores(master, result, colours_are_new=colours_are_new):
        scores[reason] = min(score, scores.get(reason, 100.0))
    lowest = min(scores.values())
    doubts = sorted(
        (reason for reason in scores if scores[reason] < GREEN_FROM),
        key=lambda reason: scores[reason],
    )
    verdict: Verdict = "refused" if lowest <= 0 else "amber" if doubts else "green"
    return Truth(round(lowest), verdict, doubts)


def _scores(
    master: Picture, result: Picture, *, colours_are_new: bool
) -> Iterator[tuple[Reason, float]]:
    whole = structure.compare(*(_grey(picture) for picture in (master, result)))
    yield "blank", BOUNDS["blank"].score(whole.contrast)
    if max(master.shape) < COMPARABLE_SIDE_LEAST:
        return
    yield "structure", BOUNDS["structure"].score(whole.correlation)
    yield "structure", DIRECTION.score(whole.direction)
    yield "moved", BOUNDS["moved"].score(whole.moved)
    yield "blurred", BOUNDS["blurred"].score(whole.sharpness)
    yield "clipped", BOUNDS["clipped"].score(whole.clipped)
    people = identity.compare(master, result)
    yield "stranger", BOUNDS["stranger"].score(people.strangers)
    for one in people.likenesses:
        yield "person", BOUNDS["person"].score(one.distance)
        yield "face", BOUNDS["face"].score(one.correlation)
        yield "expression", BOUNDS["expression"].score(one.displaced)
        yield "lines", BOUNDS["lines"].score(one.new_lines)
        if not colours_are_new:
            yield "eyes", BOUNDS["eyes"].score(one.eyes)


def _grey(picture: Picture) -> structure.Grey:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
