"""How well a quadrilateral fits a print: what is seen along its sides, judged by a small network.

The network (one hidden layer) was trained on generated snapshots by `bench/outline_training.py`,
which also writes the weights beside this module.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from services.processing.outline_lines import Edges

WEIGHTS = Path(__file__).with_name("outline_weights.npz")
STRIPS = np.array((-18, -10, -5, 5, 10, 18, 28), np.float32)
"""Pixels from a side, outwards."""

INNER, OUTER = slice(0, 3), slice(3, 7)
POINTS = np.linspace(0.05, 0.95, 12, dtype=np.float32)
CONTRAST_MAX = 60.0

Array = NDArray[np.float32]


def evidence(found: Edges, mask: NDArray[np.uint8], corners: Array) -> Array:
    """Quads x features, of corners in clockwise order (quads x 4 x 2, pixels of `found`)."""
    height, width = found.strength.shape
    following = np.roll(corners, -1, axis=1)
    along = following - corners
    long = np.hypot(along[..., 0], along[..., 1])
    outward = np.stack((along[..., 1], -along[..., 0]), axis=2) / long[..., None]
    # Quads x sides x points x strips x 2.
    places = (
        corners[:, :, None, None]
        + along[:, :, None, None] * POINTS[:, None, None]
        + outward[:, :, None, None] * STRIPS[:, None]
    )
    xs, ys = places[..., 0], places[..., 1]
    framed = (xs >= 0) & (xs < width) & (ys >= 0) & (ys < height)
    columns = np.clip(xs, 0, width - 1).astype(np.int32)
    rows = np.clip(ys, 0, height - 1).astype(np.int32)
    colours = found.soft.reshape(-1, 3).take(rows * width + columns, axis=0)
    tall, wide = mask.shape
    prints = mask.ravel().take(rows * tall // height * wide + columns * wide // width)
    steps = np.minimum(_size(np.diff(colours, axis=3)), CONTRAST_MAX)
    steps = np.sort(steps.mean(axis=2) / CONTRAST_MAX, axis=1)
    across = colours[..., 2, :] - colours[..., 3, :]
    agreed = _size(across.mean(axis=2)) / (_size(across).mean(axis=2) + 1)
    outer = colours[:, :, :, 4].reshape(len(corners), -1, 3)
    inner = colours[:, :, :, 1].reshape(len(corners), -1, 3)
    masked = np.sort(prints.mean(axis=2, dtype=np.float32), axis=1)
    return np.column_stack(
        (
            steps[:, (0, 1, 3)].reshape(len(corners), -1),
            np.sort(agreed, axis=1),
            outer.std(axis=1) / CONTRAST_MAX,
            inner.std(axis=1) / CONTRAST_MAX,
            masked[:, (0, 3)].reshape(len(corners), -1),
            framed[..., OUTER].mean(axis=(1, 2, 3)),
            _filled(mask, corners * np.array((wide / width, tall / height), np.float32)),
            np.sort(long, axis=1) / min(height, width),
            long[:, :2].min(axis=1) / long[:, :2].max(axis=1),
        )
    ).astype(np.float32)


def _size(colours: Array) -> Array:
    """The lengths of vectors of three; faster than NumPy's norm along a short axis."""
    return np.asarray(np.sqrt(np.einsum("...c,...c->...", colours, colours)))


def _filled(mask: NDArray[np.uint8], corners: Array) -> Array:
    """How much of each quad is print, how much of the rest is, and how much of all it covers."""
    total, parts = cv2.countNonZero(mask), []
    shape, common = np.empty_like(mask), np.empty_like(mask)
    for quad in np.rint(corners).astype(np.int32):
        shape[:] = 0
        cv2.fillConvexPoly(shape, quad, 1)
        area = cv2.countNonZero(shape)
        both = cv2.countNonZero(cv2.bitwise_and(shape, mask, dst=common))
        parts.append((both / (area + 1), (total - both) / (mask.size - area + 1), area / mask.size))
    return np.array(parts, np.float32).reshape(-1, 3)


@cache
def trained() -> Mapping[str, Array]:
    """The weights beside this module."""
    with np.load(WEIGHTS) as stored:
        return dict(stored)


def judged(features: Array, weights: Mapping[str, Array]) -> Array:
    """For each row of features a number that grows with how well the quad fits."""
    inputs = (features - weights["mean"]) / weights["scale"]
    hidden = np.tanh(inputs @ weights["first"] + weights["first_bias"])
    return np.asarray(hidden @ weights["second"] + weights["second_bias"], np.float32)
