"""What the header of a JPEG tells: its sort, its size, and how often it is gone through (T.81)."""

import re
from collections.abc import Iterator

from services.uploads.formats import not_supported
from services.uploads.reading import CutOff, number

SCANS_MAX = 100
"""Each scan goes over the whole picture again; cameras and programs write about ten."""

PROGRESSIVE_BYTES_MAX = 800_000_000
"""A progressive picture is kept as coefficients until its last scan, two bytes for each sample.

A decoder has a gigabyte. 120 megapixels in three colours need 720 MB, in the four of print 960 MB.
"""

SEGMENTS_MAX = 10_000

_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_OF_JPEG_LS = 0xF7
_FRAMES = {*range(0xC0, 0xD0), _OF_JPEG_LS} - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN, _START, _END = 0xDA, 0xD8, 0xD9
_WITHOUT_BODY = (0x01, _START)
_BITS, _COEFFICIENT_BYTES = 8, 2
_COMPONENTS = (1, 3, 4)
_AS_BASELINE = "Save it as JPEG without \u201cprogressive\u201d, or smaller, and upload that."

# Within a scan 0xFF is only followed by a few bytes, which are no markers of segments. In the tail
# tables and further scans do not end the picture either; anything else does, or belongs to what
# cameras append behind its end (a second picture, a film).
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
_BEHIND_SCANS = re.compile(rb"\xff[^\x00\xd0-\xd7\xc4\xda\xdb\xdd\xff]")


def dimensions(head: bytes) -> tuple[int, int]:
    """Width and height as stored; the scans that can be seen are counted as well."""
    size, scans = None, 0
    for marker, body in _segments(head):
        if marker in _FRAMES:
            size = _size(head, body, marker)
        elif marker == _START_OF_SCAN:
            scans += 1
        if scans > SCANS_MAX:
            raise not_supported("JPEG", which=f"of more than {SCANS_MAX} scans")
    if not size or not scans:
        raise CutOff
    return size


def has_end(head: bytes, tail: bytes, size: int) -> bool:
    """Whether the tail goes on behind the compressed picture."""
    scans = (body for marker, body in _segments(head) if marker == _START_OF_SCAN)
    in_tail = max(0, next(scans, len(head)) - (size - len(tail)))
    return _BEHIND_SCANS.search(tail, in_tail) is not None


def _segments(head: bytes) -> Iterator[tuple[int, int]]:
    """Each segment up to the end of the picture or of `head`: its marker, and where its body is."""
    position = len(b"\xff\xd8")
    for _ in range(SEGMENTS_MAX):
        found = _MARKER.search(head, position)
        if found is None or found[1][0] == _END:
            return
        marker, position = found[1][0], found.end()
        yield marker, position
        if marker not in _WITHOUT_BODY:
            if position + 2 > len(head):
                return
            position += number(head, position, 2)
    raise ValueError("too many segments")


def _size(head: bytes, position: int, marker: int) -> tuple[int, int]:
    bits, components = number(head, position + 2, 1), number(head, position + 7, 1)
    if marker == _OF_JPEG_LS:
        raise not_supported("JPEG-LS")
    if marker not in (_BASELINE, _EXTENDED, _PROGRESSIVE):
        # No browser shows them either. Arithmetic coding could be read, but nobody takes photos
        # with it, and it costs many times as much.
        raise not_supported("lossless, hierarchical or arithmetic JPEG")
    if bits != _BITS:
        raise not_supported(f"{bits}-bit JPEG")
    if components not in _COMPONENTS:
        raise ValueError("a strange number of colours")
    height, width = number(head, position + 3, 2), number(head, position + 5, 2)
    if not width or not height:
        raise ValueError("no size")
    if marker == _PROGRESSIVE:
        samples = width * height * _samples_per_pixel(head, position + 8, components)
        if samples * _COEFFICIENT_BYTES > PROGRESSIVE_BYTES_MAX:
            raise not_supported("progressive JPEG", _AS_BASELINE, which="of this size")
    return width, height


def _samples_per_pixel(head: bytes, position: int, components: int) -> float:
    """One for each colour that has all pixels, less for those that have fewer."""
    across_down = [divmod(number(head, position + 3 * i + 1, 1), 16) for i in range(components)]
    densest = max(across for across, _ in across_down) * max(down for _, down in across_down)
    return sum(across * down for across, down in across_down) / max(densest, 1)
