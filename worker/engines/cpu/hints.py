"""Where a picture says what colour it was: skin in a face, sky at the top, leaves, a backdrop.

Colours are Lab's a and b. Nothing here guesses a dress: what is not known gets the quiet tints of a
hand-coloured print, warm in the lights and cool in the shadows.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.engines.cpu.faces import Box, Face

Plane = NDArray[np.float32]
Area = NDArray[np.bool_]
Tint = tuple[float, float]

SHADOW, MIDDLE, LIGHT = (0.0, -7.0), (2.5, 6.5), (2.0, 13.0)  # of paper
SKIN, LIPS, HAIR = (13.0, 17.0), (21.0, 12.0), (6.0, 11.0)
BACKDROP, SKY, LEAVES, GROUND = (-6.0, -3.5), (-4.0, -13.0), (-6.0, 13.0), (4.0, 13.0)

PAPER_WEIGHT = 0.04
FACE_WEIGHT, NECK_WEIGHT, HAIR_WEIGHT = 2.0, 0.3, 0.5
BACKDROP_WEIGHT, SKY_WEIGHT, LEAVES_WEIGHT, GROUND_WEIGHT = 0.25, 0.6, 0.1, 0.1

PORTRAIT_SHARE = 0.025  # a face this large means a studio, and studios have no sky
SKIN_RANGE = 0.2  # of lightness around a face's median
SKIN_DARKEST = 0.18
CORE_LEAST = 6  # pixels of a face: fewer say nothing
HAIR_DARKER = 0.2  # than the face
SKY_LIGHTEST, SKY_UPPER = 0.72, 0.6  # lightness, and share of the picture's height
LEAF_UNREST, LEAF_ORDER_MAX = 0.05, 0.3
LEAF_LIGHTNESS = (0.08, 0.62)
GROUND_BELOW, LEAVES_ABOVE = 0.75, 0.8  # shares of the picture's height


@dataclass(slots=True)
class Hints:
    """What colour each pixel should have, and how sure that is."""

    chroma: Plane  # height x width x 2
    weights: Plane

    def put(self, area: Area, tint: Plane, weight: float) -> None:
        self.chroma[area] = tint[area]
        self.weights[area] = weight


def read_hints(light: Plane, faces: list[Face], scale: float) -> Hints:
    """Hints for a small picture of lightness 0..1; `faces` are in a picture 1/scale as large."""
    hints = Hints(_paper(light), np.full(light.shape, PAPER_WEIGHT, np.float32))
    boxes = [Box(*(round(value * scale) for value in face.box)) for face in faces if face.certain]
    portrait = [box for box in boxes if box.width * box.height > PORTRAIT_SHARE * light.size]
    if portrait:
        _hint_backdrop(hints, light, portrait)
    else:
        _hint_outdoors(hints, light)
    for box in reversed(boxes):  # the largest last: it is the one people look at
        _hint_face(hints, light, box)
    return hints


def _paper(light: Plane) -> Plane:
    tints = np.array([SHADOW, MIDDLE, LIGHT], np.float32)
    steps = [np.interp(light, (0.1, 0.5, 0.9), tints[:, channel]) for channel in (0, 1)]
    return np.asarray(np.stack(steps, axis=-1) * _fullness(light), np.float32)


def _hint_backdrop(hints: Hints, light: Plane, portrait: list[Box]) -> None:
    """What lies above and beside the heads, down to their chins."""
    lowest = min(box.top + box.height for box in portrait)
    rows = np.mgrid[: light.shape[0]][:, None]
    behind = np.broadcast_to(rows < lowest, light.shape).copy()
    for box in portrait:
        behind &= _ellipse(light, box, (0.5, 0.45), (0.95, 1.05)) > 1
    hints.put(behind, _tint(light, BACKDROP), BACKDROP_WEIGHT)


def _hint_outdoors(hints: Hints, light: Plane) -> None:
    unrest, order = _texture(light)
    height = light.shape[0]
    rows = np.broadcast_to(np.mgrid[:height][:, None] / height, light.shape)

    hints.put((rows > GROUND_BELOW) & (unrest < LEAF_UNREST), _tint(light, GROUND), GROUND_WEIGHT)
    darkest, lightest = LEAF_LIGHTNESS
    leaves = (unrest > LEAF_UNREST) & (order < LEAF_ORDER_MAX) & (rows < LEAVES_ABOVE)
    leaves &= (light > darkest) & (light < lightest)
    hints.put(leaves, _tint(light, LEAVES), LEAVES_WEIGHT)

    bright = ((light > SKY_LIGHTEST) & (rows < SKY_UPPER)).astype(np.uint8)
    _, labels = cv2.connectedComponents(bright)
    touching_top = np.setdiff1d(np.unique(labels[:2]), [0])
    hints.put(np.isin(labels, touching_top), _tint(light, SKY), SKY_WEIGHT)


def _hint_face(hints: Hints, light: Plane, box: Box) -> None:
    core = _ellipse(light, box, (0.5, 0.5), (0.36, 0.44)) < 1
    if np.count_nonzero(core) < CORE_LEAST:
        return
    median = float(np.median(light[core]))
    skin = _tint(light, SKIN)
    alike = (np.abs(light - median) < SKIN_RANGE) & (light > SKIN_DARKEST)
    hints.put(core & alike, skin, FACE_WEIGHT)

    neck = (_ellipse(light, box, (0.5, 1.08), (0.26, 0.26)) < 1) & ~core
    hints.put(neck & alike, skin * 0.9, NECK_WEIGHT)

    mouth = _ellipse(light, box, (0.5, 0.78), (0.19, 0.075)) < 1
    hints.put(mouth & (light < median - 0.05), _tint(light, LIPS), FACE_WEIGHT)

    crown = (_ellipse(light, box, (0.5, 0.3), (0.62, 0.62)) < 1) & ~core
    above = np.mgrid[: light.shape[0]][:, None] < box.top + 0.45 * box.height
    hints.put(crown & above & (light < median - HAIR_DARKER), _tint(light, HAIR), HAIR_WEIGHT)


def _texture(light: Plane) -> tuple[Plane, Plane]:
    """Unrest, and how much of it runs in one direction: walls are orderly, leaves are not."""
    detail = np.abs(light - cv2.GaussianBlur(light, (0, 0), 1.5))
    across, down = cv2.Sobel(light, -1, 1, 0), cv2.Sobel(light, -1, 0, 1)
    xx, yy, xy = (
        cv2.GaussianBlur(product, (0, 0), 4)
        for product in (across * across, down * down, across * down)
    )
    order = np.sqrt((xx - yy) ** 2 + 4 * xy**2) / (xx + yy + 1e-6)
    return cv2.GaussianBlur(detail, (0, 0), 3).astype(np.float32), order.astype(np.float32)


def _ellipse(
    light: Plane, box: Box, centre: tuple[float, float], radii: tuple[float, float]
) -> Plane:
    """Squared distance from `centre` in units of `radii`, all in shares of the box."""
    rows, columns = np.mgrid[: light.shape[0], : light.shape[1]].astype(np.float32)
    across = (columns - box.left - centre[0] * box.width) / max(1.0, radii[0] * box.width)
    down = (rows - box.top - centre[1] * box.height) / max(1.0, radii[1] * box.height)
    return np.asarray(across**2 + down**2, np.float32)


def _tint(light: Plane, tint: Tint) -> Plane:
    return np.asarray(np.array(tint) * _fullness(light), np.float32)


def _fullness(light: Plane) -> Plane:
    """Pure black and pure white have no colour."""
    return np.asarray(np.clip(1.1 - 3.2 * (light - 0.55) ** 2, 0.15, 1)[..., None], np.float32)
