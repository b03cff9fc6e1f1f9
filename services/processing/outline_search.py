"""The best quadrilateral of a small picture: proposed from lines, judged, tried with more paper."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from services.processing import outline_judging, outline_lines, outline_quads, outline_regions
from services.processing.outline_lines import Edges
from services.processing.outline_quads import Quads

WIDENED, ALIKE = 3, 6.0
"""How many of the best are tried with more paper around, and pixels between unlike ones."""

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of a picture: its edges, and roughly (0 or 1, smaller) what is print."""

    edges: Edges
    mask: NDArray[np.uint8]


def look(small: NDArray[np.uint8]) -> Sight:
    """See a picture (sRGB, some hundred pixels long)."""
    lab = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), np.uint8)
    return Sight(outline_lines.edges(lab), outline_regions.foreground(lab))


def proposed(sight: Sight) -> Quads:
    """Quadrilaterals of which one may be the print."""
    height, width = sight.edges.strength.shape
    larger = width / sight.mask.shape[1], height / sight.mask.shape[0]
    hints = [
        ((shape + 0.5) * larger - 0.5).astype(np.float32)
        for shape in outline_regions.shapes(sight.mask)
    ]
    return outline_quads.quads(sight.edges, outline_lines.lines(sight.edges, hints))


def features(sight: Sight, candidates: Quads) -> Array:
    """Quads x features: all that is known of each."""
    evidence = outline_judging.evidence(sight.edges, sight.mask, candidates.corners)
    return np.column_stack((candidates.features, evidence))


def widened(sight: Sight, candidates: Quads, scores: Array) -> list[Quads]:
    """The few best that are not nearly the same, each with sides moved outwards."""
    chosen: list[int] = []
    for place in np.argsort(-scores):
        away = [np.abs(candidates.corners[place] - candidates.corners[c]).max() for c in chosen]
        if all(distance > ALIKE for distance in away):
            chosen.append(int(place))
        if len(chosen) == WIDENED:
            break
    return [outline_quads.grown(sight.edges, candidates.corners[place]) for place in chosen]


def best(small: NDArray[np.uint8]) -> tuple[Array, float]:
    """Its corners (4 x 2, pixels, clockwise), and how likely it is that they fit."""
    sight = look(small)
    candidates = proposed(sight)
    if not len(candidates.corners):
        return np.zeros((4, 2), np.float32), 0.0
    weights = outline_judging.trained()
    scores = outline_judging.judged(features(sight, candidates), weights)
    corners, score = candidates.corners[scores.argmax()], scores.max()
    for wider in widened(sight, candidates, scores):
        if len(wider.corners):
            again = outline_judging.judged(features(sight, wider), weights)
            if again.max() > score:
                corners, score = wider.corners[again.argmax()], again.max()
    return corners, float(1 / (1 + np.exp(-score)))
