"""Bring together: people of two or three photos side by side in one, of the first one's size.

No person is cut out: each photo gives a strip around its face, scaled so that heads are of one
size and height, with the first photo's tones; the strips meet in soft edges. It says that it is a
composite, and looks like a print made of several negatives.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.engines.cpu.colours import from_lab, to_bytes, to_grey, to_lab
from worker.engines.cpu.faces import find_faces
from worker.engines.cpu.toning import measure_toning
from worker.pictures import Picture

COMPOSITION = "side by side"
SEAM = 0.08  # of a strip's width, on each side of where two meet
HEAD_WIDTH, HEAD_HEIGHT = 0.36, 0.42  # where a face lies: its width of the strip's, and its middle
TONES = (5, 95)  # percentiles that are matched: what is beyond would be clipped
SPREAD_MATCHED = (0.6, 1.5)  # how far contrast is changed to match

Plane = NDArray[np.float32]


def bring_together(photos: Sequence[Picture]) -> Picture:
    height, width = photos[0].shape[:2]
    first = _alike_in_colour(photos)
    edges = np.linspace(0, width, len(photos) + 1).round().astype(int)
    seam = max(1, round(SEAM * width / len(photos)))
    total = np.zeros((height, width, 3), np.float32)
    weight = np.zeros((height, width, 1), np.float32)
    for place, photo in enumerate(first):
        left, right = max(0, edges[place] - seam), min(width, edges[place + 1] + seam)
        strip = _strip(_matched(photo, first[0]), (int(right - left), height))
        share = _soft(width, edges[place], edges[place + 1], seam)[left:right][None, :, None]
        total[:, left:right] += strip.astype(np.float32) * share
        weight[:, left:right] += share
    return to_bytes(total / weight)


def _alike_in_colour(photos: Sequence[Picture]) -> list[Picture]:
    """One black-and-white photo among coloured ones makes all of them black and white."""
    monochrome = [measure_toning(photo).monochrome for photo in photos]
    if all(monochrome) or not any(monochrome):
        return list(photos)
    return [np.dstack([to_grey(photo)] * 3) for photo in photos]


def _matched(photo: Picture, wanted: Picture) -> Picture:
    """The photo with the darkest and lightest tones of another, and its tint."""
    lab, other = to_lab(photo), to_lab(wanted)
    for plane in range(3):
        own, given = (np.percentile(of[..., plane], TONES) for of in (lab, other))
        ratio = np.clip(np.ptp(given) / max(float(np.ptp(own)), 1e-3), *SPREAD_MATCHED)
        lab[..., plane] = (lab[..., plane] - own.mean()) * ratio + given.mean()
    lab[..., 0] = np.clip(lab[..., 0], 0, 100)
    return from_lab(lab)


def _strip(photo: Picture, size: tuple[int, int]) -> Picture:
    """What the strip of (width, height) `size` shows of the photo, which always fills it."""
    width, height = size
    rows, columns = photo.shape[:2]
    fills = max(width / columns, height / rows)
    faces = [face.box for face in find_faces(to_grey(photo)) if face.certain]
    if faces:
        box = faces[0]
        scale = max(fills, HEAD_WIDTH * width / box.width)
        middle = (box.left + box.width / 2, box.top + box.height / 2)
    else:
        scale, middle = fills, (columns / 2, HEAD_HEIGHT * rows)
    left = np.clip(middle[0] * scale - width / 2, 0, columns * scale - width)
    top = np.clip(middle[1] * scale - HEAD_HEIGHT * height, 0, rows * scale - height)
    move = np.array([[scale, 0, -left], [0, scale, -top]], np.float64)
    shown = cv2.warpAffine(
        photo, move, size, flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return np.asarray(shown, np.uint8)


def _soft(width: int, left: int, right: int, seam: int) -> Plane:
    """1 inside a strip, 0 outside, a slope over the seam; the picture's own edges have none."""
    columns = np.arange(width) + 0.5
    rising = np.ones(width) if left == 0 else (columns - left + seam) / (2 * seam)
    falling = np.ones(width) if right == width else (right + seam - columns) / (2 * seam)
    return np.clip(np.minimum(rising, falling), 0, 1).astype(np.float32)
