"""What of a picture is table and what is not, roughly: GrabCut, told that the frame is table."""

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE, SIDE_OF_ISLANDS = 112, 240
FRAME_PART = 20
"""The outer twentieth on every side is taken for table."""

ROUNDS, SEED, SIDES = 2, 1, 4
AREA_PART_MIN = 0.03
TOLERANCES = (0.02, 0.04, 0.07, 0.1)
"""How far a contour may be from four straight sides, in parts of its length."""

ISLANDS_MAX, ISLAND_PART_MIN, ISLAND_SIDE_MIN, AROUND_ISLAND = 24, 0.008, 0.25, 0.1
RIM = 5
"""Pixels around a known print that belong to it, as its shadow does."""

WAYS = ((-1, 0), (1, 0), (0, -1), (0, 1))
NEXT_PRINT, HALF_OF_NEXT, FREE_MIN = 1.2, 0.75, 0.6
"""How far off the next print is looked for, half the side of the box (both in the known print's
size), and how much of the box is in the picture and free of known prints at least."""

BRIDGES, SAME_BOX = (3, 13), 0.02
"""What joins two prints, as glare does, is at most so wide; boxes so near are the same."""

PAGE_LIMITS, PAGE_SPREAD = (24, 16, 12, 10), 3.5
"""Levels of Lab, or times the median, by which something may differ from the page in each round."""

Mask = NDArray[np.uint8]
Corners = NDArray[np.float32]
Quad = list[tuple[float, float]]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom in parts of the picture."""


def foreground(lab: Mask, side: int = SIDE, frame_part: int = FRAME_PART) -> Mask:
    """A mask, 0 or 1, that is `side` pixels long."""
    height, width = lab.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.GaussianBlur(cv2.resize(lab, size, interpolation=cv2.INTER_AREA), (0, 0), 0.8)
    mask = np.full(small.shape[:2], cv2.GC_BGD, np.uint8)
    edge = max(2, min(size) // frame_part)
    mask[edge:-edge, edge:-edge] = cv2.GC_PR_FGD
    # Its clusters start from OpenCV's own chance, which belongs to the thread.
    cv2.setRNGSeed(SEED)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(small, mask, (0, 0, 0, 0), *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.asarray((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD), np.uint8)


def shapes(mask: Mask) -> list[Corners]:
    """Rough quadrilaterals around the largest parts of a mask, in its pixels."""
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    tidy = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
    return [shape for version in (mask, tidy) for shape in _around_largest(np.asarray(version))]


def _around_largest(mask: Mask) -> list[Corners]:
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found: list[Corners] = []
    for contour in sorted(contours, key=cv2.contourArea)[-2:]:
        if cv2.contourArea(contour) < AREA_PART_MIN * mask.size:
            continue
        hull = cv2.convexHull(contour)
        found.append(np.asarray(cv2.boxPoints(cv2.minAreaRect(hull)), np.float32))
        for tolerance in TOLERANCES:
            corners = cv2.approxPolyDP(hull, tolerance * cv2.arcLength(hull, True), True)
            if len(corners) == SIDES:
                found.append(corners.reshape(4, 2).astype(np.float32))
                break
    return found


def standing_out(small: Mask) -> list[Mask]:
    """What may be prints on a page, seen in two ways: masks, 0 or 1."""
    lab = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), np.uint8)
    return [foreground(lab, SIDE_OF_ISLANDS, 2 * FRAME_PART), _off_the_page(lab)]


def islands(masks: list[Mask], known: list[Quad]) -> list[Box]:
    """Boxes around what may be a print each and is not known yet."""
    boxes: list[Box] = []
    for mask in masks:
        rest = _without(mask, known)
        for bridge in BRIDGES:
            apart = cv2.morphologyEx(rest, cv2.MORPH_OPEN, np.ones((bridge, bridge), np.uint8))
            for box in _boxes(np.asarray(apart, np.uint8)):
                if all(np.abs(np.subtract(box, other)).max() > SAME_BOX for other in boxes):
                    boxes.append(box)
    return boxes[:ISLANDS_MAX]


def beside(known: list[Quad], size: tuple[int, int]) -> list[Box]:
    """Boxes beside known prints, about as large, where there is room for another.

    On a busy table the table and the prints are one island, or none.
    """
    free = _without(np.ones(size, np.uint8), known)
    boxes: list[Box] = []
    for quad in known:
        low, high = np.min(quad, axis=0), np.max(quad, axis=0)
        for way in WAYS:
            middle = (low + high) / 2 + np.array(way) * (high - low) * NEXT_PRINT
            half = (high - low) * HALF_OF_NEXT
            left, top = np.clip(middle - half, 0, 1).tolist()
            right, bottom = np.clip(middle + half, 0, 1).tolist()
            box = (left, top, right, bottom)
            is_new = not any(_is_amid(middle, other) for other in boxes)
            if is_new and _part_set(free, box) * _area(box) > FREE_MIN * 4 * half.prod():
                boxes.append(box)
    return boxes


def _is_amid(place: NDArray[np.float64], box: Box) -> bool:
    """Whether a place is in the middle third of a box, both ways."""
    low, high = np.array(box[:2]), np.array(box[2:])
    return bool((np.abs(place - (low + high) / 2) < (high - low) / 6).all())


def _part_set(mask: Mask, box: Box) -> float:
    """How much of a box is set in a mask."""
    height, width = mask.shape
    left, top, right, bottom = np.rint(np.array(box) * (width, height, width, height)).astype(int)
    piece = mask[top:bottom, left:right]
    return float(piece.mean()) if piece.size else 0.0


def _area(box: Box) -> float:
    left, top, right, bottom = box
    return max(right - left, 0.0) * max(bottom - top, 0.0)


def _without(mask: Mask, known: list[Quad]) -> Mask:
    """A mask from which known prints, and the rim around them, are taken away."""
    height, width = mask.shape
    rest = mask.copy()
    for quad in known:
        corners = np.rint(np.array(quad) * (width, height)).astype(np.int32)
        cv2.fillConvexPoly(rest, corners, 0)
        cv2.polylines(rest, [corners], isClosed=True, color=0, thickness=RIM)
    return rest


def _boxes(mask: Mask) -> list[Box]:
    height, width = mask.shape
    boxes: list[Box] = []
    _, _, found, _ = cv2.connectedComponentsWithStats(mask)
    for left, top, wide, tall, area in found[1:]:
        thin = min(wide, tall) < ISLAND_SIDE_MIN * max(wide, tall)
        if not thin and area > ISLAND_PART_MIN * mask.size:
            edge = AROUND_ISLAND * max(wide, tall)
            low = max(left - edge, 0) / width, max(top - edge, 0) / height
            high = min((left + wide + edge) / width, 1.0), min((top + tall + edge) / height, 1.0)
            boxes.append((*low, *high))
    return boxes


def _off_the_page(lab: Mask) -> Mask:
    """What stands out of a page whose colour changes smoothly, as light falls: 0 or 1.

    A parabolic surface is fitted to each channel, at first along the frame, then to all that fits.
    """
    scale = SIDE_OF_ISLANDS / max(lab.shape[:2])
    small = cv2.resize(lab, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 1.0)
    height, width = small.shape[:2]
    colours = small.reshape(-1, 3).astype(np.float32)
    ys, xs = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].reshape(2, -1).astype(np.float32)
    terms = np.stack((np.ones_like(xs), xs, ys, xs * ys, xs * xs, ys * ys), axis=1)
    page = np.maximum(np.abs(xs), np.abs(ys)) > 1 - 2 / FRAME_PART
    for limit in PAGE_LIMITS:
        surface, *_ = np.linalg.lstsq(terms[page], colours[page], rcond=None)
        away = np.abs(colours - terms @ surface).max(axis=1)
        page = away < max(limit, PAGE_SPREAD * float(np.median(away[page])))
    return np.asarray(~page, np.uint8).reshape(height, width)
