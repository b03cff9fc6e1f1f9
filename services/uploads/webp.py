"""What the header of a WebP tells (RFC 9649).

Read here because Pillow would allocate two whole canvases just to open the file.
"""

from services.uploads.reading import number, part

_FIRST_CHUNK, _BODY = 12, 20
_LOSSLESS_SIGNATURE, _LOSSY_SIGNATURE = b"\x2f", b"\x9d\x01\x2a"
_SIDE_BITS = 0x3FFF


def dimensions(head: bytes) -> tuple[int, int]:
    """Width and height of the canvas as stored."""
    name = part(head, _FIRST_CHUNK, 4)
    if name == b"VP8X":
        width, height = (number(head, _BODY + at, 3, "little") for at in (4, 7))
        return 1 + width, 1 + height
    if name == b"VP8L" and part(head, _BODY, 1) == _LOSSLESS_SIGNATURE:
        bits = number(head, _BODY + 1, 4, "little")
        return 1 + (bits & _SIDE_BITS), 1 + (bits >> 14 & _SIDE_BITS)
    if name == b"VP8 " and part(head, _BODY + 3, 3) == _LOSSY_SIGNATURE:
        width, height = (number(head, _BODY + at, 2, "little") for at in (6, 8))
        return width & _SIDE_BITS, height & _SIDE_BITS
    raise ValueError("no frame")


def has_end(head: bytes, tail: bytes, size: int) -> bool:  # noqa: ARG001  # all formats are asked so
    """Whether the file is as long as it says."""
    return 8 + number(head, 4, 4, "little") <= size
