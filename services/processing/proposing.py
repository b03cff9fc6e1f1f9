"""What we would cut out of a picture: its print, or the several prints that lie in it."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from services.processing.decoding import decode
from services.processing.outlines import find_outline, find_prints

PROXY_PIXELS_MAX, PROXY_SIDE = 1_000_000, 1_000
"""What is looked at has a megapixel; a JPEG is decoded no larger than needed for that."""

CONFIDENT = 0.95
"""From here on a photo whose corners nobody gave is cut along those we propose.

Of 255 photographs that show no print 1 is cut (from 0.8 on 23); of 200 snapshots 171 reach it.
"""

PRINTS_MAX = 9
DECIMALS = 5
WHOLE_WITHIN = 0.02
"""Corners so near to the picture's own (in parts of it) leave it as it is."""

INSIDE_BY = 0.01
"""A corner so near to an edge may as well be beyond it: that is not for us to decide."""

Quad = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Print:
    """One print: its corners, and how sure we are of them (0 to 1)."""

    quad: Quad
    confidence: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """The corners we propose, and each print if there are several."""

    quad: Quad
    confidence: float
    prints: list[Print] = field(default_factory=list)

    @property
    def is_certain(self) -> bool:
        """Whether to cut without asking: one print, all of which is seen, and sure corners."""
        corners = np.array(self.quad)
        is_inside = bool(corners.min() >= INSIDE_BY and corners.max() <= 1 - INSIDE_BY)
        return self.confidence >= CONFIDENT and is_inside and not self.prints


UNSURE = Proposal([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)], confidence=0.0)


def propose_for(source: Path) -> Proposal:
    """Look at a file, or raise `Unusable`."""
    return propose(decode(source, side_needed=PROXY_SIDE).pixels)


def propose(pixels: NDArray[np.uint8]) -> Proposal:
    """Look at a picture (height x width x 3, sRGB, upright)."""
    proxy = _proxy(pixels)
    outline = find_outline(proxy)
    prints = [Print(_told(one.quad), one.confidence) for one in find_prints(proxy)[:PRINTS_MAX]]
    return Proposal(_told(outline.quad), outline.confidence, prints)


def is_whole(quad: Quad) -> bool:
    """Whether corners are those of the whole picture."""
    return bool(np.abs(np.array(quad) - UNSURE.quad).max() <= WHOLE_WITHIN)


def _told(quad: Quad) -> Quad:
    """Corners in as many digits as mean something, none of them outside the picture."""
    inside = np.clip(np.array(quad), 0, 1).round(DECIMALS).tolist()
    return [(across, down) for across, down in inside]


def _proxy(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = math.sqrt(PROXY_PIXELS_MAX / (height * width))
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
