"""From an uploaded file to a master and its thumbnails; nothing here does anything else.

A file is hostile input: this runs in a child process with limits (see `sandbox.py`). The master is
upright, flat, in sRGB, a JPEG of at most 4096 pixels that carries its colour profile, capture
date, caption and copyright, and no other metadata but that it was enhanced. What `enhancing.py`
finds evidence for is given back, once, unless it is asked not to; nothing else is changed here.
People are put on their feet where neither a camera nor the owner's corners tell which way up the
photo is.

If the master is only a part of the picture, the whole of it is kept as well, as the *frame*: cut in
the wrong place, by us or by its owner, it can be cut again. Nothing is enhanced in it.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.processing import enhancing, faces, geometry, keeping, tones
from services.processing.blurhash import blurhash
from services.processing.decoding import Decoded, Unusable, decode
from services.processing.proposing import UNSURE, Quad, is_whole, propose

MASTER_SIDE_MAX, MASTER_QUALITY = 4096, 95
FRAME_QUALITY = 90
PREVIEW_SIDE_MAX, THUMBNAIL_SIDE_MAX, WEBP_QUALITY, WEBP_EFFORT = 1024, 320, 80, 2
HASHED_SIDE_MAX = 32
CUBIC_DOWN_TO = 0.75
PART_MIN = 0.05
"""A print that is a smaller part of its picture gets no more pixels for it."""


@dataclass(frozen=True, slots=True)
class Outlined:
    """What we proposed for a photo without corners, and whether we cut along it."""

    quad: Quad
    confidence: float
    applied: bool
    prints: list[Quad]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was made of a photo. `quad` is where it was cut, None where it was not."""

    width: int
    height: int
    blurhash: str
    quad: Quad | None
    outline: Outlined | None


def prepare(
    source: Path,
    *,
    quad: Quad | None,
    master: Path,
    thumbnail: Path,
    preview: Path | None = None,
    frame: Path | None = None,
    enhanced: bool = True,
    side_max: int = MASTER_SIDE_MAX,
) -> Prepared:
    """Write the master of one photo and what belongs to it, or raise `Unusable`.

    Without corners they are looked for. The frame is written only if the photo was cut.
    """
    decoded = decode(source, side_needed=_side_needed(quad, side_max))
    outline = None
    if quad is None:
        turns = 0 if decoded.is_told else faces.quarter_turns(decoded.pixels)
        decoded = _turned(decoded, turns)
        outline = _outlined(decoded)
        quad = outline.quad if outline.applied else None
        side_needed = _side_needed(quad, side_max)
        if min(decoded.side, side_needed) > max(decoded.pixels.shape[:2]):
            decoded = _turned(decode(source, side_needed=side_needed), turns)
    elif is_whole(quad):
        quad = None
    try:
        pixels = _finished(decoded.pixels, quad, side_max)
    except geometry.UnusableCorners as error:
        raise Unusable("corners-unusable", str(error)) from error
    if quad and frame:
        whole = _shrunk(decoded.pixels, side_max)
        _save_jpeg(whole, decoded.kept, frame, quality=FRAME_QUALITY)
    if enhanced and not decoded.is_enhanced:
        pixels = enhancing.enhance(pixels)
        keeping.mark_enhanced(decoded.kept)
    _save_jpeg(pixels, decoded.kept, master, quality=MASTER_QUALITY, subsampling=0)
    smaller = _shrunk(pixels, PREVIEW_SIDE_MAX)
    if preview:
        _save_webp(smaller, preview)
    small = _shrunk(smaller, THUMBNAIL_SIDE_MAX)
    _save_webp(small, thumbnail)
    height, width = pixels.shape[:2]
    return Prepared(width, height, blurhash(_shrunk(small, HASHED_SIDE_MAX)), quad, outline)


def _turned(decoded: Decoded, turns: int) -> Decoded:
    """Everything after it, corners and frame as well, speaks of the picture as it stands now."""
    if not turns:
        return decoded
    return replace(decoded, pixels=np.ascontiguousarray(np.rot90(decoded.pixels, turns)))


def _outlined(decoded: Decoded) -> Outlined:
    try:
        found = propose(decoded.pixels)
    except Exception:  # noqa: BLE001  # no fault of ours in looking for corners may cost the photo
        found = UNSURE
    prints = [one.quad for one in found.prints]
    applied = found.is_certain and _encloses_a_print(found.quad, decoded.pixels)
    return Outlined(found.quad, found.confidence, applied, prints)


def _encloses_a_print(quad: Quad, pixels: NDArray[np.uint8]) -> bool:
    height, width = pixels.shape[:2]
    try:
        geometry.corners_in_pixels(quad, width, height)
    except geometry.UnusableCorners:
        return False
    return True


def _save_jpeg(pixels: NDArray[np.uint8], kept: Image.Exif, path: Path, **options: int) -> None:
    Image.fromarray(pixels).save(
        path, "JPEG", icc_profile=tones.srgb_profile(), exif=kept, **options
    )


def _save_webp(pixels: NDArray[np.uint8], path: Path) -> None:
    Image.fromarray(pixels).save(path, "WEBP", quality=WEBP_QUALITY, method=WEBP_EFFORT)


def _side_needed(quad: Quad | None, side_max: int) -> int:
    part = 1.0
    if quad:
        across, down = zip(*quad, strict=True)
        part = max(max(across) - min(across), max(down) - min(down), PART_MIN)
    return round(side_max / part)


def _finished(pixels: NDArray[np.uint8], quad: Quad | None, side_max: int) -> NDArray[np.uint8]:
    return _flattened(pixels, quad, side_max) if quad else _shrunk(pixels, side_max)


def _flattened(pixels: NDArray[np.uint8], quad: Quad, side_max: int) -> NDArray[np.uint8]:
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
