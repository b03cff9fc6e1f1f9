"""Animate: the camera moves gently towards the people, and what is near moves a little more.

Nothing in the photo is made to move: it is the photo, seen by a moving camera. Nearness is a smooth
guess, faces first and then the lower part of the picture, so that nothing can tear.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.clips import Clip
from worker.engines.cpu.colours import to_grey
from worker.engines.cpu.faces import find_faces
from worker.pictures import Picture
from worker.stages import Stages

MOTION = "camera move"
SECONDS, FRAMES_PER_SECOND = 4, 24
PIXELS_MAX = 1280 * 720  # of a frame: all of them are in memory at once, 265 MB
ZOOM = 0.08  # how much larger the last frame shows the picture
NEAR_ZOOM = 0.03  # and what is near beyond that
SWAY = 0.006  # of the width, to the side, of what is near
LOW_NEARNESS = 0.5  # of the picture's lower edge; a face has 1

Plane = NDArray[np.float32]


def animate(photo: Picture, stage: Stages) -> Clip:
    """A clip whose sides are even, as its format wants them."""
    photo = _bounded(photo)
    photo = np.ascontiguousarray(photo[: photo.shape[0] // 2 * 2, : photo.shape[1] // 2 * 2])
    near, target = _nearness(photo)
    frames = []
    for time in np.linspace(0, 1, SECONDS * FRAMES_PER_SECOND):
        stage.stop_if_asked()
        frames.append(_frame(photo, near, target, (1 - math.cos(math.pi * time)) / 2))
    return Clip(frames, FRAMES_PER_SECOND)


def _bounded(photo: Picture) -> Picture:
    height, width = photo.shape[:2]
    scale = math.sqrt(PIXELS_MAX / (width * height))
    if scale >= 1:
        return photo
    size = (int(width * scale), int(height * scale))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)


def _nearness(photo: Picture) -> tuple[Plane, tuple[float, float]]:
    """How near each pixel is, 0..1, and the point that the camera moves to."""
    height, width = photo.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    near = LOW_NEARNESS * rows / height
    faces = [face.box for face in find_faces(to_grey(photo)) if face.certain]
    for box in faces:
        across = (columns - box.left - box.width / 2) / (1.6 * box.width)
        down = (rows - box.top - box.height) / (2.0 * box.height)
        near = np.maximum(near, np.exp(-(across**2) - down**2))
    if not faces:
        return np.asarray(near, np.float32), (width / 2, height / 2)
    first = faces[0]
    return np.asarray(near, np.float32), (
        first.left + first.width / 2,
        first.top + first.height / 2,
    )


def _frame(photo: Picture, near: Plane, target: tuple[float, float], share: float) -> Picture:
    """The picture after `share` of the camera's way; the target stays where it is."""
    height, width = photo.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    zoom = 1 + share * (ZOOM + NEAR_ZOOM * near)
    sway = share * SWAY * width * near
    from_columns = target[0] + (columns - target[0]) / zoom + sway
    from_rows = target[1] + (rows - target[1]) / zoom
    seen = cv2.remap(
        photo,
        from_columns.astype(np.float32),
        from_rows.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(seen, np.uint8)
