"""Which way up a print is: the way the faces in it are, if there are any and they leave no doubt.

Haar cascades ship inside OpenCV's wheel, so no model is downloaded. They know upright faces only:
a picture is searched in four turns, and only one that one cascade is certain of, that the other
confirms and that beats all the rest by far is believed. Most pictures cost one search, because a
face that is upright already ends it.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

SEARCHED_SIDE = 320
FACE_MIN, FACE_PIXELS_MIN = 0.08, 20
"""The smallest face, in parts of the longer side, and never fewer pixels than it was trained on."""

SCALE_STEP, NEIGHBOURS_MIN = 1.15, 3
CERTAIN, BEYOND_DOUBT, MARGIN = 10, 20, 3
"""How many overlapping finds make a cascade certain, how many end the search, and how many times
all others together what is believed must be found."""

QUARTERS = 4

Plane = NDArray[np.uint8]


class Place(NamedTuple):
    """The square around a face, in pixels."""

    left: int
    top: int
    side: int


def quarter_turns(pixels: NDArray[np.uint8]) -> int:
    """How many quarter turns, counter-clockwise, put the people upright; none when in doubt.

    `pixels` is height x width x 3 in sRGB.
    """
    grey = _searched(pixels)
    turned = [np.ascontiguousarray(np.rot90(grey, turns)) for turns in range(QUARTERS)]
    found = [_finds("frontalface_alt2", turned[0])]
    if found[0] >= BEYOND_DOUBT:
        return 0
    found += [_finds("frontalface_alt2", plane) for plane in turned[1:]]
    best = int(np.argmax(found))
    if found[best] < CERTAIN:
        return 0
    confirmed = [_finds("frontalface_default", plane) for plane in turned]
    together = np.add(found, confirmed)
    others = np.delete(together, best)
    doubtful = confirmed[best] < CERTAIN or together[best] < MARGIN * others.sum()
    return 0 if doubtful else best


def find(pixels: NDArray[np.uint8]) -> list[Place]:
    """Where upright faces are that leave no doubt, in the picture's own pixels."""
    grey = _searched(pixels)
    scale = max(pixels.shape[:2]) / max(grey.shape)
    side = max(FACE_PIXELS_MIN, int(FACE_MIN * max(grey.shape)))
    boxes, finds = _cascade("frontalface_alt2").detectMultiScale2(
        grey, scaleFactor=SCALE_STEP, minNeighbors=NEIGHBOURS_MIN, minSize=(side, side)
    )
    return [
        Place(*(round(scale * int(each)) for each in box[:3]))
        for box, count in zip(boxes, finds, strict=True)
        if count >= CERTAIN
    ]


def _searched(pixels: NDArray[np.uint8]) -> Plane:
    scale = min(1.0, SEARCHED_SIDE / max(pixels.shape[:2]))
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)), np.uint8)


def _finds(cascade: str, grey: Plane) -> int:
    """How often faces were found, each once for every place and size that looks like it."""
    side = max(FACE_PIXELS_MIN, int(FACE_MIN * max(grey.shape)))
    _, finds = _cascade(cascade).detectMultiScale2(
        grey, scaleFactor=SCALE_STEP, minNeighbors=NEIGHBOURS_MIN, minSize=(side, side)
    )
    return int(np.sum(finds))


@cache
def _cascade(name: str) -> cv2.CascadeClassifier:
    folder = Path(cv2.__file__).parent / "data"
    return cv2.CascadeClassifier(str(folder / f"haarcascade_{name}.xml"))
