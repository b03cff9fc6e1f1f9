"""Where the parts of a picture's file are (segments, chunks, boxes), and their length fields."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

PARTS_MAX = 400
CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"iinf": 6, b"dinf": 0, b"iref": 4}
"""Boxes that hold boxes, and how many bytes come before the first."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part from `start` to `end`; its length is written at `length_at`."""

    start: int
    end: int
    length_at: int
    length_bytes: int
    order: Literal["big", "little"]

    def with_length(self, data: bytearray, length: int) -> None:
        """Claim another length than the true one."""
        wrapped = length % (1 << 8 * self.length_bytes)
        field = slice(self.length_at, self.length_at + self.length_bytes)
        data[field] = wrapped.to_bytes(self.length_bytes, self.order)


def parts(data: bytes) -> list[Part]:
    """The parts that can be found; none in a file of another sort."""
    if data[:2] == b"\xff\xd8":
        found = _segments(data)
    elif data[:4] == b"\x89PNG":
        found = _chunks(data)
    elif data[:4] == b"RIFF":
        found = _riff(data)
    else:
        found = _boxes(data, 0, len(data))
    return [part for part, _ in zip(found, range(PARTS_MAX), strict=False)]


def mend_checksums(data: bytearray) -> None:
    """Give every chunk of a PNG a right checksum: without it decoders look no further."""
    if data[:4] != b"\x89PNG":
        return
    for part in parts(bytes(data)):
        end = part.end - 4
        if end >= part.start + 8:
            checksum = zlib.crc32(data[part.start + 4 : end])
            data[end : end + 4] = checksum.to_bytes(4, "big")


def _segments(data: bytes) -> Iterator[Part]:
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD9:
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end > len(data):
            return
        yield Part(at, end, at + 2, 2, "big")
        at = max(end, at + 2)


def _chunks(data: bytes) -> Iterator[Part]:
    at = 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            return
        yield Part(at, end, at, 4, "big")
        at = end


def _riff(data: bytes) -> Iterator[Part]:
    yield Part(0, len(data), 4, 4, "little")
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        if end > len(data):
            return
        yield Part(at, end, at + 4, 4, "little")
        at = end


def _boxes(data: bytes, at: int, until: int) -> Iterator[Part]:
    while at + 8 <= until:
        end = at + int.from_bytes(data[at : at + 4], "big")
        if not at + 8 <= end <= until:
            return
        yield Part(at, end, at, 4, "big")
        inside = CONTAINERS.get(data[at + 4 : at + 8])
        if inside is not None:
            yield from _boxes(data, at + 8 + inside, end)
        at = end
