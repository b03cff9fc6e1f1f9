"""Decide from both ends of a file whether it is a photo we can restore. Pure: bytes in, facts out.

Only headers are read: a hostile file must stay compressed. That the middle decodes as well is for
preparation to find out, in a process that may die of it.
"""

from services.kit.problems import Problem
from services.uploads import heic, jpeg, png, webp
from services.uploads.errors import FileDamaged, PhotoTooLarge, TooManyPixels, TooSmall
from services.uploads.facts import (
    BYTES_MAX,
    JPEG_PIXELS_MAX,
    PIXELS_MAX,
    SIDE_MIN,
    PhotoFacts,
)
from services.uploads.formats import HEIC, JPEG, PNG, WEBP, media_type
from services.uploads.reading import CutOff

_DIMENSIONS = {
    JPEG: jpeg.dimensions,
    PNG: png.dimensions,
    WEBP: webp.dimensions,
    HEIC: heic.dimensions,
}
_HAS_END = {JPEG: jpeg.has_end, PNG: png.has_end, WEBP: webp.has_end, HEIC: heic.has_end}


class HeaderIncomplete(Exception):  # noqa: N818  # says of the bytes at hand, not of the file
    """The header goes on beyond the bytes we have; give more of the beginning."""


def inspect(head: bytes, tail: bytes, *, size: int) -> PhotoFacts:
    """Judge a file of `size` bytes by its first and last ones."""
    if size > BYTES_MAX:
        raise PhotoTooLarge("The file is larger than announced.", bytes_max=BYTES_MAX)
    kind = media_type(head)
    width, height = _dimensions(kind, head, whole=len(head) >= size)
    _check_dimensions(kind, width, height)
    if not _HAS_END[kind](head, tail, size):
        raise damaged()
    return PhotoFacts(kind, size, width, height)


def damaged() -> FileDamaged:
    """The refusal of a file that is cut off or broken."""
    return FileDamaged("The file is cut off or broken. Copy it from its source again, then retry.")


def _dimensions(kind: str, head: bytes, *, whole: bool) -> tuple[int, int]:
    try:
        return _DIMENSIONS[kind](head)
    except Problem:
        raise
    except CutOff as error:
        raise (damaged() if whole else HeaderIncomplete()) from error
    except (ValueError, LookupError) as error:
        raise damaged() from error


def _check_dimensions(kind: str, width: int, height: int) -> None:
    pixels_max = JPEG_PIXELS_MAX if kind == JPEG else PIXELS_MAX
    if width * height > pixels_max:
        raise _too_many(width * height, pixels_max)
    if min(width, height) < SIDE_MIN:
        raise TooSmall(
            f"The photo is {width} x {height} pixels; it needs at least {SIDE_MIN} each way.",
            side_min=SIDE_MIN,
        )


def _too_many(pixels: int, pixels_max: int) -> TooManyPixels:
    return TooManyPixels(
        f"The photo has {pixels:,} pixels and may have {pixels_max:,}. Make it smaller and retry.",
        pixels=pixels,
        pixels_max=pixels_max,
    )
