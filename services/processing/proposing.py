"""What we would cut out of a picture: its print, or the several prints that lie in it."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.processing import outlines
from services.processing.decoding import decode

PROXY_SIDE = 1_000
"""A JPEG is decoded no larger than needed for what is looked at."""

CONFIDENT = 0.97
"""From here on a photo whose corners nobody gave is cut along those we propose.

Of 200 scans of one print 1 is cut, of 300 pieces of photographs none (from 0.8 on 8 and 1); of
200 snapshots 155 reach it, each with its right corners.
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


UNSURE = Proposal(outlines.WHOLE, confidence=0.0)


def propose_for(source: Path) -> Proposal:
    """Look at a file, or raise `Unusable`."""
    return propose(decode(source, side_needed=PROXY_SIDE).pixels)


def propose(pixels: NDArray[np.uint8]) -> Proposal:
    """Look at a picture (height x width x 3, sRGB, upright)."""
    seen = outlines.proxy(pixels)
    outline, several = outlines.find_outline(seen), outlines.find_prints(seen)
    prints = [Print(_told(one.quad), one.confidence) for one in several[:PRINTS_MAX]]
    return Proposal(_told(outline.quad), outline.confidence, prints)


def is_whole(quad: Quad) -> bool:
    """Whether corners are those of the whole picture."""
    return bool(np.abs(np.array(quad) - UNSURE.quad).max() <= WHOLE_WITHIN)


def _told(quad: Quad) -> Quad:
    """Corners in as many digits as mean something, none of them outside the picture."""
    inside = np.clip(np.array(quad), 0, 1).round(DECIMALS).tolist()
    return [(across, down) for across, down in inside]
