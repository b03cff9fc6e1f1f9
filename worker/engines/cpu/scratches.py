"""Scratches, cracks and dust: found by classical means, and therefore found with caution.

A thin bright line may be a crack or an eyelid. What tells them apart here is everything a lip,
a brow or a hair is not: brighter than all around, the same surface on both sides, long, thin and
alone. Whatever fails one of these stays in the picture: a scratch that stays is a pity, a face that
goes is a disaster. Inside a face only what crosses a good part of it counts.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from worker.engines.cpu.faces import Face

REFERENCE_SIDE = 700  # lengths below are in pixels of a picture with this longer side
MASK_SHARE_MAX = 0.06  # more than this is texture, not damage

FACE_MARGIN = 0.3  # of the face's width, on every side: hair and chin belong to it
FACE_CROSSING = 0.6  # of the face's width: what is longer is no feature of a face

HEAT = 3.2  # how many times its surroundings' unrest a strand must rise
CROWD_SHARE = 0.12  # of a neighbourhood: hair, grass and lace have many strands, a crack few
SURFACE_STEP = 0.55  # of the strand's lift: how far its two sides may differ


@dataclass(frozen=True, slots=True)
class Sort:
    """What one sort of strand must show to be taken for damage."""

    bright: bool
    lift: float  # grey levels above (below) its surroundings
    length: float
    thickness: float
    straight: float  # distance between its ends over its length


STRANDS = (
    Sort(bright=True, lift=18, length=24, thickness=6, straight=0.0),
    Sort(bright=False, lift=24, length=110, thickness=3, straight=0.9),
)
SPECK_LIFT = 34
SPECK_AREA = 40
SPECK_UNREST = 7  # grey levels: around a speck the picture must be calm


def find_scratches(grey: MatLike, faces: list[Face]) -> NDArray[np.uint8]:
    """Mask (255 where damaged) of an 8-bit grey picture."""
    scale = max(1.0, max(grey.shape[:2]) / REFERENCE_SIDE)
    mask = np.zeros(grey.shape[:2], np.uint8)
    guard = _guard(grey, faces)
    for sort in STRANDS:
        lift = _lift(grey, sort.bright, scale)
        mask |= _strands(lift, grey, sort, guard, scale)
        mask |= _specks(lift, grey, guard, scale)
    if np.count_nonzero(mask) > MASK_SHARE_MAX * mask.size:
        return np.zeros_like(mask)
    return _grown(mask, scale)


def _lift(grey: MatLike, bright: bool, scale: float) -> NDArray[np.float32]:
    """How far each pixel stands above (or below) whatever is wider than a scratch."""
    width = 2 * round(5 * scale) + 1
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    smooth = cv2.GaussianBlur(grey, (0, 0), 0.6 * scale)
    operation = cv2.MORPH_TOPHAT if bright else cv2.MORPH_BLACKHAT
    return cv2.morphologyEx(smooth, operation, element).astype(np.float32)


def _strands(
    lift: NDArray[np.float32], grey: MatLike, sort: Sort, guard: MatLike, scale: float
) -> NDArray[np.uint8]:
    unrest = cv2.GaussianBlur(np.minimum(lift, 40.0), (0, 0), 14 * scale)
    strong = (lift > sort.lift) & (lift > HEAT * unrest)
    weak = ((lift > 0.5 * sort.lift) & (lift > 0.6 * HEAT * unrest)).astype(np.uint8)
    crowd = cv2.blur(weak.astype(np.float32), (2 * round(18 * scale) + 1,) * 2)
    weak[crowd > CROWD_SHARE] = 0

    count, labels, stats, _ = cv2.connectedComponentsWithStats(weak, connectivity=8)
    seeds = np.bincount(labels[strong & (weak > 0)], minlength=count)
    kept = np.zeros(count, bool)
    for label in range(1, count):
        if stats[label, cv2.CC_STAT_AREA] < sort.length * scale:
            continue
        if seeds[label] < 0.35 * stats[label, cv2.CC_STAT_AREA]:
            continue
        kept[label] = _is_strand(labels, stats[label], label, lift, grey, sort, guard, scale)
    return (kept[labels] * 255).astype(np.uint8)


def _is_strand(labels, stat, label, lift, grey, sort, guard, scale) -> bool:
    left, top, width, height, area = (int(value) for value in stat)
    window = np.s_[top : top + height, left : left + width]
    shape = (labels[window] == label).astype(np.uint8)
    padded = cv2.copyMakeBorder(shape, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    halfwidth = cv2.distanceTransform(padded, cv2.DIST_L2, 3)
    thickness = 2 * float(halfwidth.max())
    length = area / max(1.0, 0.6 * thickness)
    span = float(np.hypot(width, height))
    if thickness > sort.thickness * scale or max(length, span) < sort.length * scale:
        return False
    if span < sort.straight * length or length < 4 * thickness:
        return False
    needed = guard[window][shape > 0].max()
    if span < needed:
        return False
    return _same_surface(shape, grey, (top, left), sort, float(lift[window][shape > 0].mean()), scale)


def _same_surface(shape, grey, corner, sort, rise, scale) -> bool:
    """A crack lies on a surface; the rim of a collar lies between two."""
    reach = round(5 * scale)
    top, left = max(0, corner[0] - reach), max(0, corner[1] - reach)
    around = grey[top : corner[0] + shape.shape[0] + reach, left : corner[1] + shape.shape[1] + reach]
    placed = np.zeros(around.shape[:2], np.uint8)
    y, x = corner[0] - top, corner[1] - left
    placed[y : y + shape.shape[0], x : x + shape.shape[1]] = shape
    near = cv2.dilate(placed, np.ones((3, 3), np.uint8), iterations=max(1, round(1.5 * scale)))
    ring = (cv2.dilate(near, np.ones((3, 3), np.uint8), iterations=max(2, round(2.5 * scale))) > 0) & (near == 0)
    if np.count_nonzero(ring) < 8:
        return False
    # Split the ring by the side of the strand it lies on, locally: compare each ring pixel with
    # the mean of the ring around it.
    values = around.astype(np.float32)
    weight = cv2.blur(ring.astype(np.float32), (4 * reach + 1,) * 2)
    mean = cv2.blur(values * ring, (4 * reach + 1,) * 2) / np.maximum(weight, 1e-3)
    spread = float(np.abs(values - mean)[ring].mean())
    return spread < SURFACE_STEP * rise


def _specks(lift: NDArray[np.float32], grey: MatLike, guard: MatLike, scale: float) -> NDArray[np.uint8]:
    calm = cv2.GaussianBlur(np.minimum(lift, 40.0), (0, 0), 10 * scale)
    spots = ((lift > 0.6 * SPECK_LIFT) & (lift > 5 * calm)).astype(np.uint8)
    count, labels, stats, centres = cv2.connectedComponentsWithStats(spots, connectivity=8)
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0 * scale).astype(np.float32)
    kept = np.zeros(count, bool)
    for label in range(1, count):
        left, top, width, height, area = (int(value) for value in stats[label])
        if not 3 <= area <= SPECK_AREA * scale**2 or max(width, height) > 2.5 * min(width, height) + 2:
            continue
        window = np.s_[top : top + height, left : left + width]
        if guard[window].max() > 0 or lift[window].max() < SPECK_LIFT:
            continue
        reach = round(6 * scale)
        area_around = np.s_[max(0, top - reach) : top + height + reach, max(0, left - reach) : left + width + reach]
        outside = smooth[area_around][cv2.dilate(spots[area_around], np.ones((5, 5), np.uint8)) == 0]
        kept[label] = outside.size > 20 and float(outside.std()) < SPECK_UNREST
    return (kept[labels] * 255).astype(np.uint8)


def _guard(grey: MatLike, faces: list[Face]) -> NDArray[np.float32]:
    """For every pixel, how long damage must be to be believed there."""
    guard = np.zeros(grey.shape[:2], np.float32)
    for face in faces:
        left, top, width, height = face.box
        margin = round(FACE_MARGIN * width)
        area = guard[max(0, top - margin) : top + height + margin, max(0, left - margin) : left + width + margin]
        np.maximum(area, FACE_CROSSING * width, out=area)
    return guard


def _grown(mask: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    side = 2 * max(1, round(1.6 * scale)) + 1
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.dilate(mask, element).astype(np.uint8)
