"""What the header of a PNG tells (ISO/IEC 15948)."""

import zlib

from services.uploads.formats import not_supported
from services.uploads.reading import number, part

CHUNKS_MAX = 4_096
"""Before the first pixels; programs write about ten."""

_SIGNATURE_BYTES, _HEADER_BYTES, _CHUNK_BYTES = 8, 13, 12
_PALETTE = 3
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), _PALETTE: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""By colour type."""

_SIDE_MAX = 2**31 - 1
_END = b"\0\0\0\0IEND\xaeB`\x82"


def dimensions(head: bytes) -> tuple[int, int]:
    """Width and height as stored."""
    if part(head, _SIGNATURE_BYTES + 4, 4) == b"CgBI":
        raise not_supported("PNG", which="that were made for an iPhone's app")
    length, name = number(head, _SIGNATURE_BYTES, 4), part(head, _SIGNATURE_BYTES + 4, 4)
    checked = part(head, _SIGNATURE_BYTES + 4, 4 + _HEADER_BYTES)
    after = _SIGNATURE_BYTES + 8 + _HEADER_BYTES
    if (length, name) != (_HEADER_BYTES, b"IHDR") or zlib.crc32(checked) != number(head, after, 4):
        raise ValueError("no header")
    width, height = number(checked, 4, 4), number(checked, 8, 4)
    depth, colour = checked[12], checked[13]
    if depth not in _DEPTHS.get(colour, ()) or not (0 < width <= _SIDE_MAX >= height > 0):
        raise ValueError("a header that says nothing")
    if colour == _PALETTE and b"PLTE" not in _chunks_before_pixels(head, after + 4):
        raise ValueError("no palette")
    return width, height


def has_end(head: bytes, tail: bytes, size: int) -> bool:  # noqa: ARG001  # all formats are asked so
    """Whether the last chunk is there."""
    return _END in tail


def _chunks_before_pixels(head: bytes, position: int) -> set[bytes]:
    names: set[bytes] = set()
    for _ in range(CHUNKS_MAX):
        name = part(head, position + 4, 4)
        if name == b"IDAT":
            return names
        names.add(name)
        position += _CHUNK_BYTES + number(head, position, 4)
    raise ValueError("too many chunks")
