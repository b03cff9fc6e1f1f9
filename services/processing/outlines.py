"""Where the prints lie in a phone's snapshot.

Lines are found, quadrilaterals are made of them, and the one for which most speaks is refined on
the picture itself. When nothing is convincing, the answer is the whole frame, with low confidence.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from services.processing import geometry, outline_refining, outline_regions, outline_search
from services.processing.outline_regions import Box

PROXY_PIXELS = 1_000_000
WORK_SIDE = 480
SIDE_MIN = 64
"""In a smaller picture, or one whose shape is extreme, no print is looked for."""

ASPECT_MAX = 4

CONFIDENT = 0.6
"""Below this nothing is proposed, nor looked at more closely."""

NARROW, MARGIN_MAX, ASKEW_MAX = 0.1, 0.25, 0.02
"""How wide a border of scanned paper is, in parts of the frame, and how oblique unless narrow."""

PALE, UNEVEN = 100, 70
"""Levels of 255: what paper is at least, and how much it varies at most."""

LOOKS = 4
"""How often it is looked for more prints, each time without those that are known."""

SEVERAL_CUT = 0.92
"""As for cutting a print out of a page: half a print is worse than one more to be marked."""

AROUND = 0.12
"""How much more is seen of a print's surroundings in a closer look, in parts of its longer side."""

SAME_PRINT = 0.5
"""What a closer look shows is that print, if it has more in common with it than this."""

COMMON_MAX = 0.2
"""Of the smaller of two prints; more, and they are not two."""

INSIDE, SEVERAL = 0.85, 0.6
"""Two prints that lie so far in a third, and fill so much of it, are what that really is."""

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
    if is_extreme(pixels):
        return Outline(WHOLE, 0.0)
    return _outline(proxy(pixels), is_whole=True)


def find_prints(pixels: NDArray[np.uint8]) -> list[Outline]:
    """Several prints in one picture, in reading order; none when there is not more than one."""
    if is_extreme(pixels):
        return []
    seen = proxy(pixels)
    masks = outline_regions.standing_out(worked(seen))
    prints: list[Outline] = []
    looked_at: list[Box] = []
    for _ in range(LOOKS):
        known = [outline.quad for outline in prints]
        boxes = outline_regions.islands(masks, known)
        boxes += outline_regions.beside(known, masks[0].shape)
        boxes = [box for box in boxes if box not in looked_at]
        looked_at += boxes
        sure = [found for box in boxes if (found := _within(seen, box)).confidence >= CONFIDENT]
        apart = _apart(prints + sure)
        new = [_looked_at_closely(seen, outline) for outline in apart if outline not in prints]
        sure = [outline for outline in new if outline.confidence >= SEVERAL_CUT]
        prints = _apart([outline for outline in apart if outline in prints] + sure)
        if len(prints) == len(known):
            break
    return _in_reading_order(prints) if len(prints) > 1 else []


def is_extreme(pixels: NDArray[np.uint8]) -> bool:
    """Whether a picture is too small or too narrow for a print to be looked for."""
    short, long = min(pixels.shape[:2]), max(pixels.shape[:2])
    return bool(short < SIDE_MIN or long > ASPECT_MAX * short)


def proxy(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is looked at: as much of a picture as corners are found in."""
    scale = (PROXY_PIXELS / (pixels.shape[0] * pixels.shape[1])) ** 0.5
    return _scaled(pixels, scale) if scale < 1 else pixels


def _scaled(pixels: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)


def worked(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """At the size for which lengths in pixels are meant, and which the judge has learnt."""
    return _scaled(pixels, WORK_SIDE / max(pixels.shape[:2]))


def _outline(seen: NDArray[np.uint8], *, is_whole: bool) -> Outline:
    small = worked(seen)
    corners, confidence = outline_search.best(small)
    if confidence < CONFIDENT or (is_whole and _is_on_its_paper(small, corners)):
        return Outline(WHOLE, min(confidence, CONFIDENT))
    larger = seen.shape[1] / small.shape[1], seen.shape[0] / small.shape[0]
    corners = ((corners + 0.5) * larger - 0.5).astype(np.float32)
    corners = outline_refining.refined(seen, corners)
    return Outline(_named(corners, (seen.shape[1], seen.shape[0])), confidence)


def _is_on_its_paper(small: NDArray[np.uint8], corners: NDArray[np.float32]) -> bool:
    """Whether this is the picture on a scanned print, whose pale border reaches the frame."""
    height, width = small.shape[:2]
    parts = np.array(_named(corners, (width, height)))
    margins = np.abs(parts - WHOLE)
    askew = np.abs(margins - np.roll(margins, -1, axis=0))[(0, 1, 2, 3), (1, 0, 1, 0)].max()
    narrow = margins.max() <= NARROW
    if not narrow and (margins.max() > MARGIN_MAX or askew > ASKEW_MAX):
        return False
    within = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(within, np.rint(corners).astype(np.int32), 1)
    around = small[cv2.dilate(within, np.ones((7, 7), np.uint8)) == 0].min(axis=1)
    if not len(around):
        return False
    low, middle, high = np.percentile(around, (10, 50, 90))
    return bool(middle >= PALE and high - low <= UNEVEN)


def _looked_at_closely(seen: NDArray[np.uint8], outline: Outline) -> Outline:
    """The print as it is seen when all of it, and little else, is in view."""
    again = _within(seen, around(np.array(outline.quad), seen.shape[1], seen.shape[0]))
    is_surer = again.confidence > outline.confidence and _common(again, outline) > SAME_PRINT
    return again if is_surer else outline


def around(quad: NDArray[np.float64], width: int, height: int) -> Box:
    """What a closer look at a print sees of a picture of that size."""
    low, high = quad.min(axis=0), quad.max(axis=0)
    sides = np.array((width, height))
    margin = AROUND * ((high - low) * sides).max() / sides
    left, top = np.maximum(low - margin, 0).tolist()
    right, bottom = np.minimum(high + margin, 1).tolist()
    return left, top, right, bottom


def _apart(outlines: list[Outline]) -> list[Outline]:
    """Without those that lie over one of which we are surer, or around several."""
    kept: list[Outline] = []
    for outline in sorted(outlines, key=lambda outline: -outline.confidence):
        if all(_common(outline, other) < COMMON_MAX for other in kept) and not _is_several(
            outline, outlines
        ):
            kept.append(outline)
    return kept


def _is_several(outline: Outline, outlines: list[Outline]) -> bool:
    """Whether prints that lie side by side were taken for one."""
    parts: list[Outline] = []
    for other in sorted(outlines, key=lambda other: -other.confidence):
        is_inside = _size(other) < INSIDE * _size(outline) and _common(other, outline) > INSIDE
        if is_inside and all(_common(other, part) < COMMON_MAX for part in parts):
            parts.append(other)
    return len(parts) > 1 and sum(map(_size, parts)) > SEVERAL * _size(outline)


def _size(outline: Outline) -> float:
    return abs(geometry.area(np.array(outline.quad)))


def _common(one: Outline, other: Outline) -> float:
    """What two prints have in common, in parts of the smaller one."""
    common = geometry.common_area(np.array(one.quad), np.array(other.quad))
    return common / max(min(_size(one), _size(other)), 1e-9)


def _within(seen: NDArray[np.uint8], box: tuple[float, float, float, float]) -> Outline:
    """The print in a piece of the picture."""
    height, width = seen.shape[:2]
    left, top, right, bottom = (
        round(part * side) for part, side in zip(box, (width, height) * 2, strict=True)
    )
    piece = np.ascontiguousarray(seen[top:bottom, left:right])
    if is_extreme(piece):
        return Outline(WHOLE, 0.0)
    outline = _outline(piece, is_whole=False)
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
