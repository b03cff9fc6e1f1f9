"""PNG of every depth and colour, written by hand: no library writes all of them."""

import struct
import zlib
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.corpus.variant import (
    COLOURS,
    GREYS,
    HALF_CLEAR,
    HEIGHT,
    TAN,
    WHITE,
    WIDTH,
    Colour,
    Variant,
    half_clear,
    noise,
    pixels,
    quarters,
    saved,
)

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
Samples = NDArray[Any]


def chunk(name: bytes, body: bytes = b"") -> bytes:
    """Length, name, body and checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    samples: Samples, *, depth: int, colour: int, interlaced: bool = False, before: bytes = b""
) -> bytes:
    """A PNG of height x width x channels samples; `before` goes between header and pixels."""
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    rows = b"".join(_rows(samples[y::dy, x::dx], depth) for x, y, dx, dy in passes)
    return (
        SIGNATURE
        + chunk(b"IHDR", header)
        + before
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND")
    )


def _rows(samples: Samples, depth: int) -> bytes:
    """Each row with its filter, none; depths below eight are packed."""
    flat = samples.reshape(samples.shape[0], -1)
    if not flat.size:
        return b""
    if depth == 16:
        return b"".join(b"\0" + row.astype(">u2").tobytes() for row in flat)
    bits = np.unpackbits(flat.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :]
    return b"".join(b"\0" + np.packbits(row.reshape(-1)).tobytes() for row in bits)


def colours(depth: int = 8) -> Samples:
    """The quarters; with 16 bits also the lower byte says something."""
    return pixels() if depth == 8 else pixels().astype(np.uint16) * 257


def grey_tones(depth: int) -> Samples:
    """Four tones of grey; with few bits as many as there are."""
    tones = np.rint(np.array([grey[0] for grey in GREYS]) * (2**depth - 1) / 255).astype(np.uint16)
    return _painted(tones)


def greys_of(depth: int) -> tuple[Colour, ...]:
    """The tones that `depth` bits can tell apart."""
    steps = 2**depth - 1
    tones = (round(round(grey[0] * steps / 255) * 255 / steps) for grey in GREYS)
    return tuple((tone, tone, tone) for tone in tones)


def indices() -> Samples:
    """A number for each quarter."""
    return _painted(np.arange(4, dtype=np.uint16))


def _painted(values: Samples) -> Samples:
    painted = np.empty((HEIGHT, WIDTH), np.uint16)
    painted[: HEIGHT // 2, : WIDTH // 2], painted[: HEIGHT // 2, WIDTH // 2 :] = values[:2]
    painted[HEIGHT // 2 :, WIDTH // 2 :], painted[HEIGHT // 2 :, : WIDTH // 2] = values[2:]
    return painted


def palette(*, clear: bytes = b"", of: tuple[Colour, ...] = COLOURS) -> bytes:
    """PLTE of the quarters, and tRNS when some are transparent."""
    found = chunk(b"PLTE", bytes(part for colour in of for part in colour))
    return found + (chunk(b"tRNS", clear) if clear else b"")


def clear_samples(*, grey: bool, depth: int) -> Samples:
    """The half transparent quarters, or their grey ones."""
    alpha = np.asarray(half_clear())[..., 3:]
    body = grey_tones(8)[..., None] if grey else pixels()
    samples = np.concatenate([body.astype(np.uint16), alpha.astype(np.uint16)], axis=-1)
    return samples * 257 if depth == 16 else samples


def with_gamma(gamma: float, *more: bytes) -> bytes:
    """The quarters as samples that need `gamma` on the screen, and the chunk that says so.

    PNG: sample = light ** gamma. sRGB's own curve is taken as it is, not as 1 / 2.2.
    """
    encoded = np.asarray(pixels(), np.float64) / 255
    light = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    samples = np.rint(light**gamma * 65535).astype(np.uint16)
    said = chunk(b"gAMA", struct.pack(">I", round(gamma * 100_000)))
    return png(samples, depth=16, colour=RGB, before=said + b"".join(more))


def animated() -> bytes:
    """APNG: the first picture, then another one."""
    from PIL import Image  # noqa: PLC0415

    second = Image.new("RGB", (WIDTH, HEIGHT), WHITE)
    return saved(quarters(), "PNG", save_all=True, append_images=[second], duration=100)


def variants() -> list[Variant]:
    """PNG."""
    return [*_grey(), *_colour(), *_clear(), *_special(), *_refused()]


def _grey() -> list[Variant]:
    ramp = np.add(grey_tones(16), np.random.default_rng(3).integers(0, 200, (HEIGHT, WIDTH)))
    return [
        *(
            Variant(
                f"grey of {depth} bit{'s' if depth > 1 else ''}{', interlaced' * interlaced}",
                "PNG",
                lambda depth=depth, interlaced=interlaced: png(  # type: ignore[misc]
                    grey_tones(depth), depth=depth, colour=GREY, interlaced=interlaced
                ),
                shows=greys_of(depth),
                by=2,
                why="all its tones" if depth == 16 else "",
            )
            for depth in (1, 2, 4, 8, 16)
            for interlaced in (False, True)
        ),
        Variant(
            "grey of 16 bits with noise below 8",
            "PNG",
            lambda: png(np.clip(ramp, 0, 65535), depth=16, colour=GREY),
            shows=GREYS,
            by=2,
        ),
    ]


def _colour() -> list[Variant]:
    return [
        *(
            Variant(
                f"RGB of {depth} bits{', interlaced' * interlaced}",
                "PNG",
                lambda depth=depth, interlaced=interlaced: png(  # type: ignore[misc]
                    colours(depth), depth=depth, colour=RGB, interlaced=interlaced
                ),
                by=2,
            )
            for depth in (8, 16)
            for interlaced in (False, True)
        ),
        *(
            Variant(
                f"palette of {depth} bits",
                "PNG",
                lambda depth=depth: png(  # type: ignore[misc]
                    indices(), depth=depth, colour=PALETTE, before=palette()
                ),
                by=2,
            )
            for depth in (2, 4, 8)
        ),
        Variant(
            "palette of 1 bit",
            "PNG",
            lambda: png(indices() % 2, depth=1, colour=PALETTE, before=palette(of=COLOURS[:2])),
            shows=(COLOURS[0], COLOURS[1], COLOURS[0], COLOURS[1]),
            by=2,
        ),
    ]


def _clear() -> list[Variant]:
    family, white = "PNG", "on white paper"
    grey_shown = (WHITE, (177, 177, 177), GREYS[2], GREYS[3])
    key8 = chunk(b"tRNS", struct.pack(">HHH", *TAN))
    key16 = chunk(b"tRNS", struct.pack(">HHH", *(part * 257 for part in TAN)))
    grey_key = chunk(b"tRNS", struct.pack(">H", GREYS[3][0]))
    grey_key16 = chunk(b"tRNS", struct.pack(">H", GREYS[3][0] * 257))
    cut = (*COLOURS[:3], WHITE)
    grey_cut = (*GREYS[:3], WHITE)
    found = [
        Variant(
            "palette with transparency",
            family,
            lambda: png(indices(), depth=8, colour=PALETTE, before=palette(clear=b"\x00\x80")),
            shows=HALF_CLEAR,
        ),
        Variant(
            "RGB with a transparent colour",
            family,
            lambda: png(colours(), depth=8, colour=RGB, before=key8),
            shows=cut,
        ),
        Variant(
            "RGB of 16 bits with a transparent colour",
            family,
            lambda: png(colours(16), depth=16, colour=RGB, before=key16),
            shows=cut,
        ),
        Variant(
            "grey with a transparent tone",
            family,
            lambda: png(grey_tones(8), depth=8, colour=GREY, before=grey_key),
            shows=grey_cut,
        ),
        Variant(
            "grey of 16 bits with a transparent tone",
            family,
            lambda: png(grey_tones(16), depth=16, colour=GREY, before=grey_key16),
            shows=grey_cut,
        ),
    ]
    for depth in (8, 16):
        found += [
            Variant(
                f"grey and alpha of {depth} bits",
                family,
                lambda depth=depth: png(  # type: ignore[misc]
                    clear_samples(grey=True, depth=depth), depth=depth, colour=GREY_ALPHA
                ),
                shows=grey_shown,
            ),
            Variant(
                f"RGB and alpha of {depth} bits",
                family,
                lambda depth=depth: png(  # type: ignore[misc]
                    clear_samples(grey=False, depth=depth), depth=depth, colour=RGBA
                ),
                shows=HALF_CLEAR,
            ),
        ]
    return [Variant(v.name, v.family, v.make, why=white, shows=v.shows, by=3) for v in found]


def _special() -> list[Variant]:
    family = "PNG"
    srgb = chunk(b"sRGB", b"\0")
    wrong = chunk(b"gAMA", struct.pack(">I", 100_000))
    usual = chunk(b"gAMA", struct.pack(">I", 45_455))
    return [
        Variant("gamma 1.0", family, lambda: with_gamma(1.0), why="brought to sRGB"),
        Variant(
            "gamma 1/1.8 of old Macs", family, lambda: with_gamma(1 / 1.8), why="brought to sRGB"
        ),
        Variant(
            "gamma of sRGB",
            family,
            lambda: png(colours(), depth=8, colour=RGB, before=usual),
            why="as it is",
            by=2,
        ),
        Variant(
            "sRGB chunk beside a wrong gamma",
            family,
            lambda: png(colours(), depth=8, colour=RGB, before=wrong + srgb),
            why="the sRGB chunk counts",
            by=2,
        ),
        Variant("animated", family, animated, why="its first picture", by=2),
        Variant(
            "a web page behind the end",
            family,
            lambda: png(colours(), depth=8, colour=RGB) + b"<html><script>alert(1)</script>",
            why="the page is dropped",
            by=2,
        ),
    ]


def _refused() -> list[Variant]:
    family = "PNG"
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, RGB, 0, 0, 0)
    short = (
        SIGNATURE
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(999)))
        + chunk(b"IEND")
    )
    damaged = "file-damaged"
    return [
        Variant(
            "a header whose checksum is wrong",
            family,
            lambda: _good()[:29] + bytes(4) + _good()[33:],
            damaged,
        ),
        Variant(
            "a depth that does not exist",
            family,
            lambda: png(colours(), depth=8, colour=RGB).replace(
                header, header[:8] + b"\3" + header[9:]
            ),
            damaged,
        ),
        Variant(
            "a palette that is missing",
            family,
            lambda: png(indices(), depth=8, colour=PALETTE),
            damaged,
        ),
        Variant("fewer pixels than announced", family, lambda: short, damaged, late=True),
        Variant(
            "broken in the middle",
            family,
            lambda: _whole()[:50_000] + bytes(2_000) + _whole()[52_000:],
            damaged,
            late=True,
        ),
        Variant("cut off in its header", family, lambda: _whole()[:20], damaged),
        Variant("cut off half-way", family, lambda: _whole()[: len(_whole()) // 2], damaged),
        Variant("cut off at the end", family, lambda: _whole()[:-20], damaged),
        Variant("15 pixels wide", family, lambda: saved(noise(15, 64), "PNG"), "too-small"),
        Variant(
            "of an iPhone's app",
            family,
            lambda: SIGNATURE + chunk(b"CgBI", b"\x50\x00\x20\x02") + _good()[8:],
            "format-not-supported",
        ),
    ]


@cache
def _whole() -> bytes:
    return saved(noise(400, 300), "PNG")


@cache
def _good() -> bytes:
    return png(colours(), depth=8, colour=RGB)
