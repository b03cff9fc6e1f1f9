"""Sharpening that follows edges, leaves grain alone and cannot draw halos."""

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from worker.engines.cpu.colours import to_bytes

AMOUNT = 0.7
RADIUS = 1.2
EDGE_LEAST = 1.6  # times the grain: smaller differences are grain
OVERSHOOT = 6  # grey levels beyond the local extremes


def sharpen(picture: MatLike, noise: float) -> NDArray[np.uint8]:
    planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YCrCb)
    light = planes[..., 0].astype(np.float32)
    detail = light - cv2.GaussianBlur(light, (0, 0), RADIUS)
    edges = cv2.GaussianBlur(np.abs(detail), (0, 0), RADIUS)
    threshold = EDGE_LEAST * max(noise, 0.5)
    weight = np.clip(2 * edges / threshold - 1, 0, 1)

    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    highest = cv2.dilate(light, around) + OVERSHOOT
    lowest = cv2.erode(light, around) - OVERSHOOT
    planes[..., 0] = to_bytes(np.clip(light + AMOUNT * weight * detail, lowest, highest))
    return cv2.cvtColor(planes, cv2.COLOR_YCrCb2BGR).astype(np.uint8, copy=False)
