"""What is known of a file once it was looked at, and what it may be at most."""

from dataclasses import dataclass

BYTES_MAX = 50 * 2**20
PIXELS_MAX = 50_000_000
JPEG_PIXELS_MAX = 120_000_000
"""A JPEG is made smaller while it is decoded, so it may be larger."""
SIDE_MIN = 16


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What we learned about a photo without decoding it."""

    media_type: str
    size_bytes: int
    width: int
    height: int
