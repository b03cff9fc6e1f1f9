"""Numbers out of the beginning of a file, of which we may have too little."""

from typing import Literal


class CutOff(Exception):  # noqa: N818  # says of the bytes at hand, not of the file
    """What is wanted lies beyond the bytes we have."""


def part(data: bytes, position: int, length: int) -> bytes:
    """So many bytes from there; `CutOff` if there are fewer."""
    if position + length > len(data):
        raise CutOff
    return data[position : position + length]


def number(data: bytes, position: int, length: int, order: Literal["big", "little"] = "big") -> int:
    """So many bytes from there as a number without sign."""
    return int.from_bytes(part(data, position, length), order)
