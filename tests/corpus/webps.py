"""WebP: lossy, lossless, with alpha, moving."""

import struct
from functools import cache

from PIL import Image

from tests.corpus.jpegs import orientation, stored_for
from tests.corpus.variant import (
    GREYS,
    HALF_CLEAR,
    HEIGHT,
    WHITE,
    WIDTH,
    Variant,
    greys,
    half_clear,
    noise,
    quarters,
    saved,
)


def webp(image: Image.Image | None = None, **options: object) -> bytes:
    """A good WebP of the quarters."""
    given: dict[str, object] = {"quality": 95} | options
    return saved(image or quarters(), "WEBP", **given)


def chunk(name: bytes, body: bytes) -> bytes:
    """Name, length, body, and a zero when its length is odd."""
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def riff(*chunks: bytes) -> bytes:
    """A WebP of chunks."""
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def extended(width: int, height: int, flags: int = 0) -> bytes:
    """The chunk that says how large the canvas is."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return chunk(b"VP8X", bytes((flags, 0, 0, 0)) + size)


def animated(frames: int = 2) -> bytes:
    """A moving WebP that begins with the quarters."""
    white = Image.new("RGB", (WIDTH, HEIGHT), WHITE)
    black = Image.new("RGB", (WIDTH, HEIGHT))
    more = [(white, black)[number % 2] for number in range(frames - 1)]
    return webp(save_all=True, append_images=more, duration=100)


def variants() -> list[Variant]:
    """WebP."""
    family, damaged = "WebP", "file-damaged"
    white = "on white paper"
    return [
        Variant("lossy", family, webp, by=8),
        Variant("lossless", family, lambda: webp(lossless=True), by=1),
        Variant("grey", family, lambda: webp(greys()), shows=GREYS, by=8),
        Variant(
            "lossy with alpha",
            family,
            lambda: webp(half_clear()),
            why=white,
            shows=HALF_CLEAR,
            by=8,
        ),
        Variant(
            "lossless with alpha",
            family,
            lambda: webp(half_clear(), lossless=True),
            why=white,
            shows=HALF_CLEAR,
            by=2,
        ),
        Variant("animated", family, animated, why="its first picture", by=8),
        Variant(
            "EXIF orientation 6",
            family,
            lambda: webp(stored_for(6), exif=orientation(6)),
            why="turned upright once",
            by=8,
        ),
        Variant("bytes behind the end", family, lambda: webp(lossless=True) + b"PK\3\4" * 50, by=1),
        Variant(
            "a canvas that is not its picture's",
            family,
            lambda: riff(extended(1600, 1200), webp(lossless=True)[12:]),
            damaged,
            late=True,
        ),
        Variant(
            "a frame that is no picture",
            family,
            lambda: riff(chunk(b"VP8L", b"\x2f" + struct.pack("<I", 159 | 119 << 14) + bytes(99))),
            damaged,
            late=True,
        ),
        Variant(
            "no frame at all", family, lambda: riff(extended(WIDTH, HEIGHT)), damaged, late=True
        ),
        Variant("cut off in its header", family, lambda: _whole()[:20], damaged),
        Variant("cut off half-way", family, lambda: _whole()[: len(_whole()) // 2], damaged),
        Variant("cut off at the end", family, lambda: _whole()[:-20], damaged),
        Variant("15 pixels high", family, lambda: webp(noise(64, 15)), "too-small"),
    ]


@cache
def _whole() -> bytes:
    return webp(noise(400, 300))
