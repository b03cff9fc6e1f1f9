"""Age a clean photo as decades in a drawer would: for the demo, and to measure restoration.

The same seed always ages the same way: sepia toning, softness and grain, uneven fading with a
yellow cast, a stain, then scratches, cracks and dust down to the bare paper. One may choose.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Plane = NDArray[np.float32]
Dice = np.random.Generator

PAPER = (215.0, 232.0, 238.0)  # BGR of bare paper: nearly white, and without the print's toning
CRACKS, SCRATCHES, SPECKS = 3, 6, 18
STEP_SHARE = 1 / 40  # of a strand's length


@dataclass(frozen=True, slots=True)
class Strand:
    """How a scratch or a crack wanders over the print; lengths in shares of the longer side."""

    shortest: float
    longest: float
    bend: float
    thinnest: float
    thickest: float


SCRATCH = Strand(0.15, 0.8, bend=0.03, thinnest=0.7, thickest=1.6)
CRACK = Strand(0.25, 0.9, bend=0.3, thinnest=1.2, thickest=3.5)


def age(image: Picture, seed: int, steps: Collection[str] | None = None) -> Picture:
    """Age an 8-bit BGR picture, by all of `STEPS` or by some; it keeps its size."""
    dice = np.random.default_rng(seed)
    aged = image.astype(np.float32)
    for name, step in STEPS.items():
        if steps is None or name in steps:
            aged = step(aged, dice)
    return np.clip(np.rint(aged), 0, 255).astype(np.uint8)


def _toned(image: Plane, dice: Dice) -> Plane:
    grey = np.rint(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)) / 255
    depth = dice.uniform(0.5, 1.0)
    gammas = (1 + 0.45 * depth, 1 + 0.18 * depth, 1 - 0.08 * depth)
    return np.asarray(np.stack([grey**gamma for gamma in gammas], axis=-1) * 255, np.float32)


def _softened(image: Plane, dice: Dice) -> Plane:
    soft = cv2.GaussianBlur(image, (0, 0), dice.uniform(0.4, 1.0))
    grain = dice.standard_normal(image.shape[:2], np.float32)
    grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), 0.6), np.float32)
    grain *= dice.uniform(3, 7) / max(float(grain.std()), 1e-6)
    return np.asarray(soft + grain[..., None], np.float32)


def _faded(image: Plane, dice: Dice) -> Plane:
    black, white = dice.uniform(0.10, 0.20), 1 - dice.uniform(0.10, 0.22)
    share = np.clip(image / 255, 0, 1)
    uneven = 1 + 0.06 * _clouds(image.shape[:2], max(image.shape[:2]) / 3, dice)
    cast = np.array([1 - dice.uniform(0.15, 0.35), 1 - dice.uniform(0.03, 0.12), 1.0])
    faded = (black + (white - black) * share) * uneven[..., None] * cast
    return np.asarray(np.clip(faded, 0, 1) * 255, np.float32)


def _stained(image: Plane, dice: Dice) -> Plane:
    height, width = image.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    radius = dice.uniform(0.1, 0.25) * max(height, width)
    distance = np.hypot(rows - dice.uniform(0, height), columns - dice.uniform(0, width)) / radius
    distance = distance * (1 + 0.1 * _clouds((height, width), radius / 2, dice))
    wet = np.clip((1 - distance) * 6, 0, 1) * 0.25 + np.exp(-(((distance - 1) / 0.05) ** 2)) * 0.25
    tint = np.array([0.75, 0.45, 0.25]) * dice.uniform(0.4, 0.9)
    return np.asarray(image * (1 - wet[..., None] * tint), np.float32)


def _damaged(image: Plane, dice: Dice) -> Plane:
    bare = _damage(image.shape[:2], dice)[..., None] * dice.uniform(0.8, 1.0)
    return np.asarray(image * (1 - bare) + np.array(PAPER, np.float32) * bare, np.float32)


def _damage(shape: tuple[int, ...], dice: Dice) -> Plane:
    """How much of the paper shows through, 0..1."""
    bare = np.zeros(shape, np.float32)
    for strand, number in ((SCRATCH, SCRATCHES), (CRACK, CRACKS)):
        for _ in range(number):
            _draw(bare, strand, dice)
    scale = max(shape) / 512
    for _ in range(SPECKS):
        centre = (int(dice.uniform(0, shape[1])), int(dice.uniform(0, shape[0])))
        cv2.circle(bare, centre, max(1, round(dice.exponential(1.1) * scale)), 1.0, -1, cv2.LINE_AA)
    # The emulsion breaks in places, so a strand is not equally bare everywhere.
    return np.asarray(
        bare * np.clip(0.95 + 0.3 * _clouds(shape, 3 * scale, dice), 0, 1), np.float32
    )


def _draw(bare: Plane, strand: Strand, dice: Dice) -> None:
    height, width = bare.shape
    longer = max(height, width)
    length = dice.uniform(strand.shortest, strand.longest) * longer
    thickness = dice.uniform(strand.thinnest, strand.thickest) * (longer / 512) ** 0.7
    point = np.array([dice.uniform(0, width), dice.uniform(0, height)])
    angle = dice.uniform(0, 2 * np.pi)
    step = length * STEP_SHARE
    for _ in range(round(1 / STEP_SHARE)):
        angle += dice.normal(0, strand.bend)
        following = point + step * np.array([np.cos(angle), np.sin(angle)])
        here, there = (tuple(round(float(value)) for value in end) for end in (point, following))
        width_here = max(1, round(thickness * dice.uniform(0.6, 1.4)))
        cv2.line(bare, here, there, 1.0, width_here, cv2.LINE_AA)
        point = following


def _clouds(shape: tuple[int, ...], size: float, dice: Dice) -> Plane:
    """Smooth noise whose features are about `size` pixels wide."""
    height, width = shape[:2]
    coarse = dice.standard_normal((int(height / size) + 3, int(width / size) + 3), np.float32)
    return np.asarray(
        cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32
    )


STEPS: dict[str, Callable[[Plane, Dice], Plane]] = {
    "toned": _toned,
    "softened": _softened,
    "faded": _faded,
    "stained": _stained,
    "damaged": _damaged,
}
"""What happens to a print, in this order."""
