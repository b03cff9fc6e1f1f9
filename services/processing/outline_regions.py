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
BRIDGES, SAME_BOX = (3, 13), 0.02
"""What joins two prints, as glare does, is at most so wide; boxes so near are the same."""

PAGE_LIMITS, PAGE_SPREAD = (24, 16, 12, 10), 3.5
"""Levels of Lab, or times the median, by which something may differ from the page in each round."""

Mask = NDArray[np.uint8]
Corners = NDArray[np.float32]


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


def islands(small: Mask) -> list[tuple[float, float, float, float]]:
    """Boxes around what may be a print each: left, top, right, bottom in parts of the picture."""
    lab = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), np.uint8)
    boxes: list[tuple[float, float, float, float]] = []
    for mask in (foreground(lab, SIDE_OF_ISLANDS, 2 * FRAME_PART), _off_the_page(lab)):
        for bridge in BRIDGES:
            apart = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((bridge, bridge), np.uint8))
            for box in _boxes(np.asarray(apart, np.uint8)):
                if all(np.abs(np.subtract(box, other)).max() > SAME_BOX for other in boxes):
                    boxes.append(box)
    return boxes[:ISLANDS_MAX]


def _boxes(mask: Mask) -> list[tuple[float, float, float, float]]:
    height, width = mask.shape
    boxes = []
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
