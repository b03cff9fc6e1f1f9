"""Small files that would cost a lot: refused before they do."""

import struct
import zlib

from tests.corpus import heics, jpegs, pngs, webps
from tests.corpus.boxes import Item, coded, full_box, grid, heif
from tests.corpus.variant import HEIGHT, WIDTH, Variant, quarters

MANY, OTHER, DAMAGED = "too-many-pixels", "format-not-supported", "file-damaged"
TEN_MB = 10 * 2**20


def png_that_claims(width: int, height: int, *, depth: int = 1) -> bytes:
    """A few bytes that would become `width` x `height` pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, pngs.GREY, 0, 0, 0)
    pixels = pngs.chunk(b"IDAT", zlib.compress(bytes(1000)))
    return pngs.SIGNATURE + pngs.chunk(b"IHDR", header) + pixels + pngs.chunk(b"IEND")


def png_with(name: bytes, head: bytes) -> bytes:
    """A good PNG with ten megabytes of zeros in a compressed chunk."""
    body = head + zlib.compress(bytes(TEN_MB), 9)
    return pngs.png(pngs.colours(), depth=8, colour=pngs.RGB, before=pngs.chunk(name, body))


def jpeg_of_scans(scans: int, *, apart: int = 0) -> bytes:
    """A progressive JPEG that repeats its last scan, `apart` bytes behind the one before."""
    whole = jpegs.jpeg(quarters(width=1600, height=1200), progressive=True)
    last = whole.rindex(b"\xff\xda")
    tables = whole.rindex(b"\xff\xc4", 0, last)
    silence = jpegs.segment(0xFE, bytes(0xFFF0))
    pause = silence * (apart // len(silence))
    return whole[:tables] + pause + whole[tables:-2] * scans + b"\xff\xd9"


def webp_of_frames(frames: int) -> bytes:
    """An animation of `frames` small frames."""
    still = webps.webp(lossless=True)
    frame = webps.chunk(
        b"ANMF",
        bytes(6)
        + (WIDTH - 1).to_bytes(3, "little")
        + (HEIGHT - 1).to_bytes(3, "little")
        + bytes(4)
        + still[12:],
    )
    begin = webps.chunk(b"ANIM", bytes(6))
    return webps.riff(webps.extended(WIDTH, HEIGHT, flags=2), begin, *[frame] * frames)


def heic_of_items(items: int) -> bytes:
    """A picture, and very many more that nobody asked for."""
    picture = coded(quarters())
    return heif(picture, *[Item(b"hvc1", b"", picture.properties)] * items)


def heic_of_boxes(boxes: int) -> bytes:
    """Very many empty boxes before the picture."""
    good = heics.heic()
    end = int.from_bytes(good[:4], "big")
    return good[:end] + full_box(b"free") * boxes + good[end:]


def variants() -> list[Variant]:
    """Bombs."""
    family = "Bombs"
    return [
        Variant("PNG of 60,000 x 60,000", family, lambda: png_that_claims(60_000, 60_000), MANY),
        Variant(
            "PNG just over 50 megapixels", family, lambda: png_that_claims(10_000, 5_001), MANY
        ),
        Variant(
            "PNG of 2 to the 31st", family, lambda: png_that_claims(2**31 - 1, 2**31 - 1), MANY
        ),
        Variant("JPEG of 65,500 x 65,500", family, lambda: jpegs.that_claims(65_500, 65_500), MANY),
        Variant(
            "JPEG just over 120 megapixels", family, lambda: jpegs.that_claims(12_000, 10_001), MANY
        ),
        Variant(
            "progressive CMYK JPEG of 120 megapixels",
            family,
            lambda: jpegs.that_claims(12_000, 10_000, "CMYK", progressive=True),
            OTHER,
        ),
        Variant("JPEG of 4,000 scans", family, lambda: jpeg_of_scans(4_000), OTHER),
        Variant(
            "JPEG of 400 scans behind a megabyte of nothing",
            family,
            lambda: jpeg_of_scans(400, apart=2**20),
            OTHER,
            late=True,
        ),
        Variant(
            "WebP of 16,383 x 16,383",
            family,
            lambda: webps.riff(webps.extended(16_383, 16_383)),
            MANY,
        ),
        Variant(
            "WebP of 3,000 frames",
            family,
            lambda: webp_of_frames(3_000),
            why="its first picture",
            by=2,
        ),
        Variant("HEIC of 60,000 x 60,000", family, lambda: heics.that_claims(60_000, 60_000), MANY),
        Variant("HEIC of 4,096 tiles", family, lambda: heics.grid_of([1] * 4096, 64, 64), OTHER),
        Variant(
            "HEIC of 65,025 tiles", family, lambda: heics.grid_of([1] * 65_025, 255, 255), OTHER
        ),
        Variant(
            "HEIC of tiles larger than itself",
            family,
            lambda: heif(
                coded(quarters(width=640, height=640)), grid(1, 1, (WIDTH, HEIGHT), [1]), primary=2
            ),
            why="cut to its size",
            shows=(),
            by=255,
        ),
        Variant("HEIC of 2,000 items", family, lambda: heic_of_items(2_000), OTHER),
        Variant("HEIC of 5,000 boxes", family, lambda: heic_of_boxes(5_000), DAMAGED),
        Variant(
            "PNG with ten megabytes in a zTXt of ten kilobytes",
            family,
            lambda: png_with(b"zTXt", b"Comment\0\0"),
            DAMAGED,
            late=True,
        ),
        Variant(
            "PNG with ten megabytes in an iTXt of ten kilobytes",
            family,
            lambda: png_with(b"iTXt", b"Comment\0\1\0\0\0"),
            DAMAGED,
            late=True,
        ),
        Variant(
            "PNG with ten megabytes in an iCCP of ten kilobytes",
            family,
            lambda: png_with(b"iCCP", b"profile\0\0"),
            DAMAGED,
            late=True,
        ),
    ]
