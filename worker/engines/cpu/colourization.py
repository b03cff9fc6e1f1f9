"""Colourize: tint a black-and-white photo from what it shows, and never touch its lightness."""

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from worker.engines.cpu.colours import from_lab, to_grey, to_lab
from worker.engines.cpu.faces import find_faces
from worker.engines.cpu.hints import read_hints
from worker.engines.cpu.propagation import SIDE_MAX, enlarge, spread
from worker.engines.cpu.toning import measure_toning

REVIVED = 1.25  # a photo that has colours keeps them, a little stronger
CHROMA_MAX = 60.0


def colourize(photo: MatLike) -> NDArray[np.uint8]:
    if not measure_toning(photo).monochrome:
        return _revive(photo)
    grey = to_grey(photo)
    lab = to_lab(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
    light = np.asarray(lab[..., 0] / 100, np.float32)
    scale = min(1.0, SIDE_MAX / max(light.shape))
    small = cv2.resize(light, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    hints = read_hints(small.astype(np.float32), find_faces(grey), scale)
    chroma = spread(small.astype(np.float32), hints.chroma, hints.weights)
    lab[..., 1:] = np.clip(enlarge(chroma, light), -CHROMA_MAX, CHROMA_MAX)
    return from_lab(lab)


def _revive(photo: MatLike) -> NDArray[np.uint8]:
    lab = to_lab(photo)
    lab[..., 1:] *= REVIVED
    return from_lab(lab)
