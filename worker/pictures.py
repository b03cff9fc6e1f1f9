"""From a file's bytes to pixels and back, and whether a result can be shown to anyone."""

from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from worker.failures import AttemptError

Picture = NDArray[np.uint8]  # height x width x 3, BGR

FORMATS = ("JPEG", "PNG", "WEBP")
PIXELS_MAX = 60_000_000
SHORT_SIDE_LEAST = 16
LONG_SIDE_MAX = 4_096  # a panorama is bounded by this side
PNG_COMPRESSION = 3
BLANK_DEVIATION = 3.0  # grey levels
SIXTEEN_BITS = ("I", "I;16", "I;16B", "I;16L")


def decode(data: bytes, *, short_side_max: int) -> Picture:
    """Decode a photo upright, its shorter side at most `short_side_max`, never enlarged."""
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as photo:
            if photo.width * photo.height > PIXELS_MAX:
                raise AttemptError("input", f"the photo has over {PIXELS_MAX} pixels")
            if min(photo.size) < SHORT_SIDE_LEAST:
                raise AttemptError("input", f"a side has under {SHORT_SIDE_LEAST} pixels")
            size = _bounded(photo.size, short_side_max)
            photo.draft("RGB", size)  # a large JPEG is decoded at a fraction of its size
            return _pixels(ImageOps.exif_transpose(photo), short_side_max)
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise AttemptError("input", "this is no photo in a format we know") from None
    except (OSError, ValueError, SyntaxError):
        raise AttemptError("input", "the photo is damaged and cannot be decoded") from None


def encode(picture: Picture) -> bytes:
    stored, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, PNG_COMPRESSION])
    if not stored:
        raise AttemptError("model", "the result could not be encoded")
    return data.tobytes()


def check_result(photo: Picture, result: Picture) -> None:
    """Refuse what nobody should see. The service checks again, and more."""
    if result.dtype != np.uint8 or result.shape != photo.shape:
        raise AttemptError("model", f"the result has the shape {result.shape}")
    if float(photo.std()) > BLANK_DEVIATION > float(result.std()):
        raise AttemptError("model", "the result is blank")


def blend(photo: Picture, result: Picture, *, strength: float) -> Picture:
    """Mix the result with what it was made of: 1 is the result alone."""
    mixed = cv2.addWeighted(result, strength, photo, 1 - strength, 0)
    return np.asarray(mixed, np.uint8)


def without_colour(picture: Picture) -> Picture:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)


def _bounded(size: tuple[int, int], short_side_max: int) -> tuple[int, int]:
    scale = min(1.0, short_side_max / min(size), LONG_SIDE_MAX / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _pixels(photo: Image.Image, short_side_max: int) -> Picture:
    if photo.mode in SIXTEEN_BITS:
        photo = Image.fromarray((np.asarray(photo, np.float32) / 257).astype(np.uint8))
    if photo.has_transparency_data:
        photo = photo.convert("RGBA")
        paper = Image.new("RGBA", photo.size, "white")
        photo = Image.alpha_composite(paper, photo)
    photo = photo.convert("RGB")
    size = _bounded(photo.size, short_side_max)
    if size != photo.size:
        photo = photo.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.ascontiguousarray(np.asarray(photo)[..., ::-1])
