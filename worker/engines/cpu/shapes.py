"""Shapes and textures of a small picture of lightness 0..1."""

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.engines.cpu.faces import Box

Plane = NDArray[np.float32]
Area = NDArray[np.bool_]


def ellipse(
    light: Plane, box: Box, centre: tuple[float, float], radii: tuple[float, float]
) -> Plane:
    """Squared distance from `centre` in units of `radii`, all in shares of the box."""
    rows, columns = np.mgrid[: light.shape[0], : light.shape[1]].astype(np.float32)
    across = (columns - box.left - centre[0] * box.width) / max(1.0, radii[0] * box.width)
    down = (rows - box.top - centre[1] * box.height) / max(1.0, radii[1] * box.height)
    return np.asarray(across**2 + down**2, np.float32)


def texture(light: Plane) -> tuple[Plane, Plane]:
    """Unrest, and how much of it runs in one direction: walls are orderly, leaves are not."""
    detail = np.abs(light - cv2.GaussianBlur(light, (0, 0), 1.5))
    across, down = cv2.Sobel(light, -1, 1, 0), cv2.Sobel(light, -1, 0, 1)
    xx, yy, xy = (
        cv2.GaussianBlur(product, (0, 0), 4)
        for product in (across * across, down * down, across * down)
    )
    order = np.sqrt((xx - yy) ** 2 + 4 * xy**2) / (xx + yy + 1e-6)
    return cv2.GaussianBlur(detail, (0, 0), 3).astype(np.float32), order.astype(np.float32)
