"""Decide from both ends of a file whether it is a photo we can restore. Pure: bytes in, facts out.

Only headers are read: a hostile file must stay compressed. That the middle decodes as well is for
preparation to find out, in a process that may die of it.
"""

import re
import warnings
from io import BytesIO

from PIL import Image

from services.kit.problems import Problem
from services.uploads import heic
from services.uploads.errors import FileDamaged, PhotoTooLarge, TooManyPixels, TooSmall
from services.uploads.facts import (
    BYTES_MAX,
    JPEG_PIXELS_MAX,
    PIXELS_MAX,
    SIDE_MIN,
    PhotoFacts,
)
from services.uploads.formats import HEIC, JPEG, PNG, WEBP, media_type

# What each needs to be identified; nothing else of Pillow's is ever tried on these bytes.
PILLOW_FORMATS = {JPEG: ("JPEG", "MPO"), PNG: ("PNG",)}

_END_OF_PNG = b"\0\0\0\0IEND\xaeB`\x82"
# Within a scan 0xFF is only followed by a few bytes. Any other marker in the tail ends the picture,
# or belongs to what cameras append behind its end (a second picture, a film).
_BEHIND_JPEG_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xc4\xda\xdb\xdd\xff]")


class HeaderIncomplete(Exception):  # noqa: N818  # says of the bytes at hand, not of the file
    """The header goes on beyond the bytes we have; give more of the beginning."""


def inspect(head: bytes, tail: bytes, *, size: int) -> PhotoFacts:
    """Judge a file of `size` bytes by its first and last ones."""
    if size > BYTES_MAX:
        raise PhotoTooLarge("The file is larger than announced.", bytes_max=BYTES_MAX)
    kind = media_type(head)
    width, height = _dimensions(kind, head, whole=len(head) >= size)
    _check_dimensions(kind, width, height)
    if not _has_its_end(kind, head, tail, size):
        raise damaged()
    return PhotoFacts(kind, size, width, height)


def damaged() -> FileDamaged:
    """The refusal of a file that is cut off or broken."""
    return FileDamaged("The file is cut off or broken. Copy it from its source again, then retry.")


def _dimensions(kind: str, head: bytes, *, whole: bool) -> tuple[int, int]:
    try:
        if kind == HEIC:
            return heic.dimensions(head)
        if kind == WEBP:
            return _webp_dimensions(head)
        return _pillow_dimensions(head, PILLOW_FORMATS[kind])
    except Problem:
        raise
    except Exception as error:  # decoders raise from many families, and mean the same
        raise (damaged() if whole else HeaderIncomplete()) from error


def _pillow_dimensions(head: bytes, formats: tuple[str, ...]) -> tuple[int, int]:
    with warnings.catch_warnings(action="ignore"):
        try:
            with Image.open(BytesIO(head), formats=formats) as picture:
                return picture.size
        except Image.DecompressionBombError as error:
            # Pillow says how many pixels there are in words only.
            number = re.search(r"\((\d+) pixels\)", str(error))
            raise _too_many(int(number[1]) if number else JPEG_PIXELS_MAX + 1, PIXELS_MAX) from None


def _webp_dimensions(head: bytes) -> tuple[int, int]:
    """Read here because Pillow would allocate two whole canvases just to open the file."""
    chunk, body = head[12:16], head[20:30]
    if len(body) < 10:  # noqa: PLR2004
        raise ValueError("no frame")
    if chunk == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if chunk == b"VP8L" and body[0] == 0x2F:  # noqa: PLR2004
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = body[6:8], body[8:10]
        return int.from_bytes(width, "little") & 0x3FFF, int.from_bytes(height, "little") & 0x3FFF
    raise ValueError("no frame")


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


def _has_its_end(kind: str, head: bytes, tail: bytes, size: int) -> bool:
    if kind == PNG:
        return _END_OF_PNG in tail
    if kind == WEBP:
        return 8 + int.from_bytes(head[4:8], "little") <= size
    if kind == HEIC:
        try:
            return heic.end(head, tail, size) <= size
        except ValueError:
            return False
    scan_in_tail = max(0, _jpeg_scan_start(head) - (size - len(tail)))
    return _BEHIND_JPEG_SCAN.search(tail, scan_in_tail) is not None


def _jpeg_scan_start(head: bytes) -> int:
    """Where the compressed picture begins: markers before it say nothing about its end."""
    position = 2
    while (position := head.find(b"\xff", position)) >= 0 and position + 4 <= len(head):
        marker, length = (
            head[position + 1],
            int.from_bytes(head[position + 2 : position + 4], "big"),
        )
        if marker in (0x00, 0xFF):
            position += 1
            continue
        position += 2 + length
        if marker == 0xDA:  # noqa: PLR2004  # start of scan
            return position
    return len(head)
