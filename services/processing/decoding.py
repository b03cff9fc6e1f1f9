"""From a stranger's file to upright pixels in sRGB, and the little of its metadata that is kept.

A file is hostile input: this runs in a child process with limits (see `sandbox.py`).
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

from services.processing import tones

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")
"""What Pillow is told to try; a JPEG with several frames becomes an "MPO" by itself."""

SHRINKING_FORMATS = ("JPEG", "MPO")
PIXELS_MAX, PIXELS_MAX_SHRINKING = 50_000_000, 120_000_000
KEPT_TEXT_LENGTH_MAX = 500

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


class Unusable(Exception):  # noqa: N818  # what it says of the file, not of us
    """The file cannot become a master, however often we try."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture (height x width x 3, sRGB, upright) and what of its metadata may be kept."""

    pixels: NDArray[np.uint8]
    kept: Image.Exif


def decode(source: Path, *, side_needed: int) -> Decoded:
    """Open one file, or raise `Unusable`.

    A larger JPEG is made smaller while it is decoded, to no less than `side_needed` pixels on its
    longer side.
    """
    _learn_heif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(source, side_needed)
    except (Unusable, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise Unusable("not-a-photo", "We could not open this file as a picture.") from error
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error
    # Decoders raise from a dozen families; all of them mean that the file is broken.
    except Exception as error:
        raise Unusable("file-damaged", "The file is damaged and cannot be read.") from error


def _decode(source: Path, side_needed: int) -> Decoded:
    with Image.open(source, formats=FORMATS) as image:
        _bound(image)
        kept, orientation = _kept_metadata(image), _orientation(image)
        scale = min(1.0, side_needed / max(image.size))
        image.draft(image.mode, (round(image.width * scale), round(image.height * scale)))
        image.load()
        picture = tones.to_srgb(image)
    if turn := _UPRIGHT.get(orientation):
        picture = picture.transpose(turn)
    return Decoded(np.asarray(picture), kept)


def _bound(image: Image.Image) -> None:
    shrinks = image.format in SHRINKING_FORMATS
    if image.width * image.height > (PIXELS_MAX_SHRINKING if shrinks else PIXELS_MAX):
        raise _too_many_pixels()


def _too_many_pixels() -> Unusable:
    return Unusable("too-many-pixels", f"A photo may have {PIXELS_MAX // 1_000_000} megapixels.")


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
