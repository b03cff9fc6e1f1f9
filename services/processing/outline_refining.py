"""Corners to a fraction of a pixel: each side is followed along its own edge, bow and all."""

import cv2
import numpy as np
from numpy.typing import NDArray

POINTS, MARGIN = 40, 0.03
"""Places along a side, and how far from its corners the first and the last are."""

REACH = 0.013
"""How far from a side its edge may be, in parts of the picture's long side."""

FURTHEST = 3
"""How far a corner may move, in reaches."""

STEPS = 41
"""Places across a side."""

CALM = 0.35
"""What a deviation by the whole reach costs, against the strength of an edge."""

TURNING = (0.2, 0.1, 0.0, 0.1, 0.2)
"""What a move by that many steps costs between two places."""

ROUNDS, STRAIGHT = 3, 0.7
"""Rounds of fitting; a bow is believed when it leaves less than this part of the deviation."""

Array = NDArray[np.float32]


def refined(pixels: NDArray[np.uint8], corners: Array) -> Array:
    """Better corners (4 x 2, clockwise, pixels) of a print in an sRGB picture."""
    reach = REACH * max(pixels.shape[:2])
    following = np.roll(corners, -1, axis=0)
    along = following - corners
    long = np.hypot(along[:, 0], along[:, 1])
    outward = np.stack((along[:, 1], -along[:, 0]), axis=1) / long[:, None]
    parts = np.linspace(MARGIN, 1 - MARGIN, POINTS, dtype=np.float32)
    across = np.linspace(-reach, reach, STEPS, dtype=np.float32)
    places = (
        corners[:, None, None]
        + along[:, None, None] * parts[:, None, None]
        + outward[:, None, None] * across[:, None]
    ).astype(np.float32)
    edge = _edges_across(pixels, places)
    path = _followed(edge)
    weights = np.take_along_axis(edge, path[..., None], axis=2)[..., 0]
    fits = [_fitted(parts, off, weight) for off, weight in zip(across[path], weights, strict=True)]
    starts: list[tuple[Array, Array]] = []
    ends: list[tuple[Array, Array]] = []
    for side, fit in enumerate(fits):
        for part, kept in ((0.0, starts), (1.0, ends)):
            place = corners[side] + part * along[side] + outward[side] * np.polyval(fit, part)
            slope = along[side] + outward[side] * np.polyval(np.polyder(fit), part)
            kept.append((place, slope))
    better = [_crossing(*ends[side - 1], *starts[side]) for side in range(4)]
    # Two sides that nearly became parallel cross anywhere, or nowhere.
    near = np.abs(np.array(better) - corners).max() <= FURTHEST * reach
    return np.array(better, np.float32) if near else corners


def _edges_across(pixels: NDArray[np.uint8], places: Array) -> Array:
    """How much the colour changes at each place the way it does from print to table."""
    _, count, steps, _ = places.shape
    xs, ys = np.ascontiguousarray(places.reshape(-1, steps, 2).transpose(2, 0, 1))
    seen = cv2.remap(pixels, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    lab = np.asarray(cv2.cvtColor(seen, cv2.COLOR_RGB2LAB), np.float32)
    lab = np.asarray(cv2.GaussianBlur(lab, (5, 1), 0), np.float32)
    lab = lab.reshape(4, count, steps, 3)
    change = np.zeros_like(lab)
    change[:, :, 2:-2] = lab[:, :, 4:] - lab[:, :, :-4]
    middle, near = steps // 2, steps // 5
    typical = np.median(
        lab[:, :, middle + near // 2 : middle + near].mean(axis=2)
        - lab[:, :, middle - near + 1 : middle - near // 2 + 1].mean(axis=2),
        axis=1,
    )
    typical /= np.linalg.norm(typical, axis=1, keepdims=True) + 1e-3
    signed = np.maximum(np.einsum("spac,sc->spa", change, typical), 0)
    strong = np.percentile(signed.max(axis=2), 60, axis=1)[:, None, None]
    return np.asarray(np.minimum(signed / (strong + 2), 1), np.float32)


def _followed(edge: Array) -> NDArray[np.int64]:
    """For each side (sides x parts x steps) the path with most edge and few turns: its steps.

    Dynamic programming, all sides at once.
    """
    sides, count, steps = edge.shape
    gain = edge - CALM * np.linspace(-1, 1, steps, dtype=np.float32) ** 2
    before = np.zeros((count, sides, steps), np.int64)
    # Beyond either end there is nothing to come from.
    padded = np.full((sides, steps + 4), -np.inf, np.float32)
    choices = np.empty((5, sides, steps), np.float32)
    padded[:, 2:-2] = gain[:, 0]
    for part in range(1, count):
        for move in range(5):
            np.subtract(padded[:, move : move + steps], TURNING[move], out=choices[move])
        before[part] = choices.argmax(axis=0)
        padded[:, 2:-2] = choices.max(axis=0) + gain[:, part]
    path = np.empty((sides, count), np.int64)
    path[:, -1] = padded[:, 2:-2].argmax(axis=1)
    every = np.arange(sides)
    for part in range(count - 1, 0, -1):
        path[:, part - 1] = path[:, part] + before[part, every, path[:, part]] - 2
    return path


def _fitted(parts: Array, off: Array, weight: Array) -> NDArray[np.float64]:
    """A line through the path, or a parabola where the side clearly bows (highest power first)."""
    line, line_left = _robust(parts, off, weight, 1)
    bow, bow_left = _robust(parts, off, weight, 2)
    return bow if bow_left < STRAIGHT * line_left else line


def _robust(
    parts: Array, off: Array, weight: Array, degree: int
) -> tuple[NDArray[np.float64], float]:
    trust = weight + 1e-2
    for _ in range(ROUNDS):
        fit = np.polyfit(parts, off, degree, w=np.sqrt(trust))
        away = np.abs(np.polyval(fit, parts) - off)
        width = max(float(np.median(away)), 0.5)
        trust = (weight + 1e-2) / (1 + (away / width) ** 2)
    return fit, float(np.average(away, weights=weight + 1e-2)) + 0.3


def _crossing(place: Array, slope: Array, other: Array, other_slope: Array) -> Array:
    """Where two lines, each through a place, cross."""
    turn = slope[0] * other_slope[1] - slope[1] * other_slope[0]
    gap = other - place
    way = (gap[0] * other_slope[1] - gap[1] * other_slope[0]) / turn
    return np.asarray(place + slope * way, np.float32)
