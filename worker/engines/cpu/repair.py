"""Filling in what damage took: biharmonic where it is narrow, Navier-Stokes where it is wide.

A wide hole in a surface, a lawn or a backdrop, gets pieces of that surface. Between several things
it is only smoothed over: nobody knows what was there, and a guess might be somebody's ear.

Filled areas get the picture's own grain back, or they would look like plastic. The grain is drawn
from the attempt's seed, so the same attempt always gives the same pixels.
"""

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray
from skimage.restoration import inpaint_biharmonic

from worker.engines.cpu.colours import to_bytes, to_grey
from worker.engines.cpu.faces import Face
from worker.engines.cpu.patches import fill_with_patches

WIDE_RADIUS = 9  # biharmonic filling overshoots in holes with a larger inner radius
NARROW_SHARE_MAX = 0.08  # of the picture: above this biharmonic filling takes too long
FLOW_RADIUS = 5
RING = 0.6  # of a hole's radius: how far around it its surface is looked at
ALIKE = 10.0  # grey levels: the deviation of a surface without its texture


def fill(
    picture: MatLike, mask: NDArray[np.uint8], faces: list[Face], *, noise: float, seed: int
) -> NDArray[np.uint8]:
    """`mask` is 255 where the BGR picture is lost, `noise` the grain that it has in grey levels."""
    if not mask.any():
        return picture.astype(np.uint8, copy=False)
    wide = _wide_holes(mask)
    filled: MatLike = picture
    if wide.any():
        filled = cv2.inpaint(picture, mask, FLOW_RADIUS, cv2.INPAINT_NS)
        in_surface = _in_one_surface(to_grey(filled), wide)
        if in_surface.any():
            faces_area = _area(faces, mask.shape)
            filled = fill_with_patches(filled, in_surface, faces_area, seed=seed)
    narrow = (mask > 0) & ~wide
    if narrow.any():
        smooth = inpaint_biharmonic(
            filled.astype(np.float32) / 255, narrow, channel_axis=-1, split_into_regions=True
        )
        filled = to_bytes(smooth * 255)
    return _with_grain(filled, mask, noise, seed)


def _in_one_surface(grey: MatLike, wide: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those holes whose surroundings are alike, apart from their texture."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(wide.astype(np.uint8))
    kept = np.zeros(count, np.bool_)
    for label in range(1, count):
        depth = float(np.sqrt(stats[label, cv2.CC_STAT_AREA] / np.pi))
        side = 2 * round(RING * depth) + 1
        hole = (labels == label).astype(np.uint8)
        ring = (cv2.dilate(hole, np.ones((side, side), np.uint8)) > 0) & ~wide
        even = cv2.GaussianBlur(grey, (0, 0), max(1.0, depth / 4))
        kept[label] = ring.any() and float(even[ring].std()) < ALIKE
    return np.asarray(kept[labels], np.bool_)


def _area(faces: list[Face], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    area = np.zeros(shape, np.bool_)
    for face in faces:
        left, top, width, height = face.box
        area[max(0, top) : top + height, max(0, left) : left + width] = True
    return area


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
