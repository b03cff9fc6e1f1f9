"""Faces: where an old photo must not be touched carelessly, and where skin is.

Haar cascades ship inside the OpenCV wheel, so no model is downloaded. Two of them look at the front
of a face and one at its side. What any of them sees is protected, because a missed face may be
damaged by the scratch remover; what the frontal ones agree on is certain, because a wrongly found
face would be painted in skin tones.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

SEARCH_SIDE_MAX = 512
SMALLEST_FACE = 0.045  # of the longer side
NEIGHBOURS_STRICT = 8
NEIGHBOURS = 4
NEIGHBOURS_LENIENT = 2
OVERLAP_SAME = 0.3
FACES_MAX = 64
EQUALISE_CLIP = 2.0
CHEST_ASIDE, CHEST_DOWN = 0.5, 2.5  # of a face's size, from its middle and its top
NEAR = 1.1  # of a face's size: where its hair ends


class Box(NamedTuple):
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Face:
    box: Box
    certain: bool  # sure enough to be painted as skin


def find_faces(grey: MatLike) -> list[Face]:
    """Find faces in an 8-bit grey picture, the largest first."""
    scale = min(1.0, SEARCH_SIDE_MAX / max(grey.shape[:2]))
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small = cv2.createCLAHE(EQUALISE_CLIP, (8, 8)).apply(small)

    found = _search(small, "frontalface_alt2", NEIGHBOURS_LENIENT)
    other = _search(small, "frontalface_default", NEIGHBOURS)
    lenient, second = [box for box, _ in found], [box for box, _ in other]
    strict = [box for box, count in found if count > NEIGHBOURS_STRICT]
    agreed = [box for box, count in other if count > NEIGHBOURS_STRICT and _seen(box, lenient)]
    sideways = [box for box, _ in _search(small, "profileface", NEIGHBOURS)]
    mirrored = _search(cv2.flip(small, 1), "profileface", NEIGHBOURS)
    sideways += [_mirror(box, small) for box, _ in mirrored]

    sure = _apart(strict + agreed)
    unsure = _apart(sure + second + lenient + sideways)[len(sure) :]
    faces = [Face(box, not any(_under(box, other) for other in sure)) for box in sure]
    faces += [Face(box, certain=False) for box in unsure]
    faces.sort(key=lambda face: face.box.width, reverse=True)
    return [Face(_scaled(face.box, 1 / scale), face.certain) for face in faces[:FACES_MAX]]


def nearness(faces: list[Face], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """1 in faces and their hair, falling softly to 0: height x width."""
    height, width = shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    near = np.zeros((height, width), np.float32)
    for face in faces:
        left, top, wide, high = face.box
        across = (columns - left - wide / 2) / (NEAR * wide)
        down = (rows - top - high / 2) / (NEAR * high)
        near = np.maximum(near, np.clip(2 - np.hypot(across, down) * 2, 0, 1))
    return np.asarray(near, np.float32)


def _apart(boxes: list[Box]) -> list[Box]:
    """Without those that an earlier one overlaps."""
    kept: list[Box] = []
    for box in boxes:
        if not _seen(box, kept):
            kept.append(box)
    return kept


def _seen(box: Box, others: list[Box]) -> bool:
    return any(_overlap(box, other) > OVERLAP_SAME for other in others)


def _under(box: Box, face: Box) -> bool:
    """Whether it lies where a face has its chest: collars and buttons look like faces."""
    aside = abs(box.left + box.width / 2 - face.left - face.width / 2)
    down = box.top - face.top
    return aside < CHEST_ASIDE * face.width and 0 < down < CHEST_DOWN * face.height


def _search(grey: MatLike, cascade: str, neighbours: int) -> list[tuple[Box, int]]:
    """What was found more often than `neighbours` times, and how often; the surest first.

    OpenCV's own order is that in which its threads were done.
    """
    side = max(20, round(SMALLEST_FACE * max(grey.shape[:2])))
    boxes, counts = _cascade(cascade).detectMultiScale2(
        grey, scaleFactor=1.1, minNeighbors=neighbours, minSize=(side, side)
    )
    found = [
        (Box(*(int(value) for value in box)), int(count))
        for box, count in zip(boxes, counts, strict=True)
    ]
    return sorted(found, key=lambda one: (-one[1], one[0]))


@cache
def _cascade(name: str) -> cv2.CascadeClassifier:
    folder = Path(cv2.__file__).parent / "data"
    return cv2.CascadeClassifier(str(folder / f"haarcascade_{name}.xml"))


def _mirror(box: Box, picture: MatLike) -> Box:
    return box._replace(left=picture.shape[1] - box.left - box.width)


def _scaled(box: Box, scale: float) -> Box:
    return Box(*(round(value * scale) for value in box))


def _overlap(one: Box, other: Box) -> float:
    """Intersection over the smaller box: a face inside a face is the same face."""
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    shared = max(0, width) * max(0, height)
    return shared / min(one.width * one.height, other.width * other.height)
