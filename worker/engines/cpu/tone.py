"""Casts and fading: greys become grey again, blacks black and whites white, all with restraint."""

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from worker.engines.cpu.colours import from_lab, to_bytes, to_grey, to_lab

BLACK, WHITE = 0.3, 99.7  # percentiles that become the ends of the scale
LOWEST, HIGHEST = 0.025, 0.975  # where they are put: a little short of the ends
MIDDLE = 0.47
MIDDLE_PULL = 0.4
GAMMA_RANGE = (0.75, 1.35)
RANGE_LEAST = 12  # grey levels: a picture flatter than this holds nothing to stretch
LOCAL_CLIP, LOCAL_SHARE = 1.3, 0.1
WARMTH_KEPT = 0.15  # of a monochrome print's toning: old paper is not blue-white

COLOUR_STRETCH = 0.8
NEUTRAL_SHARE = 40  # per cent: the least colourful pixels should be neutral
NEUTRAL_PULL = 0.7


def correct_monochrome(picture: MatLike) -> NDArray[np.uint8]:
    """Even out a black-and-white or toned photo."""
    share = _stretched(to_grey(picture).astype(np.float32))
    median = float(np.clip(np.median(share), 0.08, 0.92))
    gamma = float(np.clip(np.log(MIDDLE) / np.log(median), *GAMMA_RANGE))
    even = to_bytes(255 * share ** (1 + (gamma - 1) * MIDDLE_PULL))
    grey = _with_local_contrast(even)

    lab = to_lab(picture)
    toning = np.median(lab[..., 1:].reshape(-1, 2), axis=0) * WARMTH_KEPT
    lab[..., 1:] = toning * (4 * grey * (255 - grey) / 255**2)[..., None]
    lab[..., 0] = to_lab(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))[..., 0]
    return from_lab(lab)


def correct_colour(picture: MatLike) -> NDArray[np.uint8]:
    """Even out a colour photo: each dye has faded at its own pace."""
    values = picture.astype(np.float32)
    for channel in range(3):
        plane = values[..., channel]
        stretched = _stretched(plane) * 255
        values[..., channel] = (1 - COLOUR_STRETCH) * plane + COLOUR_STRETCH * stretched
    lab = to_lab(to_bytes(values))
    colourfulness = np.hypot(lab[..., 1], lab[..., 2])
    neutral = colourfulness <= np.percentile(colourfulness, NEUTRAL_SHARE)
    lab[..., 1:] -= NEUTRAL_PULL * np.median(lab[..., 1:][neutral], axis=0)
    light = to_bytes(lab[..., 0] * 2.55)
    lab[..., 0] = _with_local_contrast(light).astype(np.float32) / 2.55
    return from_lab(lab)


def _stretched(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring a plane of 0..255 to LOWEST..HIGHEST."""
    low, high = (float(value) for value in np.percentile(plane, [BLACK, WHITE]))
    if high - low < RANGE_LEAST:
        return np.asarray(plane / 255, np.float32)
    share = np.clip((plane - low) / (high - low), 0, 1)
    return np.asarray(LOWEST + (HIGHEST - LOWEST) * share, np.float32)


def _with_local_contrast(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    local = cv2.createCLAHE(LOCAL_CLIP, (4, 4)).apply(grey)
    return to_bytes(cv2.addWeighted(grey, 1 - LOCAL_SHARE, local, LOCAL_SHARE, 0))
