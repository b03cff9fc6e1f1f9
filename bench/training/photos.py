"""The photographs that the networks learn from: a folder of pictures with a LICENSES.csv beside it.

The list has a row per photo: `file`, `set`, `licence`, `author`. Only what may be used to train
weights that are given away is taken: the public domain, CC0, and CC BY with its authors credited.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bench.training.wear import Picture, chance

GIVEN_AWAY = ("public domain", "cc0", "cc-by-")
KEPT_BACK = ("-nc", "-sa", "-nd")
MIRRORED = 0.5
HELD_OUT = 20
"""One photo in this many is never learnt from: it tells how well the others were."""


@dataclass(frozen=True, slots=True)
class Photo:
    """Pixels, height x width x 3 (BGR), and the set of the list that they come from."""

    pixels: Picture
    set: str


def read(folder: Path) -> tuple[list[Photo], list[Photo]]:
    """The photos to learn from, and those held out."""
    rows = [row for row in _rows(folder) if may_be_used(row["licence"])]
    if len(rows) < HELD_OUT:
        raise SystemExit(f"{folder} has {len(rows)} photos that may be used: {HELD_OUT} are needed")
    taken = [Photo(_pixels(folder / row["file"]), row["set"]) for row in rows]
    held_out = taken[::HELD_OUT]
    return [photo for place, photo in enumerate(taken) if place % HELD_OUT], held_out


def may_be_used(licence: str) -> bool:
    words = licence.lower()
    return any(good in words for good in GIVEN_AWAY) and not any(bad in words for bad in KEPT_BACK)


def crop(photo: Picture, side: int, dice: np.random.Generator, *, least: float) -> Picture:
    """A square of at least the share `least` of the photo, scaled to `side`, mirrored or not."""
    height, width = photo.shape[:2]
    size = int(min(height, width) * dice.uniform(least, 1))
    top, left = dice.integers(height - size + 1), dice.integers(width - size + 1)
    scaling = cv2.INTER_AREA if size > side else cv2.INTER_CUBIC
    whole = photo[top : top + size, left : left + size]
    piece = cv2.resize(whole, (side, side), interpolation=scaling)
    piece = piece[:, ::-1] if chance(dice, MIRRORED) else piece
    return np.ascontiguousarray(piece, np.uint8)


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "LICENSES.csv").open(newline="") as listed:
        return list(csv.DictReader(listed))


def _pixels(path: Path) -> Picture:
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise SystemExit(f"{path} is no picture")
    return np.asarray(pixels, np.uint8)
