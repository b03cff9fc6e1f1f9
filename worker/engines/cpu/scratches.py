"""Scratches, cracks and dust: found by classical means, and therefore found with caution.

A thin bright line may be a crack or an eyelid. What tells them apart is everything a lip, a brow or
a hair is not: it lacks the print's own toning, or else it is brighter than all around, the same
surface on both sides, long, thin and alone. Whatever fails stays in the picture: a scratch that
stays is a pity, a face that goes is a disaster. Inside a face only what crosses it counts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from worker.engines.cpu.colours import to_grey
from worker.engines.cpu.faces import Face
from worker.engines.cpu.toning import Toning, strangeness

Area = NDArray[np.bool_]

REFERENCE_SIDE = 700  # lengths below are in pixels of a picture with this longer side
MASK_SHARE_MAX = 0.15  # more than this is texture, not damage
STRANDS_MAX = 4_000  # of those looked at one by one; more is texture too

# What is longer than this share of the face's width is no feature of a face.
FACE_CROSSING = 0.6
BARE_CROSSING = 0.4  # for strands that lack the toning: surer, so a shorter one is believed
FACE_MARGIN = 0.3  # on every side: for bright strands hair and chin belong to the face

# Strands that lack the print's toning.
BARE_LIFT = 9  # grey levels above whatever is wider
BARE_STRANGE = 7.0  # Lab units
BARE_UNREST = 5.0  # times the picture's usual strangeness
BARE_SEEDS = 0.2  # share of a strand that must be strong
BARE_LENGTH = 12
BARE_THICKNESS = 14

# Strands that are only bright.
LIFT = 20
UNREST = 3.2  # how many times its surroundings' unrest a strand must rise
CROWD_SHARE = 0.12  # of a neighbourhood: hair, grass and lace have many strands, a crack few
SEEDS = 0.35
LENGTH = 24
THICKNESS = 5
SURFACE_STEP = 0.45  # of the strand's rise: how far its surroundings may differ

SPECK_LIFT = 34
SPECK_AREA_LEAST, SPECK_AREA = 3, 40
SPECK_UNREST = 7  # grey levels: around a speck the picture must be calm
SPECK_ALONE = 5  # times the lift usual around it


@dataclass(frozen=True, slots=True)
class Strand:
    """One connected candidate, cut out of the picture."""

    top: int
    left: int
    shape: NDArray[np.uint8]

    @property
    def window(self) -> tuple[slice, slice]:
        height, width = self.shape.shape
        return np.s_[self.top : self.top + height, self.left : self.left + width]

    @property
    def span(self) -> float:
        return float(np.hypot(*self.shape.shape))

    @property
    def thickness(self) -> float:
        """The mean distance to the rim of a strip is a quarter of its thickness."""
        padded = cv2.copyMakeBorder(self.shape, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
        depth = cv2.distanceTransform(padded, cv2.DIST_L2, 3)
        return max(1.0, 4 * float(depth[padded > 0].mean()) - 1)

    @property
    def length(self) -> float:
        return max(self.span, float(np.count_nonzero(self.shape)) / self.thickness)

    def of(self, values: MatLike) -> MatLike:
        return values[self.window][self.shape > 0]


def find_scratches(picture: MatLike, toning: Toning, faces: list[Face]) -> NDArray[np.uint8]:
    """Mask (255 where damaged) of a BGR picture."""
    scale = max(1.0, max(picture.shape[:2]) / REFERENCE_SIDE)
    grey = to_grey(picture)
    guard = _guard(grey, faces, margin=FACE_MARGIN, crossing=FACE_CROSSING)
    bright, dark = (_lift(grey, operation, scale) for operation in (_TOP_HAT, _BLACK_HAT))

    mask = _specks(bright, grey, guard, scale) | _specks(dark, grey, guard, scale)
    mask |= _bright_strands(bright, grey, guard, scale)
    if toning.monochrome:
        guard = _guard(grey, faces, margin=0, crossing=BARE_CROSSING)
        mask |= _bare_strands(bright, strangeness(picture, toning, scale), guard, scale)
    if np.count_nonzero(mask) > MASK_SHARE_MAX * mask.size:
        return np.zeros_like(mask)
    return cv2.dilate(mask, _disc(1.6 * scale)).astype(np.uint8)


_TOP_HAT, _BLACK_HAT = cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT


def _lift(grey: MatLike, operation: int, scale: float) -> NDArray[np.float32]:
    """How far each pixel stands above (or below) whatever is wider than a scratch."""
    smooth = cv2.GaussianBlur(grey, (0, 0), 0.6 * scale)
    return cv2.morphologyEx(smooth, operation, _disc(7 * scale)).astype(np.float32)


def _bare_strands(
    lift: NDArray[np.float32], strange: NDArray[np.float32], guard: MatLike, scale: float
) -> NDArray[np.uint8]:
    least = max(BARE_STRANGE, BARE_UNREST * float(np.median(strange)))
    strong = (lift > BARE_LIFT) & (strange > least)
    weak = (lift > 0.5 * BARE_LIFT) & (strange > 0.6 * least)

    def damaged(strand: Strand) -> bool:
        return (
            strand.length >= max(BARE_LENGTH * scale, float(strand.of(guard).max()))
            and strand.thickness <= BARE_THICKNESS * scale
        )

    return _kept(
        weak,
        strong,
        seed_share=BARE_SEEDS,
        area_least=BARE_LENGTH * scale,
        damaged=damaged,
    )


def _bright_strands(
    lift: NDArray[np.float32], grey: MatLike, guard: MatLike, scale: float
) -> NDArray[np.uint8]:
    unrest = cv2.GaussianBlur(lift, (0, 0), 14 * scale)
    strong = (lift > LIFT) & (lift > UNREST * unrest)
    weak = (lift > 0.5 * LIFT) & (lift > 0.6 * UNREST * unrest)
    crowd = cv2.blur(weak.astype(np.float32), (2 * round(18 * scale) + 1,) * 2)
    weak &= crowd < CROWD_SHARE

    def damaged(strand: Strand) -> bool:
        return (
            strand.length >= max(LENGTH * scale, 4 * strand.thickness)
            and strand.span >= float(strand.of(guard).max())
            and strand.thickness <= THICKNESS * scale
            and _on_one_surface(strand, grey, float(strand.of(lift).mean()), scale)
        )

    return _kept(weak, strong, seed_share=SEEDS, area_least=LENGTH * scale, damaged=damaged)


def _kept(
    weak: Area,
    strong: Area,
    *,
    seed_share: float,
    area_least: float,
    damaged: Callable[[Strand], bool],
) -> NDArray[np.uint8]:
    """Hysteresis: the weak areas with enough strong pixels that are `damaged`."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(weak.astype(np.uint8))
    seeds = np.bincount(labels[strong & weak], minlength=count)
    areas = stats[:, cv2.CC_STAT_AREA]
    candidates = np.flatnonzero((areas >= area_least) & (seeds >= seed_share * areas))
    kept = np.zeros(count, bool)
    for label in candidates[candidates > 0][:STRANDS_MAX]:
        left, top, width, height, _ = (int(value) for value in stats[label])
        cut = labels[top : top + height, left : left + width] == label
        kept[label] = damaged(Strand(top, left, cut.astype(np.uint8)))
    return np.asarray(kept[labels] * 255, np.uint8)


def _on_one_surface(strand: Strand, grey: MatLike, rise: float, scale: float) -> bool:
    """A crack lies on a surface; the rim of a collar lies between two."""
    reach = round(5 * scale)
    shape = cv2.copyMakeBorder(strand.shape, *(reach,) * 4, cv2.BORDER_CONSTANT)
    around = cv2.copyMakeBorder(grey, *(reach,) * 4, cv2.BORDER_REPLICATE).astype(np.float32)
    height, width = shape.shape
    around = around[strand.top : strand.top + height, strand.left : strand.left + width]

    near = cv2.dilate(shape, _disc(1.5 * scale))
    ring = (cv2.dilate(near, _disc(2.5 * scale)) - near).astype(np.float32)
    window = (4 * reach + 1,) * 2
    mean = cv2.blur(around * ring, window) / np.maximum(cv2.blur(ring, window), 1e-3)
    return float(np.abs(around - mean)[ring > 0].mean()) < SURFACE_STEP * rise


def _specks(
    lift: NDArray[np.float32], grey: MatLike, guard: MatLike, scale: float
) -> NDArray[np.uint8]:
    usual = cv2.GaussianBlur(np.minimum(lift, SPECK_LIFT), (0, 0), 10 * scale)
    spots = ((lift > 0.6 * SPECK_LIFT) & (lift > SPECK_ALONE * usual)).astype(np.uint8)
    smooth = cv2.GaussianBlur(grey, (0, 0), scale).astype(np.float32)
    outside = cv2.dilate(spots, _disc(2)) == 0

    count, labels, stats, _ = cv2.connectedComponentsWithStats(spots)
    small = (stats[:, cv2.CC_STAT_AREA] >= SPECK_AREA_LEAST) & (
        stats[:, cv2.CC_STAT_AREA] <= SPECK_AREA * scale**2
    )
    kept = np.zeros(count, bool)
    reach = round(6 * scale)
    for label in np.flatnonzero(small)[:STRANDS_MAX]:
        left, top, width, height, _ = (int(value) for value in stats[label])
        window = np.s_[top : top + height, left : left + width]
        round_enough = max(width, height) <= 2.5 * min(width, height) + 2
        if not round_enough or guard[window].max() > 0 or lift[window].max() < SPECK_LIFT:
            continue
        around = np.s_[
            max(0, top - reach) : top + height + reach, max(0, left - reach) : left + width + reach
        ]
        calm = smooth[around][outside[around]]
        kept[label] = calm.size > 0 and float(calm.std()) < SPECK_UNREST
    return np.asarray(kept[labels] * 255, np.uint8)


def _guard(
    grey: MatLike, faces: list[Face], *, margin: float, crossing: float
) -> NDArray[np.float32]:
    """For every pixel, how long damage must be to be believed there."""
    guard = np.zeros(grey.shape[:2], np.float32)
    for face in faces:
        left, top, width, height = face.box
        extra = round(margin * width)
        area = guard[
            max(0, top - extra) : top + height + extra,
            max(0, left - extra) : left + width + extra,
        ]
        np.maximum(area, crossing * width, out=area)
    return guard


def _disc(radius: float) -> MatLike:
    side = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
