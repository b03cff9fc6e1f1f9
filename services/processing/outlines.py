"""Where the prints lie in a phone's snapshot.

Lines are found, quadrilaterals are made of them, and the one for which most speaks is refined on
the picture itself. When nothing is convincing, the answer is the whole frame, with low confidence.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from services.processing import outline_lines, outline_quads

PROXY_PIXELS = 1_000_000
WORK_SIDE = 480
SIDE_MIN = 64
"""In a smaller picture, or one whose shape is extreme, no print is looked for."""

ASPECT_MAX = 4

CONFIDENT = 0.5
PRINTS_MAX = 30
ISLAND_PART_MIN, ROUND_ISLAND = 0.015, 0.12

WHOLE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]


@dataclass(frozen=True, slots=True)
class Outline:
    """The corners of a print.

    `quad` is in parts of width and height as seen upright, clockwise from the upper left;
    `confidence` (0 to 1) says how likely it is that the corners fit.
    """

    quad: list[tuple[float, float]]
    confidence: float


def find_outline(pixels: NDArray[np.uint8]) -> Outline:
    """The print in a picture, height x width x 3 sRGB; the whole frame when unsure."""
    height, width = pixels.shape[:2]
    if min(height, width) < SIDE_MIN or max(height, width) > ASPECT_MAX * min(height, width):
        return Outline(WHOLE, 0.0)
    scale = min(1.0, WORK_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    lab = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), np.uint8)
    found = outline_lines.edges(lab)
    candidates = outline_quads.quads(found, outline_lines.lines(found))
    if not len(candidates.corners):
        return Outline(WHOLE, 0.0)
    scores = outline_quads.scores(candidates)
    best = int(np.argmax(scores))
    corners = candidates.corners[best]
    return Outline(_named(corners, size), float(np.clip(scores[best] / 4, 0, 1)))


def find_prints(pixels: NDArray[np.uint8]) -> list[Outline]:
    """Several prints in one picture, in reading order; none when there is not more than one."""
    prints = [
        outline
        for left, top, right, bottom in _islands(pixels)
        if (outline := _within(pixels, left, top, right, bottom)).confidence >= CONFIDENT
    ]
    return _in_reading_order(prints) if len(prints) > 1 else []


def _islands(pixels: NDArray[np.uint8]) -> list[tuple[int, int, int, int]]:
    """Boxes around what differs from the colour along the frame: left, top, right, bottom."""
    height, width = pixels.shape[:2]
    scale = min(1.0, WORK_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    lab = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), (0, 0), 1.5)
    frame = np.concatenate(
        (
            lab[:4].reshape(-1, 3),
            lab[-4:].reshape(-1, 3),
            lab[:, :4].reshape(-1, 3),
            lab[:, -4:].reshape(-1, 3),
        )
    )
    away = np.abs(lab.astype(np.float32) - np.median(frame, axis=0)).max(axis=2)
    _, mask = cv2.threshold(np.minimum(away, 255).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(mask)
    found = []
    for left, top, wide, tall, area in boxes[1 : 1 + PRINTS_MAX * 2]:
        if area > ISLAND_PART_MIN * size[0] * size[1]:
            edge = ROUND_ISLAND * max(wide, tall)
            low = np.maximum((left - edge, top - edge), 0) / scale
            high = np.minimum((left + wide + edge, top + tall + edge), size) / scale
            found.append((int(low[0]), int(low[1]), int(high[0]), int(high[1])))
    return found


def _within(pixels: NDArray[np.uint8], left: int, top: int, right: int, bottom: int) -> Outline:
    """The print in a piece of the picture."""
    height, width = pixels.shape[:2]
    outline = find_outline(pixels[top:bottom, left:right])
    quad = [
        ((left + x * (right - left)) / width, (top + y * (bottom - top)) / height)
        for x, y in outline.quad
    ]
    return Outline(quad, outline.confidence)


def _in_reading_order(prints: list[Outline]) -> list[Outline]:
    """Row by row: a print belongs to the row whose first print's middle it spans."""
    middles = {id(p): np.mean(p.quad, axis=0) for p in prints}
    waiting = sorted(prints, key=lambda p: float(middles[id(p)][1]))
    ordered: list[Outline] = []
    while waiting:
        bottom = max(y for _, y in waiting[0].quad)
        row = [p for p in waiting if middles[id(p)][1] < bottom]
        ordered += sorted(row, key=lambda p: float(middles[id(p)][0]))
        waiting = [p for p in waiting if p not in row]
    return ordered


def _named(corners: NDArray[np.float32], size: tuple[int, int]) -> list[tuple[float, float]]:
    """Corners of the work's pixels as parts of the picture, clockwise from the upper left."""
    parts = np.clip((corners + 0.5) / size, 0, 1)
    around = parts - parts.mean(axis=0)
    order = np.argsort(np.arctan2(around[:, 1], around[:, 0]))
    parts = parts[order]
    parts = np.roll(parts, -int(np.argmin(parts.sum(axis=1))), axis=0)
    return [(float(x), float(y)) for x, y in parts]
