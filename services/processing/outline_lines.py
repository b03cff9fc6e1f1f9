"""Straight lines in a picture, and how well each is supported along its way.

A Hough transform in which every pixel votes only for lines along its own edge (O'Gorman and
Clowes). Votes are relative to the edges around a pixel: a faint line on a plain table counts, the
grain of wood counts little.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

LINES_MAX, LINES_PER_DIRECTION = 32, 10
VOTERS_MAX = 24_000
ANGLES, SPREAD = 180, 3
"""Bins over half a turn, and how far from its own angle a pixel votes."""

DIRECTION = 14
"""Bins within which lines count as of one direction."""

SMOOTHING, NEIGHBOURHOOD = 1.4, 31
FAINT = 3.0
"""The edge, in levels of Lab, that a plain neighbourhood makes half a vote."""

SNAP_ANGLES, SNAP_RHOS = 5, 8
"""How far from a hinted side its line is looked for, in bins and pixels."""

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
    soft: Array
    """The colours, more blurred."""


@dataclass(frozen=True, slots=True)
class Lines:
    """`x cos + y sin = rho`, with sums along each line, one sample a pixel."""

    cos: Array
    sin: Array
    rho: Array
    start: Array
    """Where on each line (as `y cos - x sin`) its first sample is."""

    support: Array
    """Lines x samples + 1: summed strength of the edges that run along the line."""

    colours: Array
    """Lines x samples + 1 x 2 x 3: summed Lab colours at both sides, at `rho + ASIDE` first."""


def edges(lab: NDArray[np.uint8]) -> Edges:
    """The edges of a picture in Lab (8 bits), by the structure tensor over its channels."""
    smooth = np.asarray(cv2.GaussianBlur(lab, (0, 0), SMOOTHING), np.float32)
    across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)
    every = np.ones((1, 3), np.float32)
    xx = np.asarray(cv2.transform(across * across, every), np.float32)
    yy = np.asarray(cv2.transform(down * down, every), np.float32)
    xy2 = 2 * np.asarray(cv2.transform(across * down, every), np.float32)
    turned = np.hypot(xx - yy, xy2) + 1e-6
    size = np.sqrt(xx + yy)
    # Of roots, so that one strong line nearby does not hide a faint one.
    around = cv2.blur(np.sqrt(size), (NEIGHBOURHOOD, NEIGHBOURHOOD)) ** 2
    strength = size / (size + around + FAINT)
    soft = np.asarray(cv2.blur(smooth, (5, 5)), np.float32)
    return Edges(strength, (xx - yy) / turned, xy2 / turned, smooth, soft)


def lines(found: Edges, hints: list[Array]) -> Lines:
    """At most `LINES_MAX` lines, not all of one direction, and those nearest to hinted quads."""
    height, width = found.strength.shape
    reach = int(np.hypot(height, width)) + 1
    votes = _votes(found, reach)
    angles, rhos = _peaks(votes, reach)
    hinted = np.array([near for quad in hints for near in _snapped(votes, quad, reach)])
    if len(hinted):
        every = np.unique(np.vstack((np.column_stack((angles, rhos)), hinted)), axis=0)
        angles, rhos = every.T
    angle = angles * np.float32(np.pi / ANGLES)
    return along(found, np.cos(angle), np.sin(angle), rhos.astype(np.float32))


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
    tops = ring == cv2.dilate(ring, np.ones((2 * pad + 1, 5), np.uint8))
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


def _snapped(votes: Array, quad: Array, reach: int) -> list[tuple[int, int]]:
    """For each side the angle bin and rho near it for which most edges vote."""
    near = []
    for start, end in zip(quad, np.roll(quad, -1, axis=0), strict=True):
        way = end - start
        angle = np.arctan2(way[0], -way[1]) % np.pi
        row = round(float(angle) * ANGLES / np.pi)
        best = (-1.0, 0, 0)
        for off in range(-SNAP_ANGLES, SNAP_ANGLES + 1):
            turned = row + off
            other = turned % ANGLES
            theta = other * np.pi / ANGLES
            middle = (start + end) / 2
            rho = round(float(middle[0] * np.cos(theta) + middle[1] * np.sin(theta)))
            low = max(rho + reach - SNAP_RHOS, 0)
            window = votes[other, low : rho + reach + SNAP_RHOS + 1]
            if len(window):
                top = int(np.argmax(window))
                best = max(best, (float(window[top]), other, low + top - reach))
        near.append(best[1:])
    return near


def along(found: Edges, cos: Array, sin: Array, rho: Array) -> Lines:
    """Those lines, with what is seen along them."""
    height, width = found.strength.shape
    half = int(np.hypot(height, width) / 2) + 1
    start = (height / 2 * cos - width / 2 * sin - half).astype(np.float32)
    ways = start[:, None] + np.arange(2 * half + 1, dtype=np.float32)
    xs = (rho * cos)[:, None] - sin[:, None] * ways
    ys = (rho * sin)[:, None] + cos[:, None] * ways
    inside = (xs >= 0) & (xs <= width - 1) & (ys >= 0) & (ys <= height - 1)
    edge = np.zeros_like(xs)
    cos2, sin2 = (cos * cos - sin * sin)[:, None], (2 * cos * sin)[:, None]
    for off in (-1.0, 0.0, 1.0):
        rows, columns = _nearest(xs + off * cos[:, None], ys + off * sin[:, None], width, height)
        places = rows * width + columns
        agrees = found.cos2.take(places) * cos2 + found.sin2.take(places) * sin2
        np.maximum(edge, found.strength.take(places) * (agrees > SUPPORT_ANGLE), out=edge)
    support = np.cumsum(np.pad(edge * inside, ((0, 0), (1, 0))), axis=1)
    sides = []
    for off in (ASIDE, -ASIDE):
        rows, columns = _nearest(xs + off * cos[:, None], ys + off * sin[:, None], width, height)
        sides.append(found.soft.reshape(-1, 3).take(rows * width + columns, axis=0))
    colours = np.stack(sides, axis=2)
    colours = np.cumsum(np.pad(colours, ((0, 0), (1, 0), (0, 0), (0, 0))), axis=1)
    return Lines(cos, sin, rho, start, np.asarray(support), np.asarray(colours))


def _nearest(
    xs: Array, ys: Array, width: int, height: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Row and column of the pixels at those places, or else of the nearest in the picture."""
    columns = np.clip(np.rint(xs), 0, width - 1).astype(np.int32)
    return np.clip(np.rint(ys), 0, height - 1).astype(np.int32), columns
