"""Straight lines in a picture, and how well each is supported along its way.

A Hough transform in which every pixel votes only for lines along its own edge (O'Gorman and
Clowes). Votes are relative to the edges around a pixel: a faint line on a plain table counts, the
grain of wood counts little.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

LINES_MAX, LINES_PER_DIRECTION = 26, 9
VOTERS_MAX = 24_000
ANGLES, SPREAD = 180, 3
"""Bins over half a turn, and how far from its own angle a pixel votes."""

DIRECTION = 14
"""Bins within which lines count as of one direction."""

SMOOTHING, NEIGHBOURHOOD = 1.2, 31
FAINT = 3.0
"""The edge, in levels of Lab, that a plain neighbourhood makes half a vote."""

SUPPORT_ANGLE = 0.93
"""Cosine of twice the angle between a line and an edge that supports it."""

ASIDE = 5.0
"""Pixels between a line and where the colours at its sides are taken."""

VOTES_MIN = 0.3
"""An edge weaker than this does not vote."""

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Edges:
    """Edge strength (0 to 1), its direction as the cosine and sine of twice its angle, colours."""

    strength: Array
    cos2: Array
    sin2: Array
    lab: Array


@dataclass(frozen=True, slots=True)
class Lines:
    """`x cos + y sin = rho`, with sums along each line from where it is nearest to the origin."""

    cos: Array
    sin: Array
    rho: Array
    reach: int
    """Samples on either side of that nearest point, one pixel apart."""

    support: Array
    """Lines x samples + 1: summed strength of the edges that run along the line."""

    colours: Array
    """Lines x samples + 1 x 2 x 3: summed Lab colours at both sides, at `rho + ASIDE` first."""


def edges(lab: NDArray[np.uint8]) -> Edges:
    """The edges of a picture in Lab (8 bits), by the structure tensor over its channels."""
    smooth = np.asarray(cv2.GaussianBlur(lab, (0, 0), SMOOTHING), np.float32)
    across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)
    xx, yy = (across * across).sum(axis=2), (down * down).sum(axis=2)
    xy2 = 2 * (across * down).sum(axis=2)
    turned = np.hypot(xx - yy, xy2) + 1e-6
    size = np.sqrt(xx + yy)
    around = cv2.blur(size, (NEIGHBOURHOOD, NEIGHBOURHOOD))
    strength = size / (size + around + FAINT)
    return Edges(strength, (xx - yy) / turned, xy2 / turned, smooth)


def lines(found: Edges) -> Lines:
    """At most `LINES_MAX` lines, not all of one direction."""
    height, width = found.strength.shape
    reach = int(np.hypot(height, width)) + 1
    votes = _votes(found, reach)
    angles, rhos = _peaks(votes, reach)
    angle = angles * np.float32(np.pi / ANGLES)
    return _with_support(found, np.cos(angle), np.sin(angle), rhos.astype(np.float32), reach)


def _votes(found: Edges, reach: int) -> Array:
    """Angles x rhos from -reach to reach."""
    strength = found.strength.ravel()
    voters = np.flatnonzero(strength > VOTES_MIN)
    if len(voters) > VOTERS_MAX:
        voters = voters[np.argpartition(strength[voters], -VOTERS_MAX)[-VOTERS_MAX:]]
    ys, xs = np.divmod(voters, found.strength.shape[1])
    own = np.arctan2(found.sin2.ravel()[voters], found.cos2.ravel()[voters]) / 2
    bins = np.rint(own * ANGLES / np.pi).astype(np.int64)
    weight = strength[voters]
    votes = np.zeros(ANGLES * (2 * reach + 1))
    steps = np.arange(ANGLES) * np.pi / ANGLES
    cos, sin = np.cos(steps), np.sin(steps)
    for off in range(-SPREAD, SPREAD + 1):
        row = (bins + off) % ANGLES
        rho = np.rint(xs * cos[row] + ys * sin[row]).astype(np.int64)
        votes += np.bincount(row * (2 * reach + 1) + rho + reach, weight, minlength=len(votes))
    return votes.reshape(ANGLES, -1).astype(np.float32)


def _peaks(votes: Array, reach: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Angle bins and rhos of the lines, strongest first."""
    pad = 4
    # After half a turn a line comes back with its distance negated.
    ring = np.vstack((votes[-pad:, ::-1], votes, votes[:pad, ::-1]))
    soft = cv2.GaussianBlur(ring, (5, 3), 0)
    ring = np.asarray(soft - cv2.blur(soft, (61, 1)), np.float32)
    tops = ring == cv2.dilate(ring, np.ones((2 * pad + 1, 11), np.uint8))
    rows, columns = np.nonzero(tops[pad:-pad] & (ring[pad:-pad] > 0))
    heights = ring[pad:-pad][rows, columns]
    chosen: list[int] = []
    for place in np.argsort(-heights)[: 8 * LINES_MAX]:
        turn = np.abs(rows[chosen] - rows[place])
        alike = np.minimum(turn, ANGLES - turn) <= DIRECTION
        if alike.sum() < LINES_PER_DIRECTION:
            chosen.append(int(place))
        if len(chosen) == LINES_MAX:
            break
    return rows[chosen], columns[chosen] - reach


def _with_support(found: Edges, cos: Array, sin: Array, rho: Array, reach: int) -> Lines:
    height, width = found.strength.shape
    steps = np.arange(-reach, reach + 1, dtype=np.float32)
    xs = (rho * cos)[:, None] - sin[:, None] * steps
    ys = (rho * sin)[:, None] + cos[:, None] * steps
    inside = (xs >= 0) & (xs <= width - 1) & (ys >= 0) & (ys <= height - 1)
    along = np.zeros_like(xs)
    cos2, sin2 = (cos * cos - sin * sin)[:, None], (2 * cos * sin)[:, None]
    for off in (-1.0, 0.0, 1.0):
        rows, columns = _nearest(xs + off * cos[:, None], ys + off * sin[:, None], width, height)
        agrees = found.cos2[rows, columns] * cos2 + found.sin2[rows, columns] * sin2
        np.maximum(along, found.strength[rows, columns] * (agrees > SUPPORT_ANGLE), out=along)
    support = np.cumsum(np.pad(along * inside, ((0, 0), (1, 0))), axis=1)
    sides = []
    lab = cv2.blur(found.lab, (5, 5))
    for off in (ASIDE, -ASIDE):
        rows, columns = _nearest(xs + off * cos[:, None], ys + off * sin[:, None], width, height)
        sides.append(lab[rows, columns])
    colours = np.stack(sides, axis=2)
    colours = np.cumsum(np.pad(colours, ((0, 0), (1, 0), (0, 0), (0, 0))), axis=1)
    return Lines(cos, sin, rho, reach, np.asarray(support), np.asarray(colours))


def _nearest(
    xs: Array, ys: Array, width: int, height: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Row and column of the pixels at those places, or else of the nearest in the picture."""
    columns = np.clip(np.rint(xs), 0, width - 1).astype(np.int32)
    return np.clip(np.rint(ys), 0, height - 1).astype(np.int32), columns
