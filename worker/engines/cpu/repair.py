"""Filling in what a scratch took: biharmonic where it is narrow, Navier-Stokes where it is wide.

Filled areas get the picture's own grain back, or they would look like plastic. The grain is drawn
from the attempt's seed, so the same attempt always gives the same pixels.
"""

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray
from skimage.restoration import inpaint_biharmonic

from worker.engines.cpu.colours import to_bytes

WIDE_RADIUS = 9  # biharmonic filling overshoots in holes with a larger inner radius
NARROW_SHARE_MAX = 0.08  # of the picture: above this biharmonic filling takes too long
FLOW_RADIUS = 5


def fill(
    picture: MatLike, mask: NDArray[np.uint8], *, noise: float, seed: int
) -> NDArray[np.uint8]:
    if not mask.any():
        return picture.astype(np.uint8, copy=False)
    wide = _wide_holes(mask)
    filled: MatLike = picture
    if wide.any():
        filled = cv2.inpaint(picture, mask, FLOW_RADIUS, cv2.INPAINT_NS)
    narrow = (mask > 0) & ~wide
    if narrow.any():
        smooth = inpaint_biharmonic(
            filled.astype(np.float32) / 255, narrow, channel_axis=-1, split_into_regions=True
        )
        filled = to_bytes(smooth * 255)
    return _with_grain(filled, mask, noise, seed)


def _wide_holes(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    if np.count_nonzero(mask) > NARROW_SHARE_MAX * mask.size:
        return mask > 0
    count, found = cv2.connectedComponents(mask)
    labels = np.asarray(found, np.int32)
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    deepest = np.zeros(count, np.float32)
    np.maximum.at(deepest, labels.ravel(), depth.ravel())
    return np.asarray((deepest[labels] > WIDE_RADIUS) & (mask > 0))


def _with_grain(
    picture: MatLike, mask: NDArray[np.uint8], noise: float, seed: int
) -> NDArray[np.uint8]:
    dice = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(dice.standard_normal(mask.shape, np.float32), (0, 0), 0.6)
    grain = grain * (noise / max(float(grain.std()), 1e-6))
    share = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 1.0)
    return to_bytes(picture.astype(np.float32) + (grain * share)[..., None])
