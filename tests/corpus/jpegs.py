"""JPEG: what cameras, phones, scanners and printers' shops write, and its sorts nobody reads."""

import re
import struct
from functools import cache

import numpy as np
from PIL import Image, ImageChops

from tests.corpus.variant import (
    COLOURS,
    GREYS,
    Variant,
    greys,
    noise,
    quarters,
    saved,
)

NO_BASELINE = "format-not-supported"
_SOF0 = b"\xff\xc0\x00\x11\x08"
UNTURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What makes a stored picture of an upright one, by EXIF orientation."""


def jpeg(image: Image.Image | None = None, **options: object) -> bytes:
    """A good JPEG of the quarters."""
    given: dict[str, object] = {"quality": 95, "subsampling": 0} | options
    return saved(image or quarters(), "JPEG", **given)


def segment(marker: int, body: bytes) -> bytes:
    """A marker and what it carries."""
    return struct.pack(">BBH", 0xFF, marker, 2 + len(body)) + body


def with_segments(photo: bytes, *segments: bytes) -> bytes:
    """A JPEG with more segments right behind its beginning."""
    return photo[:2] + b"".join(segments) + photo[2:]


def orientation(number: int) -> Image.Exif:
    """EXIF that says nothing but how the camera was held."""
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


def stored_for(number: int) -> Image.Image:
    """The quarters as a camera stores them that is held so."""
    turn = UNTURN.get(number)
    return quarters().transpose(turn) if turn is not None else quarters()


def cmyk(*, adobe: bool) -> bytes:
    """Ink instead of light. With Adobe's marker the ink is stored inverted, without it is not."""
    ink = inverted(quarters())
    black = Image.new("L", ink.size, 0)
    inks = Image.merge("CMYK", (*ink.split(), black))
    if adobe:  # Pillow inverts, and writes the marker
        return jpeg(inks)
    return without_adobe_marker(jpeg(inverted(inks)))


def without_adobe_marker(photo: bytes) -> bytes:
    """The same JPEG, whose reader does not know who wrote it."""
    at = photo.index(b"\xff\xee\x00\x0eAdobe")
    return photo[:at] + photo[at + 16 :]


def inverted(image: Image.Image) -> Image.Image:
    """Light for ink, and ink for light."""
    return ImageChops.invert(image)


def ycck() -> bytes:
    """CMYK turned into a luminance and two differences, as Photoshop does."""
    ink = inverted(quarters()).convert("YCbCr")
    planes = Image.merge("CMYK", (*ink.split(), Image.new("L", ink.size, 255)))
    written = jpeg(inverted(planes))
    at = written.index(b"\xff\xee\x00\x0eAdobe") + 15
    assert written[at] == 0
    return written[:at] + b"\x02" + written[at + 1 :]


def with_frame(marker: int, precision: int = 8, components: int = 3) -> bytes:
    """A baseline JPEG whose frame header says that it is something else."""
    written = jpeg()
    at = written.index(_SOF0)
    header = bytearray(written[at : at + 19])
    header[1], header[4], header[9] = marker, precision, components
    return written[:at] + bytes(header) + written[at + 19 :]


def that_claims(width: int, height: int, mode: str = "RGB", **options: object) -> bytes:
    """A small JPEG whose header says that it is large."""
    written = jpeg(quarters().convert(mode), **options)
    frame = re.search(rb"\xff[\xc0\xc2]\x00[\x11\x14]\x08", written)
    assert frame
    at = frame.end()
    return written[:at] + struct.pack(">HH", height, width) + written[at + 4 :]


def mpo() -> bytes:
    """Two JPEGs in one file: what phones write for depth, gain maps and 3D."""
    second = quarters(tuple(reversed(COLOURS)))
    options = {"quality": 95, "subsampling": 0, "save_all": True, "append_images": [second]}
    return saved(quarters(), "MPO", **options)


def motion_photo() -> bytes:
    """A JPEG with a film behind its end."""
    film = np.random.default_rng(2).integers(0, 256, 300_000, dtype=np.uint8).tobytes()
    return jpeg() + b"\x00\x00\x00\x18ftypmp42" + film.replace(b"\xff\xd9", b"\xff\xd8")


def variants() -> list[Variant]:
    """JPEG."""
    return [*_accepted(), *_turned(), *_refused()]


def _accepted() -> list[Variant]:
    family = "JPEG"
    return [
        Variant("baseline", family, jpeg),
        Variant("chroma at half size", family, lambda: jpeg(subsampling=2), by=8),
        Variant("progressive", family, lambda: jpeg(progressive=True)),
        Variant("with restart markers", family, lambda: jpeg(restart_marker_blocks=4)),
        Variant("greyscale", family, lambda: jpeg(greys()), shows=GREYS),
        Variant("stored as RGB", family, lambda: jpeg(keep_rgb=True)),
        Variant("CMYK with Adobe's marker", family, lambda: cmyk(adobe=True), why="not inverted"),
        Variant("CMYK without a marker", family, lambda: cmyk(adobe=False), why="not inverted"),
        Variant("YCCK", family, ycck, why="not inverted"),
        Variant("MPO of a phone", family, mpo, why="its first picture"),
        Variant("motion photo", family, motion_photo, why="the film is dropped"),
        Variant(
            "400 KB of metadata first",
            family,
            lambda: with_segments(jpeg(), *[segment(0xE5, b"m" * 0xFFFD)] * 6),
        ),
        Variant(
            "a few wrong bytes in the picture",
            family,
            lambda: _scratched(jpeg(subsampling=2)),
            why="shown as far as it goes",
            shows=COLOURS[:1],
            by=30,
        ),
        Variant("zeros behind the end", family, lambda: jpeg() + bytes(5000)),
        Variant(
            "16 pixels high", family, lambda: jpeg(quarters(width=64, height=16)), size=(64, 16)
        ),
    ]


def _turned() -> list[Variant]:
    return [
        Variant(
            f"EXIF orientation {number}",
            "JPEG",
            lambda number=number: jpeg(stored_for(number), exif=orientation(number)),  # type: ignore[misc]
            why="turned upright once" if 1 < number < 9 else "as it is",
        )
        for number in (*range(1, 9), 0, 9)
    ]


def _refused() -> list[Variant]:
    family = "JPEG"
    return [
        Variant("12 bits", family, lambda: with_frame(0xC1, precision=12), NO_BASELINE),
        Variant("lossless", family, lambda: with_frame(0xC3), NO_BASELINE),
        Variant("hierarchical", family, lambda: with_frame(0xC5), NO_BASELINE),
        Variant("arithmetic coding", family, lambda: with_frame(0xC9), NO_BASELINE),
        Variant("arithmetic, progressive", family, lambda: with_frame(0xCA), NO_BASELINE),
        Variant("JPEG-LS", family, lambda: with_frame(0xF7), NO_BASELINE),
        Variant("two components", family, lambda: with_frame(0xC0, components=2), "file-damaged"),
        Variant("15 pixels high", family, lambda: jpeg(quarters(width=64, height=15)), "too-small"),
        Variant("cut off in its header", family, lambda: _whole()[:100], "file-damaged"),
        Variant("cut off half-way", family, lambda: _whole()[:60_000], "file-damaged"),
        Variant("cut off at the end", family, lambda: _whole()[:-40], "file-damaged"),
        Variant("a header and no picture", family, lambda: b"\xff\xd8\xff\xd9", "file-damaged"),
    ]


def _scratched(photo: bytes) -> bytes:
    return photo[:-40] + b"\x55\xaa" * 4 + photo[-32:]


@cache
def _whole() -> bytes:
    return saved(noise(400, 300), "JPEG")
