"""Between 8-bit BGR, Lab in its own units (lightness 0..100) and RGB planes; a guided filter."""

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray


def to_grey(picture: MatLike) -> NDArray[np.uint8]:
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)


def to_lab(picture: MatLike) -> NDArray[np.float32]:
    return cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_BGR2LAB).astype(
        np.float32, copy=False
    )


def from_lab(lab: NDArray[np.float32]) -> NDArray[np.uint8]:
    return to_bytes(cv2.cvtColor(lab.astype(np.float32, copy=False), cv2.COLOR_LAB2BGR) * 255)


def to_bytes(values: MatLike) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def guided_filter(
    guide: NDArray[np.float32], values: NDArray[np.float32], *, radius: int, roughness: float
) -> NDArray[np.float32]:
    """Smooth `values` but let them change where `guide` does."""
    window = (2 * radius + 1, 2 * radius + 1)
    mean_guide, mean_values = cv2.blur(guide, window), cv2.blur(values, window)
    covariance = cv2.blur(guide * values, window) - mean_guide * mean_values
    variance = cv2.blur(guide * guide, window) - mean_guide * mean_guide
    slope = covariance / (variance + roughness)
    offset = mean_values - slope * mean_guide
    return (cv2.blur(slope, window) * guide + cv2.blur(offset, window)).astype(np.float32)


def to_planes(picture: MatLike) -> NDArray[np.float32]:
    """As the networks of others want it: RGB, 3 x height x width, 0..1."""
    planes = picture[..., ::-1].astype(np.float32).transpose(2, 0, 1) / 255
    return np.ascontiguousarray(planes)


def from_planes(planes: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(to_bytes(planes.transpose(1, 2, 0)[..., ::-1] * 255))
