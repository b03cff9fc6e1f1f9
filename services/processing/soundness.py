"""Whether a file is whole and no bomb, asked before its decoder sees it.

Decoders overlook broken checksums and go over a picture as often as a file tells them to.
"""

import mmap
import re
import struct
import zlib
from pathlib import Path

SCANS_MAX = 100
"""Each scan of a JPEG goes over the whole picture again; cameras and programs write about ten."""

CHUNKS_MAX = 100_000
"""Of a PNG; an encoder that writes 8 KB at a time needs 6,400 for the largest file."""

_SCAN, _END, _WITHOUT_BODY = 0xDA, 0xD9, (0x01, 0xD8)
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")


class TooManyScans(Exception):  # noqa: N818  # says of the file, not of us
    """The JPEG would be gone over more often than any honest one."""


def check(source: Path, form: str | None) -> None:
    """Raise `TooManyScans`, or `ValueError` for what is broken."""
    if form not in ("JPEG", "MPO", "PNG"):
        return
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if form == "PNG":
            _check_png(data)
        # Scans are counted properly only where there may be too many: it takes its time.
        elif _occurrences(data, b"\xff\xda", SCANS_MAX) > SCANS_MAX:
            _check_jpeg(data)


def _occurrences(data: mmap.mmap, wanted: bytes, enough: int) -> int:
    count, position = 0, -1
    while count <= enough and (position := data.find(wanted, position + 1)) >= 0:
        count += 1
    return count


def _check_jpeg(data: mmap.mmap) -> None:
    scans, position = 0, 2
    while (found := _MARKER.search(data, position)) and found[1][0] != _END:
        marker, position = found[1][0], found.end()
        if marker not in _WITHOUT_BODY:
            position += int.from_bytes(data[position : position + 2], "big")
        scans += marker == _SCAN
        if scans > SCANS_MAX:
            raise TooManyScans


def _check_png(data: mmap.mmap) -> None:
    position = 8
    with memoryview(data) as view:
        for _ in range(CHUNKS_MAX):
            length, name = struct.unpack_from(">I4s", data, position)
            end = position + 8 + length
            with view[position + 4 : end] as checked:
                right = zlib.crc32(checked)
            if name[0] < ord("a") and right != struct.unpack_from(">I", data, end)[0]:
                raise ValueError("a chunk that is not as it was written")
            if name == b"IEND":
                return
            position = end + 4
    raise ValueError("too many chunks")
