"""From an uploaded file to a master and a thumbnail; nothing here does anything else.

A file is hostile input: this runs in a child process with limits (see `sandbox.py`). The master is
upright, flat, in sRGB, a JPEG of at most 4096 pixels that carries its colour profile, capture
date, caption and copyright and no other metadata. What `enhancing.py` finds evidence for is given
back, unless it is asked not to; nothing else is changed here. People are put on their feet where
neither a camera nor the owner's corners tell which way up the photo is.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.processing import enhancing, faces, geometry, tones
from services.processing.decoding import FORMATS, Unusable, decode

MASTER_SIDE_MAX, MASTER_QUALITY = 4096, 95
THUMBNAIL_SIDE_MAX, THUMBNAIL_QUALITY, THUMBNAIL_EFFORT = 320, 80, 2
ORIENTATION = 0x0112
CUBIC_DOWN_TO = 0.75
PART_MIN = 0.05
"""A print that is a smaller part of its picture gets no more pixels for it."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was made of a photo."""

    width: int
    height: int


def prepare(
    source: Path,
    *,
    quad: list[tuple[float, float]] | None,
    master: Path,
    thumbnail: Path,
    enhanced: bool = True,
    side_max: int = MASTER_SIDE_MAX,
) -> Prepared:
    """Write the master and the thumbnail of one photo, or raise `Unusable`."""
    decoded = decode(source, side_needed=_side_needed(quad, side_max))
    try:
        pixels = _finished(decoded.pixels, quad, side_max)
    except geometry.UnusableCorners as error:
        raise Unusable("corners-unusable", str(error)) from error
    if not quad and not _camera_told(source):
        pixels = np.ascontiguousarray(np.rot90(pixels, faces.quarter_turns(pixels)))
    if enhanced:
        pixels = enhancing.enhance(pixels)
    Image.fromarray(pixels).save(
        master,
        "JPEG",
        quality=MASTER_QUALITY,
        subsampling=0,
        icc_profile=tones.srgb_profile(),
        exif=decoded.kept,
    )
    Image.fromarray(_shrunk(pixels, THUMBNAIL_SIDE_MAX)).save(
        thumbnail, "WEBP", quality=THUMBNAIL_QUALITY, method=THUMBNAIL_EFFORT
    )
    height, width = pixels.shape[:2]
    return Prepared(width, height)


def _camera_told(source: Path) -> bool:
    """Whether the file says which way the camera was held, be it upright."""
    with contextlib.suppress(Exception), Image.open(source, formats=FORMATS) as image:
        return ORIENTATION in image.getexif()
    return False


def _side_needed(quad: list[tuple[float, float]] | None, side_max: int) -> int:
    part = 1.0
    if quad:
        across, down = zip(*quad, strict=True)
        part = max(max(across) - min(across), max(down) - min(down), PART_MIN)
    return round(side_max / part)


def _finished(
    pixels: NDArray[np.uint8], quad: list[tuple[float, float]] | None, side_max: int
) -> NDArray[np.uint8]:
    return _flattened(pixels, quad, side_max) if quad else _shrunk(pixels, side_max)


def _flattened(
    pixels: NDArray[np.uint8], quad: list[tuple[float, float]], side_max: int
) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    corners = geometry.corners_in_pixels(quad, width, height)
    flat_width, flat_height = geometry.flat_size(corners, width, height)
    scale = min(1.0, side_max / max(flat_width, flat_height))
    steps = int(1 / scale)
    if steps >= geometry.SHRINK_BEFORE_WARP:
        # Warping looks at 4 x 4 pixels: from a much larger picture it would skip the rest.
        pixels = np.asarray(Image.fromarray(pixels).reduce(steps))
        corners = corners / steps
    size = (max(1, round(flat_width * scale)), max(1, round(flat_height * scale)))
    return geometry.flatten(pixels, corners, size)


def _shrunk(pixels: NDArray[np.uint8], side_max: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = side_max / max(width, height)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Four pixels across hold all there is to see when little is lost: sharper, and it costs less.
    way = cv2.INTER_CUBIC if scale > CUBIC_DOWN_TO else cv2.INTER_AREA
    return np.asarray(cv2.resize(pixels, size, interpolation=way), dtype=np.uint8)
