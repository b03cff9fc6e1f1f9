"""What decades do to a print, drawn by a seed, and a mask of where they took the picture away.

`deploy.local.ageing` ages a photo for the demo; this is its rougher sister, to learn from and to
measure with: scratches and cracks are bright or dark, branch and break up, and there are folds,
dust, chipped edges and a careless JPEG. Lengths are shares of the longer side; widths grow with it.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Plane = NDArray[np.float32]
Dice = np.random.Generator
Line = list[tuple[float, float]]

SIDE = 256
"""Widths below are in pixels of a print with this longer side."""

LOST = 0.25
"""A pixel that is hidden by more than this share is lost: the mask has it."""

SCRATCHES, CRACKS, FOLDS, SPECKS, CHIPS = 4.0, 2.2, 0.5, 14.0, 0.8
"""How many to expect on a print, at level 1."""

BRANCHES_MAX = 5
STEPS_OF_A_LINE = 40


@dataclass(frozen=True, slots=True)
class Worn:
    """A worn print, height x width x 3 (BGR), and 255 where its picture is lost."""

    picture: Picture
    mask: Picture


def worn(
    photo: Picture, seed: int, *, level: float = 1.0, steps: Collection[str] | None = None
) -> Worn:
    """Wear a photo by all of `STEPS` or by some; the same seed always does the same."""
    dice = np.random.default_rng(seed)
    print_ = photo.astype(np.float32)
    for name, step in STEPS.items():
        if steps is None or name in steps:
            print_ = step(print_, dice, level)
    mask = np.zeros(photo.shape[:2], np.uint8)
    if steps is None or "damaged" in steps:
        print_, mask = _damaged(print_, dice, level)
    picture = np.clip(np.rint(print_), 0, 255).astype(np.uint8)
    return Worn(_stored(picture, dice) if steps is None or "stored" in steps else picture, mask)


def chance(dice: Dice, share: float) -> bool:
    """Whether what happens in this share of all cases happens now."""
    return bool(dice.random() < share)


def _toned(image: Plane, dice: Dice, _level: float) -> Plane:
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).clip(0, 255) / 255
    depth = dice.uniform(0.3, 1)
    gammas = (1 + 0.45 * depth, 1 + 0.18 * depth, 1 - 0.08 * depth)
    return np.asarray(np.stack([grey**gamma for gamma in gammas], axis=-1) * 255, np.float32)


def _softened(image: Plane, dice: Dice, level: float) -> Plane:
    soft = cv2.GaussianBlur(image, (0, 0), dice.uniform(0.4, 1.6) * level)
    grain = dice.standard_normal(image.shape[:2], np.float32)
    grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), dice.uniform(0.02, 0.8)), np.float32)
    strength = dice.uniform(2, 12) * level / max(float(grain.std()), 1e-6)
    return np.asarray((soft + grain[..., None] * strength).clip(0, 255), np.float32)


def faded(image: Plane, dice: Dice, level: float) -> tuple[Plane, Plane]:
    """A faded print, 0..255, and how brightly each place of it is lit: 1 is as the others are."""
    black, white = dice.uniform(0.05, 0.22) * level, 1 - dice.uniform(0.05, 0.25) * level
    share = np.clip(image / 255, 0, 1) ** dice.uniform(0.8, 1.25)
    uneven = 1 + 0.08 * level * _clouds(image.shape[:2], max(image.shape[:2]) / 3, dice)
    cast = np.array([1 - dice.uniform(0.15, 0.45) * level, 1 - dice.uniform(0.03, 0.15) * level, 1])
    pale = (black + (white - black) * share) * uneven[..., None] * cast
    return np.asarray(pale.clip(0, 1) * 255, np.float32), uneven


def _stained(image: Plane, dice: Dice, _level: float) -> Plane:
    height, width = image.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    radius = dice.uniform(0.08, 0.3) * max(height, width)
    distance = np.hypot(rows - dice.uniform(0, height), columns - dice.uniform(0, width)) / radius
    distance *= 1 + 0.12 * _clouds((height, width), radius / 2, dice)
    wet = np.clip((1 - distance) * 6, 0, 1) * 0.35 + np.exp(-(((distance - 1) / 0.04) ** 2)) * 0.35
    tint = np.array([0.75, 0.45, 0.25]) * dice.uniform(0.3, 1)
    return np.asarray(image * (1 - wet[..., None] * tint), np.float32)


STEPS: dict[str, Callable[[Plane, Dice, float], Plane]] = {
    "toned": _toned,
    "softened": _softened,
    "faded": lambda image, dice, level: faded(image, dice, level)[0],
    "stained": _stained,
}
"""What happens to a print, in this order; then it is `damaged`, and `stored` as a JPEG."""

EVERYTHING = (*STEPS, "damaged", "stored")


def _damaged(image: Plane, dice: Dice, level: float) -> tuple[Plane, Picture]:
    bright, dark = _layers(image.shape[:2], dice, level)
    paper = dice.uniform(190, 255) * np.array([dice.uniform(0.8, 1), dice.uniform(0.92, 1), 1])
    bare = bright * dice.uniform(0.55, 1)
    dirt = dark * dice.uniform(0.5, 1)
    shown = image * (1 - bare[..., None]) + paper * bare[..., None]
    shown = shown * (1 - dirt[..., None]) + dice.uniform(0, 60) * dirt[..., None]
    mask = np.where(np.maximum(bright, dark) > LOST, 255, 0)
    return np.asarray(shown, np.float32), mask.astype(np.uint8)


def _layers(shape: tuple[int, ...], dice: Dice, level: float) -> tuple[Plane, Plane]:
    """How much of the paper shows (bright), and how much dirt hides the picture, 0..1."""
    bright, dark = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    scale = max(shape) / SIDE
    for _ in range(dice.poisson(SCRATCHES * level)):
        line = _walk(
            shape, dice, dice.uniform(0.05, 0.8), bend=float(dice.choice([0.01, 0.04, 0.15]))
        )
        _stroke(_one_of(bright, dark, dice, 0.8), line, dice.uniform(0.6, 2) * scale**0.5, dice)
    for _ in range(dice.poisson(CRACKS * level)):
        width = dice.uniform(0.8, 3.2) * scale**0.7
        for line in _branching(shape, dice):
            _stroke(_one_of(bright, dark, dice, 0.93), line, width * dice.uniform(0.5, 1), dice)
    for _ in range(dice.poisson(FOLDS * level)):
        _stroke(bright, _fold(shape, dice), dice.uniform(1.5, 5) * scale**0.7, dice)
    for _ in range(dice.poisson(SPECKS * level)):
        _speck(_one_of(bright, dark, dice, 0.75), scale, dice)
    for _ in range(dice.poisson(CHIPS * level)):
        _chip(_one_of(bright, dark, dice, 0.8), dice)
    # The emulsion breaks in places, so nothing is equally bare everywhere.
    if chance(dice, 0.7):
        bright *= np.clip(1.1 + 0.9 * _clouds(shape, dice.uniform(4, 20) * scale, dice), 0, 1)
    bright *= np.clip(0.9 + 0.35 * _clouds(shape, 2 * scale, dice), 0, 1)
    dark *= np.clip(0.9 + 0.35 * _clouds(shape, 2 * scale, dice), 0, 1)
    return bright, dark


def _one_of(bright: Plane, dark: Plane, dice: Dice, share_bright: float) -> Plane:
    return bright if chance(dice, share_bright) else dark


def _walk(
    shape: tuple[int, ...],
    dice: Dice,
    length: float,
    *,
    bend: float,
    start: tuple[float, float] | None = None,
) -> Line:
    """A line that wanders: `length` is a share of the longer side, `bend` is radians a step."""
    height, width = shape
    point = start or (dice.uniform(0, width), dice.uniform(0, height))
    angle = dice.uniform(0, 2 * np.pi)
    step = max(2.0, length * max(shape) / STEPS_OF_A_LINE)
    line = [point]
    for turn in dice.normal(0, bend, round(length * max(shape) / step)):
        angle += turn
        point = (point[0] + step * np.cos(angle), point[1] + step * np.sin(angle))
        line.append(point)
    return line


def _branching(shape: tuple[int, ...], dice: Dice) -> Iterator[Line]:
    lines = [_walk(shape, dice, dice.uniform(0.2, 1), bend=0.35)]
    for _ in range(dice.integers(0, BRANCHES_MAX)):
        trunk = lines[dice.integers(len(lines))]
        knot = trunk[dice.integers(len(trunk))]
        lines.append(_walk(shape, dice, dice.uniform(0.05, 0.4), bend=0.35, start=knot))
    yield from lines


def _fold(shape: tuple[int, ...], dice: Dice) -> Line:
    """Straight, from one edge of the print to the other."""
    height, width = shape
    along, place = np.linspace(0, 1, 24), dice.uniform(0.1, 0.9)
    across = dice.normal(0, 1.5, along.size)
    if chance(dice, 0.5):
        return [(x * width, place * height + off) for x, off in zip(along, across, strict=True)]
    return [(place * width + off, y * height) for y, off in zip(along, across, strict=True)]


def _stroke(layer: Plane, line: Line, width: float, dice: Dice) -> None:
    for start, end in pairwise(line):
        here, there = ((int(x), int(y)) for x, y in (start, end))
        cv2.line(
            layer, here, there, 1.0, max(1, round(width * dice.uniform(0.5, 1.5))), cv2.LINE_AA
        )


def _speck(layer: Plane, scale: float, dice: Dice) -> None:
    height, width = layer.shape
    centre = (int(dice.uniform(0, width)), int(dice.uniform(0, height)))
    axes = [max(1, int(size * scale)) for size in dice.exponential(1.3, 2)]
    cv2.ellipse(layer, centre, axes, dice.uniform(0, 180), 0, 360, 1.0, -1, cv2.LINE_AA)


def _chip(layer: Plane, dice: Dice) -> None:
    """A corner torn off, or a bite out of an edge."""
    height, width = layer.shape
    x, y = dice.choice([0.0, 1.0, dice.random()]) * width, dice.choice([0.0, 1.0]) * height
    if chance(dice, 0.5):
        x, y = y / height * width, x / width * height
    angles = np.sort(dice.uniform(0, 2 * np.pi, 14))
    radii = dice.uniform(0.02, 0.12) * max(height, width) * dice.uniform(0.5, 1.2, angles.size)
    rim = np.stack([x + np.cos(angles) * radii, y + np.sin(angles) * radii], axis=1)
    cv2.fillPoly(layer, [rim.astype(np.int32)], 1.0, cv2.LINE_AA)


def _stored(picture: Picture, dice: Dice) -> Picture:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(dice.integers(60, 92))]
    _, data = cv2.imencode(".jpg", picture, quality)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _clouds(shape: tuple[int, ...], size: float, dice: Dice) -> Plane:
    """Smooth noise whose features are about `size` pixels wide."""
    height, width = shape[:2]
    coarse = dice.standard_normal((int(height / size) + 3, int(width / size) + 3), np.float32)
    large = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(large, np.float32)
