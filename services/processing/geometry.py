"""From the four corners of a print in a picture to a flat, rectangular print."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE_MIN = 16
AREA_PART_MIN = 0.005
"""A print smaller than this part of the picture is a slip of the finger."""

SHRINK_BEFORE_WARP = 2
FOCAL_LENGTH, FOCAL_LENGTHS = 0.65, (0.4, 8.0)
"""In picture diagonals: a phone's main camera, and what is believable at all."""

NEARLY_PARALLEL = 1e-4

ASPECT_CORRECTION_MAX = 2.0

Points = NDArray[np.float64]


class UnusableCorners(ValueError):  # noqa: N818  # an answer, not a fault
    """The four corners do not enclose a print."""


def corners_in_pixels(quad: list[tuple[float, float]], width: int, height: int) -> Points:
    """Corners in pixels, clockwise from the upper left, if they enclose a usable area."""
    corners = np.array(quad, dtype=np.float64) * (width, height)
    following = np.roll(corners, -1, axis=0)
    edges = following - corners
    turns = _cross(edges, np.roll(edges, -1, axis=0))
    if not (turns > 0).all():
        raise UnusableCorners("The corners must go round the print, clockwise.")
    if area(corners) < AREA_PART_MIN * width * height or np.hypot(*edges.T).min() < SIDE_MIN:
        raise UnusableCorners("The marked print is too small.")
    return corners


def flat_size(corners: Points, width: int, height: int) -> tuple[int, int]:
    """Width and height the print has when seen from straight above.

    The longest edge keeps its pixels; the other follows from the true shape, which the
    convergence of the edges tells (Zhang and He, whiteboard scanning).
    """
    edges = np.hypot(*(np.roll(corners, -1, axis=0) - corners).T)
    across, down = max(edges[0], edges[2]), max(edges[1], edges[3])
    aspect = across / down
    true = _true_aspect(corners, width, height)
    if max(true / aspect, aspect / true) <= ASPECT_CORRECTION_MAX:
        aspect = true
    if aspect >= across / down:
        across = down * aspect
    else:
        down = across / aspect
    return max(1, round(across)), max(1, round(down))


def flatten(pixels: NDArray[np.uint8], corners: Points, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The print, resampled once."""
    width, height = size
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float32)
    # Corners are edges of pixels, and OpenCV counts from their middles.
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32) - 0.5, target - 0.5)
    flat = cv2.warpPerspective(
        pixels, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(flat, dtype=np.uint8)


def area(corners: Points) -> float:
    """Of a polygon; negative when it goes round against the clock (y points down)."""
    return float(0.5 * _cross(corners, np.roll(corners, -1, axis=0)).sum())


def common_area(one: Points, other: Points) -> float:
    """Of two convex polygons, each either way round (Sutherland and Hodgman).

    OpenCV's `intersectConvexConvex` loses most of polygons that are nearly the same.
    """
    common = one if area(one) > 0 else one[::-1]
    cutting = other if area(other) > 0 else other[::-1]
    for start, end in zip(cutting, np.roll(cutting, -1, axis=0), strict=True):
        common = _cut(common, start, end - start)
    return area(common) if len(common) else 0.0


def _cut(corners: Points, start: Points, way: Points) -> Points:
    """What of a convex polygon lies to the right of a line."""
    away = way[0] * (corners[:, 1] - start[1]) - way[1] * (corners[:, 0] - start[0])
    kept: list[Points] = []
    for place, following in enumerate(np.roll(np.arange(len(corners)), -1)):
        if away[place] >= 0:
            kept.append(corners[place])
        if away[place] * away[following] < 0:
            part = away[place] / (away[place] - away[following])
            kept.append(corners[place] + part * (corners[following] - corners[place]))
    return np.array(kept, np.float64).reshape(-1, 2)


def _cross(left: Points, right: Points) -> Points:
    return left[:, 0] * right[:, 1] - left[:, 1] * right[:, 0]


def _true_aspect(corners: Points, width: int, height: int) -> float:
    """Width by height of the real rectangle.

    Two pairs of edges that converge tell the camera's focal length as well; with fewer, or an
    unbelievable result, it is assumed.
    """
    centred = (corners - (width / 2, height / 2)) / math.hypot(width, height)
    upper_left, upper_right, lower_right, lower_left = np.c_[centred, np.ones(4)]
    diagonal = np.cross(upper_left, lower_right)
    k2 = diagonal @ lower_left / (np.cross(upper_right, lower_right) @ lower_left)
    k3 = diagonal @ upper_right / (np.cross(lower_left, lower_right) @ upper_right)
    across, down = k2 * upper_right - upper_left, k3 * lower_left - upper_left
    depth = across[2] * down[2]
    squared = FOCAL_LENGTH**2
    if abs(depth) > NEARLY_PARALLEL:
        told = -(across[0] * down[0] + across[1] * down[1]) / depth
        if FOCAL_LENGTHS[0] ** 2 <= told <= FOCAL_LENGTHS[1] ** 2:
            squared = told
    lens = np.array((1 / squared, 1 / squared, 1.0))
    return float(np.sqrt((across**2 @ lens) / (down**2 @ lens)))
