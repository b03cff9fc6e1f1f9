"""Detail: what Real-ESRGAN's small model makes of the picture at half its size, mixed in.

Old photos are soft, so half the size holds nearly all there is, at a quarter of the cost. The
model draws clean edges where blur and grain were; by itself its skin looks painted, so the photo
always has the larger share, and nearly all in faces. A photo without grain keeps its own edges.
"""

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from worker.engines.cpu import networks
from worker.engines.cpu.colours import from_planes, to_bytes, to_planes

SHARE_MAX, SHARE_IN_FACES = 0.45, 0.15
ROUGH_GRAIN = 4.0  # grey levels: from here on the model has its full share
MARGIN = 18  # pixels: as far as the model sees
SIDE_LEAST = 32


def bring_out(picture: MatLike, noise: float, faces: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Sharpen a picture that had `noise` grey levels of grain; `faces`: how near they are, 0..1."""
    share = (SHARE_MAX + (SHARE_IN_FACES - SHARE_MAX) * faces) * min(1.0, noise / ROUGH_GRAIN)
    height, width = picture.shape[:2]
    if min(height, width) < SIDE_LEAST:
        return picture.astype(np.uint8, copy=False)
    half = cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    made = networks.in_tiles(
        to_planes(half),
        lambda tile: networks.run("detail", light=tile),
        margin=MARGIN,
        multiple=1,
        scale=2,
    )
    drawn = cv2.resize(from_planes(made), (width, height), interpolation=cv2.INTER_LINEAR)
    return to_bytes(drawn * share[..., None] + picture * (1 - share[..., None]))
