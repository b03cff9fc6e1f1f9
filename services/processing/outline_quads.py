"""Quadrilaterals out of lines, what speaks for each, and their corners to a fraction of a pixel."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from services.processing import outline_lines
from services.processing.outline_lines import Edges, Lines

QUADS_MAX, KEPT = 20_000, 120
PROMISE = np.array(
    (3.5, 5.5, 6.8, 2.8, -2.1, -2.1, -4.4, -0.4, -1.5, -1.8, -1.0, -1.1, -0.1, 6.1), np.float32
)
"""What each feature says at first sight: softmax regression on 160 generated snapshots."""

OPPOSITE, ACROSS = 0.87, 0.72
"""Cosines: opposite sides are at most 30 degrees apart, neighbours at least 44."""

PARALLEL = 1e-3
"""The sine below which two lines have no crossing worth looking at."""

SIDE_MIN = 0.12
"""The shortest side, in parts of the picture's short side."""

SINE_MIN = 0.6
"""Of the angle at a corner."""

OUTSIDE = 0.02
"""How far a corner may lie out of the picture, in parts of it."""

OVERSHOOT = 0.15
"""The piece beyond each corner where a side should have ended, in parts of the side."""

FURTHER, NEXT = 40, 4
"""Pixels: how far outwards another edge is looked for, and from where on it is another."""

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Quads:
    """Corners (quads x 4 x 2, pixels, clockwise), and what was measured of each."""

    corners: Array
    features: Array


def quads(found: Edges, among: Lines) -> Quads:
    """Every quadrilateral that two pairs of lines make, and its features."""
    height, width = found.strength.shape
    first, second = _opposite(among, min(height, width))
    if not len(first):
        return Quads(np.empty((0, 4, 2), np.float32), np.empty((0, len(PROMISE)), np.float32))
    cosine = np.abs(
        among.cos[first][:, None] * among.cos[first] + among.sin[first][:, None] * among.sin[first]
    )
    one, other = np.nonzero(np.triu(cosine < ACROSS, 1))
    one, other = one[:QUADS_MAX], other[:QUADS_MAX]
    # Sides in order around the print.
    sides = np.stack((first[one], first[other], second[one], second[other]), axis=1)
    corners = _crossings(among, sides)
    kept = _believable(corners, height, width)
    corners, sides = corners[kept], sides[kept]
    features = _features(among, corners, sides, height, width)
    best = np.argsort(-(features @ PROMISE))[:KEPT]
    return Quads(_clockwise(corners[best]), features[best])


def _clockwise(corners: Array) -> Array:
    edge = corners[:, 1:3] - corners[:, :2]
    turn = edge[:, 0, 0] * edge[:, 1, 1] - edge[:, 0, 1] * edge[:, 1, 0]
    return np.where((turn > 0)[:, None, None], corners, corners[:, ::-1])


def grown(found: Edges, corners: Array) -> Quads:
    """The quad (4 x 2) with any of its sides moved outwards to the next edge there.

    A picture inside its white border has the clearest sides; the paper's own are further out.
    """
    height, width = found.strength.shape
    following = np.roll(corners, -1, axis=0)
    way = following - corners
    outward = np.stack((way[:, 1], -way[:, 0]), axis=1) / np.hypot(*way.T)[:, None]
    starts, ends = _next_edges(found, corners, way, outward)
    starts, ends = np.vstack((corners, starts)), np.vstack((following, ends))
    way = ends - starts
    normal = np.stack((-way[:, 1], way[:, 0]), axis=1) / np.hypot(*way.T)[:, None]
    normal = normal.astype(np.float32)
    rho = (normal * starts).sum(axis=1).astype(np.float32)
    among = outline_lines.along(found, normal[:, 0], normal[:, 1], rho)
    moved = (np.arange(1, 16)[:, None] >> np.arange(4)) & 1
    sides = np.arange(4) + 4 * moved
    quads_ = _crossings(among, sides)
    kept = _believable(quads_, height, width)
    return Quads(
        _clockwise(quads_[kept]), _features(among, quads_[kept], sides[kept], height, width)
    )


def _next_edges(found: Edges, corners: Array, way: Array, outward: Array) -> tuple[Array, Array]:
    """Starts and ends of each side where, further out, the colours change most."""
    height, width = found.strength.shape
    parts = np.linspace(0.04, 0.96, 48, dtype=np.float32)
    off = np.arange(FURTHER, dtype=np.float32)
    places = (
        corners[:, None, None]
        + way[:, None, None] * parts[:, None, None]
        + outward[:, None, None] * off[:, None]
    )
    columns = np.clip(places[..., 0], 0, width - 1).astype(np.int32)
    rows = np.clip(places[..., 1], 0, height - 1).astype(np.int32)
    halves = found.lab[rows, columns].reshape(4, 2, 24, FURTHER, 3).mean(axis=2)
    change = np.zeros(halves.shape[:3], np.float32)
    change[..., 2:-2] = np.linalg.norm(halves[..., 4:, :] - halves[..., :-4, :], axis=3)
    change[..., :NEXT] = 0
    both = cv2.blur(change.sum(axis=1), (3, 1)).argmax(axis=1)
    near = np.abs(off - both[:, None, None]) <= NEXT
    first, second = (change * near).argmax(axis=2).T
    slope = (second - first) / 0.46
    start, end = first - 0.27 * slope, first + 0.73 * slope
    return corners + outward * start[:, None], corners + way + outward * end[:, None]


def _opposite(among: Lines, short: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    cosine = among.cos[:, None] * among.cos + among.sin[:, None] * among.sin
    gap = np.abs(among.rho[:, None] - np.sign(cosine) * among.rho)
    apart = (np.abs(cosine) > OPPOSITE) & (gap > SIDE_MIN * short / 2)
    first, second = np.nonzero(np.triu(apart, 1))
    return first, second


def _crossings(among: Lines, sides: NDArray[np.int64]) -> Array:
    """Corner k lies between side k - 1 and side k; clockwise as seen (y points down)."""
    before = np.roll(sides, 1, axis=1)
    cos1, sin1, rho1 = among.cos[before], among.sin[before], among.rho[before]
    cos2, sin2, rho2 = among.cos[sides], among.sin[sides], among.rho[sides]
    turn = cos1 * sin2 - sin1 * cos2
    turn = np.where(np.abs(turn) < PARALLEL, PARALLEL, turn)
    x, y = (rho1 * sin2 - rho2 * sin1) / turn, (cos1 * rho2 - cos2 * rho1) / turn
    return np.stack((x, y), axis=2).astype(np.float32)


def _believable(corners: Array, height: int, width: int) -> NDArray[np.bool_]:
    edge = np.roll(corners, -1, axis=1) - corners
    turn = edge[..., 0] * np.roll(edge[..., 1], -1, 1) - edge[..., 1] * np.roll(edge[..., 0], -1, 1)
    long = np.hypot(edge[..., 0], edge[..., 1])
    sine = np.abs(turn) / np.maximum(long * np.roll(long, -1, axis=1), 1e-3)
    low, high = (
        (-OUTSIDE * width, -OUTSIDE * height),
        (
            (1 + OUTSIDE) * width,
            (1 + OUTSIDE) * height,
        ),
    )
    return np.asarray(
        ((turn > 0).all(axis=1) | (turn < 0).all(axis=1))
        & (long.min(axis=1) > SIDE_MIN * min(height, width))
        & (sine.min(axis=1) > SINE_MIN)
        & (corners >= low).all(axis=(1, 2))
        & (corners <= high).all(axis=(1, 2))
    )


def _along(sums: Array, line: NDArray[np.int64], start: Array, end: Array) -> Array:
    """Means of what was summed between two places of lines."""
    low, high = np.minimum(start, end), np.maximum(start, end)
    last = sums.shape[1] - 1
    low = np.clip(np.rint(low), 0, last - 1).astype(np.int64)
    high = np.clip(np.rint(high), low + 1, last).astype(np.int64)
    total = sums[line, high] - sums[line, low]
    many = (high - low).astype(np.float32)
    return np.asarray(total / many.reshape(many.shape + (1,) * (total.ndim - many.ndim)))


def _features(
    among: Lines, corners: Array, sides: NDArray[np.int64], height: int, width: int
) -> Array:
    cos, sin = among.cos[sides], among.sin[sides]
    following = np.roll(corners, -1, axis=1)
    start = corners[..., 1] * cos - corners[..., 0] * sin - among.start[sides]
    end = following[..., 1] * cos - following[..., 0] * sin - among.start[sides]
    long = end - start
    support = _along(among.support, sides, start, end)
    beyond = np.maximum(
        _along(among.support, sides, end + 0.02 * long, end + OVERSHOOT * long),
        _along(among.support, sides, start - OVERSHOOT * long, start - 0.02 * long),
    )
    colours = _along(among.colours, sides, start + 0.04 * long, end - 0.04 * long)
    middle = corners.mean(axis=1)[:, None]
    positive = middle[..., 0] * cos + middle[..., 1] * sin > among.rho[sides]
    inner = np.where(positive[..., None], colours[..., 0, :], colours[..., 1, :])
    outer = np.where(positive[..., None], colours[..., 1, :], colours[..., 0, :])
    contrast = np.linalg.norm(inner - outer, axis=2)
    outer_spread = np.linalg.norm(outer - outer.mean(axis=1, keepdims=True), axis=2)
    inner_spread = np.linalg.norm(inner - inner.mean(axis=1, keepdims=True), axis=2)
    x, y = corners[..., 0], corners[..., 1]
    area = 0.5 * np.abs((x * np.roll(y, -1, 1) - y * np.roll(x, -1, 1)).sum(axis=1))
    return np.column_stack(
        (
            np.sort(support, axis=1),
            np.sort(beyond, axis=1)[:, 2:],
            beyond.mean(axis=1),
            np.sort(np.minimum(contrast, 60) / 60, axis=1),
            np.minimum(outer_spread.mean(axis=1), 60) / 60,
            np.minimum(inner_spread.mean(axis=1), 60) / 60,
            np.sqrt(area / (height * width)),
        )
    ).astype(np.float32)
