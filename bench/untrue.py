"""Results that must not be shown, made from a good one: what models that paint anew really do.

They zoom, shift or mirror, lose what they were given, and make somebody else of a person: another
face, a melted one, a smile, another age, other eyes. Places in a face follow from its five
landmarks; lengths are parts of the distance of the eyes.
"""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Plane = NDArray[np.float32]
Spot = tuple[float, float]

ZOOMS, SHIFTS = (1.15, 1.05), (0.05, 0.02)
WIDE_BLUR = 1 / 40  # of the longer side
SMILE, YOUTH, WRINKLE, EYES_LIGHTER = 0.16, 0.14, 0.45, 18.0


class Face:
    """Where things are in a face, from the corners of its eyes and the foot of its nose."""

    def __init__(self, eyes: Plane, nose: Spot) -> None:
        self.eyes = [(float(x), float(y)) for x, y in eyes.mean(axis=1)]
        middle = eyes.mean(axis=(0, 1))
        left, right = self.eyes
        self.apart = float(np.hypot(left[0] - right[0], left[1] - right[1]))
        self.down = np.subtract(nose, middle) / max(1e-6, float(np.linalg.norm(nose - middle)))
        self.across = np.array([-self.down[1], self.down[0]])
        if self.across[0] < 0:
            self.across = -self.across
        self.middle = middle

    def at(self, across: float, down: float) -> Spot:
        """A place seen from between the eyes, in distances of the eyes."""
        x, y = self.middle + self.apart * (across * self.across + down * self.down)
        return float(x), float(y)


def pictures(good: Picture, other: Picture) -> Iterator[tuple[str, Picture]]:
    """What any result can be ruined to (BGR); `other` is another photo."""
    height, width = good.shape[:2]
    dice = np.random.default_rng(1)
    yield "blank", np.full_like(good, 128)
    yield "black", np.zeros_like(good)
    yield "noise", dice.integers(0, 255, good.shape, np.uint8)
    yield "another photo", _sized(other, width, height)
    yield "mirrored", np.ascontiguousarray(good[:, ::-1])
    for zoom in ZOOMS:
        rim = (1 - 1 / zoom) / 2
        inner = good[
            round(rim * height) : round((1 - rim) * height),
            round(rim * width) : round((1 - rim) * width),
        ]
        yield f"zoomed {zoom}", _sized(inner, width, height)
    for shift in SHIFTS:
        yield f"shifted {shift:.0%}", np.roll(good, round(shift * width), axis=1)
    blurred = cv2.GaussianBlur(good, (0, 0), WIDE_BLUR * max(width, height))
    yield "blurred", np.asarray(blurred, np.uint8)


def people(
    good: Picture, face: Face, other: Picture, its_face: Face
) -> Iterator[tuple[str, Picture]]:
    """What can be done to a face (BGR); `other` is somebody else."""
    yield "swapped", _swapped(good, face, other, its_face)
    yield "melted", _melted(good, face)
    yield "smile added", _smiling(good, face)
    yield "made younger", _younger(good, face)
    yield "made older", _older(good, face)
    yield "eyes recoloured", _other_eyes(good, face)


def _swapped(good: Picture, face: Face, other: Picture, its_face: Face) -> Picture:
    places = [
        np.array([one.at(-0.5, 0), one.at(0.5, 0), one.at(0, 1.1)], np.float32)
        for one in (its_face, face)
    ]
    size = (good.shape[1], good.shape[0])
    there = cv2.warpAffine(
        other, cv2.getAffineTransform(*places), size, borderMode=cv2.BORDER_REFLECT
    )
    oval = _oval(good.shape, face.at(0, 0.5), 0.95 * face.apart, 1.25 * face.apart)
    share = cv2.GaussianBlur(oval, (0, 0), 0.06 * face.apart)[..., None]
    return _bytes(there * share + good * (1 - share))


def _melted(good: Picture, face: Face) -> Picture:
    oval = _oval(good.shape, face.at(0, 0.5), 0.95 * face.apart, 1.25 * face.apart)[..., None]
    return _bytes(cv2.GaussianBlur(good, (0, 0), 0.25 * face.apart) * oval + good * (1 - oval))


def _smiling(good: Picture, face: Face) -> Picture:
    """The corners of the mouth go up and apart."""
    pull = SMILE * face.apart
    pushes = [
        (face.at(side * 0.42, 1.08), pull * (side * face.across - face.down), 0.2 * face.apart)
        for side in (-1, 1)
    ]
    return _pushed(good, pushes)


def _younger(good: Picture, face: Face) -> Picture:
    """Larger eyes, and a shorter chin."""
    rows, columns = _places(good)
    for x, y in face.eyes:
        near = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (0.28 * face.apart) ** 2))
        columns = np.asarray(columns - near * (columns - x) * 0.2, np.float32)
        rows = np.asarray(rows - near * (rows - y) * 0.2, np.float32)
    eyes = cv2.remap(good, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    chin = (face.at(0, 1.75), -YOUTH * face.apart * face.down, 0.4 * face.apart)
    return _pushed(np.asarray(eyes, np.uint8), [chin])


def _older(good: Picture, face: Face) -> Picture:
    """Lines on the brow, under the eyes and beside the mouth."""
    lines = np.zeros(good.shape[:2], np.float32)
    drawn = [[(-0.6, up), (0, up - 0.05), (0.6, up)] for up in (-0.5, -0.68, -0.86)]
    drawn += [[(side * 0.75, 0.25), (side * 0.5, 0.36), (side * 0.25, 0.25)] for side in (-1, 1)]
    drawn += [[(side * 0.25, 0.6), (side * 0.5, 1.1)] for side in (-1, 1)]
    for line in drawn:
        points = np.array([face.at(*place) for place in line]) * 8
        thickness = max(1, round(face.apart / 25))
        cv2.polylines(
            lines, [np.rint(points).astype(np.int32)], False, 1.0, thickness, cv2.LINE_AA, 3
        )
    soft = cv2.GaussianBlur(lines, (0, 0), max(0.6, face.apart / 60))
    return _bytes(good * (1 - WRINKLE * soft[..., None]))


def _other_eyes(good: Picture, face: Face) -> Picture:
    """Lighter, and blue."""
    irises = np.zeros(good.shape[:2], np.float32)
    for x, y in face.eyes:
        radius = max(2, round(0.08 * face.apart))
        cv2.circle(irises, (round(x), round(y)), radius, 1.0, -1, cv2.LINE_AA)
    lab = cv2.cvtColor((good / np.float32(255)).astype(np.float32), cv2.COLOR_BGR2LAB)
    light, green, yellow = cv2.split(lab)
    lighter = light + EYES_LIGHTER * irises
    dyed = [plane * (1 - irises) + blue * irises for plane, blue in ((green, -8), (yellow, -35))]
    changed = cv2.merge([plane.astype(np.float32) for plane in (lighter, *dyed)])
    return _bytes(255 * np.asarray(cv2.cvtColor(changed, cv2.COLOR_LAB2BGR), np.float32))


def _pushed(picture: Picture, pushes: list[tuple[Spot, NDArray[np.float64], float]]) -> Picture:
    """Move what is around each place, less and less the farther from it."""
    rows, columns = from_rows, from_columns = _places(picture)
    for (x, y), (across, down), reach in pushes:
        near = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * reach**2))
        from_columns = np.asarray(from_columns - near * across, np.float32)
        from_rows = np.asarray(from_rows - near * down, np.float32)
    moved = cv2.remap(
        picture, from_columns, from_rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(moved, np.uint8)


def _places(picture: Picture) -> tuple[Plane, Plane]:
    """The row and the column of each pixel."""
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return rows.astype(np.float32), columns.astype(np.float32)


def _oval(shape: tuple[int, ...], centre: Spot, across: float, down: float) -> Plane:
    oval = np.zeros(shape[:2], np.float32)
    x, y = (round(place) for place in centre)
    cv2.ellipse(oval, (x, y), (round(across), round(down)), 0, 0, 360, 1.0, -1, cv2.LINE_AA)
    return oval


def _sized(picture: Picture, width: int, height: int) -> Picture:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _bytes(values: NDArray[Any]) -> Picture:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
