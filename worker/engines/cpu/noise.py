"""Grain: how strong it is, and a gentle hand that takes some of it and leaves the rest.

Film grain is part of an old photo. Only what exceeds fine grain is smoothed, and never all of it.
"""

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from worker.engines.cpu.colours import to_bytes, to_grey

FLAT_SHARE = 40  # per cent of the picture: noise is measured where nothing happens
HALF_SIZE_WEIGHT = 1.5  # old grain is coarse, so it is measured at half the size as well
FINE_GRAIN = 2.0  # grey levels: below this nothing is done
SMOOTHING = 1.5  # times the grain
SMOOTHING_MAX = 24.0
GRAIN_KEPT = 0.3
SEARCH_WINDOW, PATCH = 15, 5

_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def estimate_noise(picture: MatLike) -> float:
    """The standard deviation of the grain, in grey levels."""
    grey = to_grey(picture).astype(np.float32)
    half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return max(_flat_deviation(grey), HALF_SIZE_WEIGHT * _flat_deviation(half))


def soften_grain(picture: MatLike, noise: float) -> NDArray[np.uint8]:
    if noise <= FINE_GRAIN:
        return picture.astype(np.uint8, copy=False)
    planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YCrCb)
    strength = min(SMOOTHING * noise, SMOOTHING_MAX)
    light = cv2.fastNlMeansDenoising(
        planes[..., 0], None, h=strength, templateWindowSize=PATCH, searchWindowSize=SEARCH_WINDOW
    )
    kept = GRAIN_KEPT * FINE_GRAIN / noise + GRAIN_KEPT / 2
    planes[..., 0] = to_bytes(cv2.addWeighted(planes[..., 0], kept, light, 1 - kept, 0))
    # Colour noise is ugly and carries no detail the eye sees.
    for channel in (1, 2):
        planes[..., channel] = cv2.bilateralFilter(planes[..., channel].copy(), 7, 3 * noise, 3)
    return cv2.cvtColor(planes, cv2.COLOR_YCrCb2BGR).astype(np.uint8, copy=False)


def _flat_deviation(grey: NDArray[np.float32] | MatLike) -> float:
    response = np.abs(cv2.filter2D(grey, -1, _LAPLACIAN)) / 6 / 0.6745
    smooth = cv2.GaussianBlur(grey, (0, 0), 2)
    slope = cv2.Sobel(smooth, -1, 1, 0) ** 2 + cv2.Sobel(smooth, -1, 0, 1) ** 2
    unrest = cv2.GaussianBlur(slope, (0, 0), 3)
    return float(np.median(response[unrest <= np.percentile(unrest, FLAT_SHARE)]))
