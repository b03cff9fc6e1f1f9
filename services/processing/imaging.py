"""From an uploaded file to a master and a thumbnail; nothing here does anything else.

A file is hostile input: this runs in a child process with limits (see `sandbox.py`). The master is
upright, flat, in sRGB, a JPEG of at most 4096 pixels that carries its colour profile, capture
date, caption and copyright and no other metadata. Faded tones are stretched a little, and a photo
that had to shrink a lot is sharpened a little; nothing else is changed here.
"""

import contextlib
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from pillow_heif import register_heif_opener

from services.processing import geometry, tones

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")
"""What Pillow is told to try; a JPEG with several frames becomes an "MPO" by itself."""

SHRINKING_FORMATS = ("JPEG", "MPO")
PIXELS_MAX, PIXELS_MAX_SHRINKING = 50_000_000, 120_000_000
MASTER_SIDE_MAX, MASTER_QUALITY = 4096, 95
THUMBNAIL_SIDE_MAX, THUMBNAIL_QUALITY = 320, 80
KEPT_TEXT_LENGTH_MAX = 500
SHARPENED_FROM_SHRINK, SHARPENING = 2.0, 0.2

_ORIENTATION, _DESCRIPTION, _COPYRIGHT, _CAPTURED_AT, _DETAILS = (
    0x0112,
    0x010E,
    0x8298,
    0x9003,
    0x8769,
)
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_THEIR_SIDE = (5, 6, 7, 8)


class Unusable(Exception):  # noqa: N818  # what it says of the file, not of us
    """The file cannot become a master, however often we try."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was made of a photo."""

    width: int
    height: int


def prepare(
    source: Path, *, quad: list[tuple[float, float]] | None, master: Path, thumbnail: Path
) -> Prepared:
    """Write the master and the thumbnail of one photo, or raise `Unusable`."""
    _learn_heif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _prepare(source, quad, master, thumbnail)
    except (Unusable, MemoryError):
        raise
    except geometry.UnusableCorners as error:
        raise Unusable("corners-unusable", str(error)) from error
    except UnidentifiedImageError as error:
        raise Unusable("not-a-photo", "We could not open this file as a picture.") from error
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error
    # Decoders raise from a dozen families; all of them mean that the file is broken.
    except Exception as error:
        raise Unusable("file-damaged", "The file is damaged and cannot be read.") from error


def _prepare(
    source: Path, quad: list[tuple[float, float]] | None, master: Path, thumbnail: Path
) -> Prepared:
    with Image.open(source, formats=FORMATS) as image:
        _bound(image)
        kept, orientation = _kept_metadata(image), _orientation(image)
        _decode_small(image, quad)
        image.load()
        picture = tones.to_srgb(image)
    if turn := _UPRIGHT.get(orientation):
        picture = picture.transpose(turn)
    pixels = np.asarray(picture)
    size_before = max(pixels.shape[:2])
    pixels = _flattened(pixels, quad) if quad else _shrunk(pixels, MASTER_SIDE_MAX)
    pixels = tones.recover_contrast(pixels)
    if not quad and size_before / max(pixels.shape[:2]) >= SHARPENED_FROM_SHRINK:
        pixels = _sharpened(pixels)
    Image.fromarray(pixels).save(
        master,
        "JPEG",
        quality=MASTER_QUALITY,
        subsampling=0,
        icc_profile=tones.srgb_profile(),
        exif=kept,
    )
    Image.fromarray(_shrunk(pixels, THUMBNAIL_SIDE_MAX)).save(
        thumbnail, "WEBP", quality=THUMBNAIL_QUALITY
    )
    height, width = pixels.shape[:2]
    return Prepared(width, height)


def _bound(image: Image.Image) -> None:
    shrinks = image.format in SHRINKING_FORMATS
    if image.width * image.height > (PIXELS_MAX_SHRINKING if shrinks else PIXELS_MAX):
        raise _too_many_pixels()


def _too_many_pixels() -> Unusable:
    return Unusable("too-many-pixels", f"A photo may have {PIXELS_MAX // 1_000_000} megapixels.")


def _decode_small(image: Image.Image, quad: list[tuple[float, float]] | None) -> None:
    """Let a JPEG shrink while it is decoded, to no less than the master needs."""
    part = 1.0
    if quad:
        across, down = zip(*quad, strict=True)
        part = max(max(across) - min(across), max(down) - min(down), 0.05)
    longest = max(image.size)
    scale = min(1.0, MASTER_SIDE_MAX / (longest * part))
    image.draft(image.mode, (round(image.width * scale), round(image.height * scale)))


def _flattened(pixels: NDArray[np.uint8], quad: list[tuple[float, float]]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    corners = geometry.corners_in_pixels(quad, width, height)
    flat_width, flat_height = geometry.flat_size(corners, width, height)
    scale = min(1.0, MASTER_SIDE_MAX / max(flat_width, flat_height))
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
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _sharpened(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    soft = cv2.GaussianBlur(pixels, (0, 0), 1.0)
    sharp = cv2.addWeighted(pixels, 1 + SHARPENING, soft, -SHARPENING, 0)
    return np.asarray(sharp, dtype=np.uint8)


def _orientation(image: Image.Image) -> int:
    """How the camera was held; libheif has turned its pictures already."""
    if image.format == "HEIF":
        return 1
    with contextlib.suppress(Exception):  # junk in metadata is no fault of the photo
        return int(image.getexif().get(_ORIENTATION, 1))
    return 1


def _kept_metadata(image: Image.Image) -> Image.Exif:
    """Capture date, caption and copyright; not the place, not the camera, not the person."""
    kept = Image.Exif()
    with contextlib.suppress(Exception):
        found = image.getexif()
        texts: dict[int, Any] = {tag: found.get(tag) for tag in (_DESCRIPTION, _COPYRIGHT)}
        for tag, text in texts.items():
            if plain := _plain(text):
                kept[tag] = plain
        if captured_at := _plain(found.get_ifd(_DETAILS).get(_CAPTURED_AT)):
            kept.get_ifd(_DETAILS)[_CAPTURED_AT] = captured_at
    return kept


def _plain(text: object) -> str | None:
    if not isinstance(text, str):
        return None
    return "".join(c for c in text if c.isprintable())[:KEPT_TEXT_LENGTH_MAX].strip() or None


@cache
def _learn_heif() -> None:
    register_heif_opener(thumbnails=False)
    # Our own bound is exact and comes first; Pillow's is the net behind it.
    Image.MAX_IMAGE_PIXELS = PIXELS_MAX_SHRINKING
    cv2.setNumThreads(1)
