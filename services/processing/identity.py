"""Are they the same people? Each face of the master is looked at in the result, at its place.

Faces are found by dlib's HOG detector; who they are is told by dlib's descriptor (King, 2017: 128
numbers, 0.6 apart for another person), which ships in a package under CC0. A descriptor sees
neither a smile nor a wrinkle, so the face is compared by itself as well: no part of it may have
moved, no line may be there that was not, and its eyes keep their colour.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from services.processing.structure import Grey, Plane, correlation, equalized

Picture = NDArray[np.uint8]

PACKAGE = "face_recognition_models"
SEARCHED_SIDE, ENLARGED_MOST = 640, 2.0
"""Pixels of the longer side, for which a small picture is enlarged, but not by more."""

CERTAIN, ANY = 0.0, -0.7  # the detector's own scale: there is a face; there may be one
PLAIN = 1.0  # a face that nobody would overlook
OVERLAP_LEAST = 0.3  # of two boxes that are one face
FACES_MAX = 8
WIDTH_LEAST = 40  # pixels of the master: in a smaller face nobody is recognised

CHIP_SIDE, CHIP_MARGIN = 150, 0.25  # what the descriptor was trained on
SIDE, MARGIN = 112, 0.15  # pixels of a face that is compared, and how much is seen around it
RIM = 8
PATCH, STEP, REACH = 24, 8, 8  # pixels: what is searched for, how often, and how far
PATCH_CONTRAST = 5.0
ALIKE, BETTER, FAR = 0.9, 0.02, 2.0  # a patch is found, surely rather there, that many pixels off
MISTAKEN = 1  # of the patches: grain that was calmed may look like another place
STRONGER = 1.3  # an edge is new if it is stronger than any near it was, by this factor

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Likeness:
    """One person, before and after."""

    distance: float
    """Between the descriptors: below 0.4 for one person, above 0.55 for two."""

    correlation: float
    """Of the equalized faces."""

    displaced: float
    """Parts of the face that are surely elsewhere now, in parts of all that can be told."""

    new_lines: float
    """How strong the strongest edges are that were not there, in edges of the master's face."""

    eyes: float
    """How much more the eyes' colour differs from that around them, in Lab's units."""


@dataclass(frozen=True, slots=True)
class People:
    """Everybody in two pictures: those of the master as they are now, and how many more."""

    likenesses: Sequence[Likeness]
    strangers: int


def compare(master: Picture, result: Picture) -> People:
    """Two pictures of one shape, height x width x 3 (RGB), of whatever sizes."""
    pictures = (master, result)
    greys = [_as_bytes(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)) for picture in pictures]
    scale = result.shape[1] / master.shape[1]
    before, after = find(greys[0], ANY), find(greys[1], PLAIN)
    known = sorted((box for box, sure in before if sure >= CERTAIN), key=_width, reverse=True)
    strangers = [
        box
        for box, _ in after
        if _width(box) >= WIDTH_LEAST * scale
        and not any(_overlap(_scaled(old, scale), box) > OVERLAP_LEAST for old, _ in before)
    ]
    likenesses = [
        _likeness(pictures, greys, box, scale)
        for box in known[:FACES_MAX]
        if _width(box) >= WIDTH_LEAST
    ]
    return People(likenesses, len(strangers))


def find(grey: Grey, least: float) -> list[tuple[Box, float]]:
    """Faces, as left, top, right and bottom, and how sure the detector is."""
    scale = min(SEARCHED_SIDE / max(grey.shape), ENLARGED_MOST)
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    searched = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=kind)
    found, sure, _ = _detector().run(searched, 0, least)
    corners = [(one.left(), one.top(), one.right(), one.bottom()) for one in found]
    return [(_scaled(box, 1 / scale), score) for box, score in zip(corners, sure, strict=True)]


def _likeness(
    pictures: Sequence[Picture], greys: Sequence[Grey], box: Box, scale: float
) -> Likeness:
    (master, result), boxes = pictures, (box, _scaled(box, scale))
    faces = [_cut(grey, place) for grey, place in zip(greys, boxes, strict=True)]
    (who, eyes), (who_now, _) = (
        _described(grey, place) for grey, place in zip(greys, boxes, strict=True)
    )
    return Likeness(
        distance=float(np.linalg.norm(who - who_now)),
        correlation=correlation(*(equalized(face) for face in faces)),
        displaced=_displaced(*faces),
        new_lines=_new_lines(*faces),
        eyes=_eyes_apart(result, eyes * scale) - _eyes_apart(master, eyes),
    )


def _described(grey: Grey, box: Box) -> tuple[Plane, Plane]:
    """Who it is, 128 numbers, and where the corners of the eyes are, 2 x 2 x (x, y)."""
    seen = np.ascontiguousarray(np.dstack([grey] * 3))
    shape = _shape(seen, box)
    chip = dlib.get_face_chip(seen, shape, CHIP_SIDE, CHIP_MARGIN)
    who = np.array(_descriptor().compute_face_descriptor(chip), np.float32)
    return who, _points(shape)[:4].reshape(2, 2, 2)


def landmarks(grey: Grey, box: Box) -> Plane:
    """The corners of both eyes and the foot of the nose, 5 x (x, y)."""
    return _points(_shape(np.ascontiguousarray(np.dstack([grey] * 3)), box))


def _shape(seen: Picture, box: Box) -> Any:
    return _predictor()(seen, dlib.rectangle(*(round(side) for side in box)))


def _points(shape: Any) -> Plane:
    return np.array([(point.x, point.y) for point in shape.parts()], np.float32)


def _cut(grey: Grey, box: Box) -> Grey:
    """The face and a little around it, SIDE x SIDE; what a box hides beyond the rim is repeated."""
    side = _width(box) * (1 + 2 * MARGIN)
    scale = SIDE / side
    small = grey
    if scale < 1:
        small = _as_bytes(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    shrunk = min(scale, 1.0)
    left, top, right, bottom = _scaled(box, shrunk)
    grow = scale / shrunk
    centre = ((left + right) / 2, (top + bottom) / 2)
    moving = np.array(
        [[grow, 0, SIDE / 2 - grow * centre[0]], [0, grow, SIDE / 2 - grow * centre[1]]], np.float32
    )
    return _as_bytes(cv2.warpAffine(small, moving, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE))


def _displaced(before: Grey, after: Grey) -> float:
    """Which patches are nearly unchanged but elsewhere: what is mended changes and stays."""
    one, other = (
        np.asarray(cv2.GaussianBlur(face, (0, 0), 1), np.float32) for face in (before, after)
    )
    told = displaced = 0
    for top in range(RIM + 4, SIDE - PATCH - RIM, STEP):
        for left in range(RIM + 4, SIDE - PATCH - RIM, STEP):
            patch = one[top : top + PATCH, left : left + PATCH]
            if patch.std() < PATCH_CONTRAST:
                continue
            told += 1
            around = other[top - REACH : top + PATCH + REACH, left - REACH : left + PATCH + REACH]
            alike = cv2.matchTemplate(around, patch, cv2.TM_CCOEFF_NORMED)
            _, best, _, (x, y) = cv2.minMaxLoc(alike)
            here = float(alike[REACH - 1 : REACH + 2, REACH - 1 : REACH + 2].max())
            is_far = np.hypot(x - REACH, y - REACH) >= FAR
            displaced += bool(is_far and best > ALIKE and best - here > BETTER)
    return max(0, displaced - MISTAKEN) / max(1, told)


def _new_lines(before: Grey, after: Grey) -> float:
    edges = [_edges_of(face) for face in (before, after)]
    near = cv2.dilate(edges[0], np.ones((5, 5), np.uint8))
    new = np.maximum(0, edges[1] - STRONGER * near)[RIM:-RIM, RIM:-RIM]
    return float(np.percentile(new, 99) / (edges[0].mean() + 1e-6))


def _edges_of(face: Grey) -> Plane:
    """How strong edges are, each face by its own contrast."""
    calm = cv2.GaussianBlur(face.astype(np.float32), (0, 0), 1.3)
    even = ((calm - calm.mean()) / (face.std() + 4)).astype(np.float32)
    across, down = (cv2.Sobel(even, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    return np.asarray(np.hypot(across, down), np.float32)


def _eyes_apart(picture: Picture, eyes: Plane) -> float:
    """How far the colour of the irises is from that of the skin around, the eye that is further."""
    return max(_eye_apart(picture, eye) for eye in eyes)


def _eye_apart(picture: Picture, corners: Plane) -> float:
    width = float(np.linalg.norm(corners[0] - corners[1]))
    x, y = (float(place) for place in corners.mean(axis=0))
    reach = max(4, round(1.2 * width))
    rows = slice(max(0, round(y) - reach), max(1, round(y) + reach))
    columns = slice(max(0, round(x) - reach), max(1, round(x) + reach))
    piece = picture[rows, columns]
    if not piece.size:
        return 0.0
    lab = cv2.cvtColor((piece / np.float32(255)).astype(np.float32), cv2.COLOR_RGB2LAB)
    down, across = np.mgrid[: piece.shape[0], : piece.shape[1]]
    away = np.hypot(down + rows.start - y, across + columns.start - x) / max(width, 1.0)
    iris, around = away <= 0.2, (away > 0.6) & (away <= 1.2)  # noqa: PLR2004 - of an eye's width
    if not (iris.any() and around.any()):
        return 0.0
    return float(np.linalg.norm(lab[iris][:, 1:].mean(axis=0) - lab[around][:, 1:].mean(axis=0)))


def _width(box: Box) -> float:
    return box[2] - box[0]


def _scaled(box: Box, scale: float) -> Box:
    left, top, right, bottom = (side * scale for side in box)
    return left, top, right, bottom


def _overlap(one: Box, other: Box) -> float:
    """Of two boxes, what they share in parts of what they cover."""
    across = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    down = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return across * down / max(areas - across * down, 1e-6)


def _as_bytes(plane: Any) -> Grey:
    return np.asarray(plane, np.uint8)


@cache
def _detector() -> Any:
    return dlib.get_frontal_face_detector()


@cache
def _predictor() -> Any:
    return dlib.shape_predictor(_model("shape_predictor_5_face_landmarks.dat"))


@cache
def _descriptor() -> Any:
    return dlib.face_recognition_model_v1(_model("dlib_face_recognition_resnet_model_v1.dat"))


def _model(name: str) -> str:
    """The package is never imported: it wants a part of setuptools that is gone."""
    spec = find_spec(PACKAGE)
    assert spec
    assert spec.submodule_search_locations
    return str(Path(spec.submodule_search_locations[0], "models", name))
