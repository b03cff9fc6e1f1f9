"""Grain: how strong it is, and a hand that takes most of it and leaves some.

Film grain is part of an old photo. FFDNet is told how strong it is, so that it takes no more than
that; a picture without grain is not touched. Faces keep more: wrinkles look like grain.
"""

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from worker.engines.cpu import networks
from worker.engines.cpu.colours import from_planes, to_bytes, to_grey, to_planes

Plane = NDArray[np.float32]

FLAT_SHARE = 40  # per cent of the picture: noise is measured where nothing happens
HALF_SIZE_WEIGHT = 1.5  # old grain is coarse, so it is measured at half the size as well
FINE_GRAIN = 1.2  # grey levels: below this nothing is done
SMOOTHING, SMOOTHING_LEAST = 1.3, 0.7  # times the grain, and grey levels more
SMOOTHING_MAX = 50.0  # the network learnt up to 75
GRAIN_KEPT, GRAIN_KEPT_IN_FACES = 0.12, 0.4
MARGIN = 24  # pixels: as far as the network sees

_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def estimate_noise(picture: MatLike) -> float:
    """The standard deviation of the grain, in grey levels."""
    grey = to_grey(picture).astype(np.float32)
    half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return max(_flat_deviation(grey), HALF_SIZE_WEIGHT * _flat_deviation(half))


def soften_grain(picture: MatLike, noise: float, faces: Plane) -> NDArray[np.uint8]:
    """`faces` is how near to a face each pixel is, 0..1."""
    if noise <= FINE_GRAIN:
        return picture.astype(np.uint8, copy=False)
    level = min(SMOOTHING * noise + SMOOTHING_LEAST, SMOOTHING_MAX)
    told = np.array(level / 255, np.float32)
    calm = networks.in_tiles(
        to_planes(picture),
        lambda tile: networks.run("grain", light=tile, noise=told),
        margin=MARGIN,
        multiple=2,
    )
    kept = (GRAIN_KEPT + (GRAIN_KEPT_IN_FACES - GRAIN_KEPT) * faces)[..., None]
    return to_bytes(from_planes(calm) * (1 - kept) + picture * kept)


def _flat_deviation(grey: NDArray[np.float32] | MatLike) -> float:
    response = np.abs(cv2.filter2D(grey, -1, _LAPLACIAN)) / 6 / 0.6745
    smooth = cv2.GaussianBlur(grey, (0, 0), 2)
    slope = cv2.Sobel(smooth, -1, 1, 0) ** 2 + cv2.Sobel(smooth, -1, 0, 1) ** 2
    unrest = cv2.GaussianBlur(slope, (0, 0), 3)
    return float(np.median(response[unrest <= np.percentile(unrest, FLAT_SHARE)]))
