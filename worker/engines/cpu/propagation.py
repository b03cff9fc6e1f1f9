"""Colour spreads over what is equally light and stops at edges (Levin, Lischinski and Weiss, 2004).

A small picture is solved exactly, as a sparse system in which every pixel wants to look like those
neighbours that are as light as itself, and hints pull with the weight of their certainty.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import linalg

from worker.engines.cpu.colours import guided_filter

SIDE_MAX = 192
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
LEAST_AFFINITY = 1e-4
VARIANCE_RANGE = (1e-4, 1e-2)  # an edge is no texture, however much varies across it
REST = 1e-5  # keeps the system solvable where nothing pulls
GUIDE_RADIUS = 0.012  # of the longer side
GUIDE_ROUGHNESS = 4e-4


def spread(
    light: NDArray[np.float32], hints: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Spread `hints` (height, width, 2) over a picture of lightness 0..1 of the same size."""
    height, width = light.shape
    pull = sparse.diags(weights.ravel().astype(np.float64) + REST)
    solve = linalg.factorized((_laplacian(light.astype(np.float64)) + pull).tocsc())
    wanted = (weights[..., None] * hints).reshape(-1, 2).astype(np.float64)
    planes = [solve(wanted[:, channel]).reshape(height, width) for channel in (0, 1)]
    return np.stack(planes, axis=-1).astype(np.float32)


def enlarge(chroma: NDArray[np.float32], light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring spread colour to the size of `light`, with its edges where the picture has them."""
    height, width = light.shape
    large = np.asarray(
        cv2.resize(chroma, (width, height), interpolation=cv2.INTER_CUBIC), np.float32
    )
    radius = max(4, round(GUIDE_RADIUS * max(height, width)))
    planes = [
        guided_filter(light, large[..., channel], radius=radius, roughness=GUIDE_ROUGHNESS)
        for channel in (0, 1)
    ]
    return np.stack(planes, axis=-1)


def _laplacian(light: NDArray[np.float64]) -> sparse.csr_matrix:
    height, width = light.shape
    index = np.arange(height * width).reshape(height, width)
    mean = cv2.blur(light, (3, 3))
    variance = np.clip(cv2.blur(light * light, (3, 3)) - mean * mean, *VARIANCE_RANGE) * 0.6
    rows, columns, values = [], [], []
    for down, right in NEIGHBOURS:
        here = np.s_[: height - down, max(0, -right) : width - max(0, right)]
        there = np.s_[down:, max(0, right) : width + min(0, right)]
        unlike = (light[here] - light[there]) ** 2
        spread_of_both = 2 * np.minimum(variance[here], variance[there])
        affinity = np.exp(-unlike / spread_of_both) + LEAST_AFFINITY
        rows += [index[here].ravel(), index[there].ravel()]
        columns += [index[there].ravel(), index[here].ravel()]
        values += [affinity.ravel()] * 2
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    affinities = sparse.csr_matrix(entries, shape=(index.size, index.size))
    degrees = np.asarray(affinities.sum(axis=1)).ravel()
    return (sparse.diags(degrees) - affinities).tocsr()
