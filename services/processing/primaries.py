"""Profiles for pictures that tell their colours by numbers instead (ITU-T H.273, "nclx")."""

import struct
from functools import cache
from typing import Any

DISPLAY_P3, USUAL_TRANSFERS = 12, (1, 2, 6, 13, 14, 15)
"""The primaries of newer phones, and the curves that are shown like sRGB's."""

_D50 = (0.9642, 1.0, 0.8249)
_COLUMNS = {
    b"rXYZ": (0.51512, 0.24120, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.15710, 0.06657, 0.78407),
}
"""Display P3's primaries under D50."""

_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""sRGB's, as ICC's fourth parametric function."""


def profile_of(numbers: dict[str, Any] | None) -> bytes | None:
    """The ICC profile of what the numbers say, or None if that is shown like sRGB anyway.

    HDR (PQ and HLG) is not among them: its tones need more than a profile.
    """
    if not numbers or numbers.get("color_primaries") != DISPLAY_P3:
        return None
    return _display_p3() if numbers.get("transfer_characteristics") in USUAL_TRANSFERS else None


@cache
def _display_p3() -> bytes:
    curve = struct.pack(">4s4xHxx5i", b"para", 3, *_fixed(_CURVE))
    tags = {name: struct.pack(">4s4x3i", b"XYZ ", *_fixed(xyz)) for name, xyz in _COLUMNS.items()}
    tags |= {b"wtpt": struct.pack(">4s4x3i", b"XYZ ", *_fixed(_D50))}
    tags |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    at, table, bodies = 132 + 12 * len(tags), b"", b""
    for name, body in tags.items():
        table += struct.pack(">4sII", name, at + len(bodies), len(body))
        bodies += body
    sort = (0x04200000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    head = struct.pack(">I4xI4s4s4s12x4s", at + len(bodies), *sort)
    head = head.ljust(68, b"\0") + struct.pack(">3i", *_fixed(_D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + bodies


def _fixed(values: tuple[float, ...]) -> list[int]:
    """As s15Fixed16Number."""
    return [round(value * 65_536) for value in values]
