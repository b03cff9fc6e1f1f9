"""What colours a network of our own guesses from lightness: calm, because it is often unsure."""

import cv2
import numpy as np

from worker.engines.cpu import networks
from worker.engines.cpu.shapes import Plane

SIDE, STRIDE = 256, 32
STRENGTH = 0.75  # a pale guess is less wrong where the network saw few such things


def guess_colours(light: Plane, size: tuple[int, int]) -> Plane:
    """Lab's a and b for a picture of lightness 0..1, as (width, height) `size`: height x width x 2.

    A picture and its mirror image have the same colours: the mean of both guesses is calmer.
    """
    height, width = light.shape
    scale = SIDE / max(height, width)
    columns, rows = (max(STRIDE, STRIDE * round(side * scale / STRIDE)) for side in (width, height))
    small = cv2.resize(light, (columns, rows), interpolation=cv2.INTER_AREA)
    ways = [np.ascontiguousarray(some, np.float32)[None] for some in (small, small[:, ::-1])]
    straight, mirrored = (networks.run("colours", light=way) for way in ways)
    chroma = ((straight + mirrored[..., ::-1]) / 2).transpose(1, 2, 0) * STRENGTH
    return np.asarray(cv2.resize(chroma, size, interpolation=cv2.INTER_LINEAR), np.float32)
