"""Colourize: tint a black-and-white photo from what it shows, and never touch its lightness."""

from typing import NamedTuple

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from worker.engines.cpu.colours import from_lab, to_grey, to_lab
from worker.engines.cpu.faces import Box, Face, find_faces
from worker.engines.cpu.guess import guess_colours
from worker.engines.cpu.hints import Hints, read_hints
from worker.engines.cpu.propagation import SIDE_MAX, enlarge, spread
from worker.engines.cpu.toning import measure_toning
from worker.engines.cpu.wishes import Wish, read_wishes, refused

REVIVED = 1.25  # a photo that has colours keeps them, a little stronger
CHROMA_MAX = 60.0


class Coloured(NamedTuple):
    """The picture, and which wishes of the note it grants and which not, in words for the user."""

    picture: NDArray[np.uint8]
    applied: list[str]
    ignored: list[str]


def colourize(photo: MatLike, *, note: str | None = None) -> Coloured:
    wishes = read_wishes(note)
    if not measure_toning(photo).monochrome:
        return Coloured(_revived(photo), [], refused(wishes, "the photo has colours"))
    grey = to_grey(photo)
    lab = to_lab(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
    light = np.asarray(lab[..., 0] / 100, np.float32)
    hints, small = _hints(light, find_faces(grey), wishes)
    chroma = spread(small, hints.chroma, hints.weights)
    lab[..., 1:] = np.clip(enlarge(chroma, light), -CHROMA_MAX, CHROMA_MAX)
    return Coloured(from_lab(lab), hints.applied, hints.ignored)


def _hints(
    light: NDArray[np.float32], faces: list[Face], wishes: list[Wish]
) -> tuple[Hints, NDArray[np.float32]]:
    """Hints, and the small picture that they are for."""
    scale = min(1.0, SIDE_MAX / max(light.shape))
    resized = cv2.resize(light, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small = np.asarray(resized, np.float32)
    guess = guess_colours(light, (small.shape[1], small.shape[0]))
    boxes = [Box(*(round(side * scale) for side in face.box)) for face in faces if face.certain]
    return read_hints(small, guess, boxes, wishes), small


def _revived(photo: MatLike) -> NDArray[np.uint8]:
    lab = to_lab(photo)
    lab[..., 1:] *= REVIVED
    return from_lab(lab)
