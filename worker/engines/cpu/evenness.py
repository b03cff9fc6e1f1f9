"""Uneven light: a print is brighter here than there because it faded, or lay under a lamp.

Our network looks at a thumbnail. All colours are brighter alike where light is uneven, while the
toning of old paper tells how dark a place was meant to be; where nothing tells, it says little.
What the photographer lit stays: that is in the picture, not on the paper.
"""

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from worker.engines.cpu import networks
from worker.engines.cpu.colours import to_bytes

Planes = NDArray[np.float32]

SIDE = 96  # pixels of the thumbnail, whatever the photo's shape
DARKEST = 4.0  # of 255: below it a logarithm means nothing
MIDDLE, COLOUR_UNIT = -0.7, 0.25  # what the network counts from, and in
MOST = 0.35  # no place is made lighter or darker by more than this, as a logarithm


def even_out(picture: MatLike) -> NDArray[np.uint8]:
    """Light a photo (BGR, 0..255) evenly."""
    told = networks.run("light", light=seen(picture, SIDE))[0]
    light = np.clip(told - told.mean(), -MOST, MOST)
    height, width = picture.shape[:2]
    gain = cv2.resize(np.exp(-light), (width, height), interpolation=cv2.INTER_CUBIC)
    return to_bytes(picture * gain[..., None])


def seen(picture: MatLike, side: int) -> Planes:
    """What the network is shown, 3 x side x side: logarithms of the light and of two ratios."""
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    blue, green, red = np.log(np.maximum(small, DARKEST) / 255).transpose(2, 0, 1)
    light = (blue + green + red) / 3 - MIDDLE
    return np.stack([light, (blue - red) / COLOUR_UNIT, (green - red) / COLOUR_UNIT])
