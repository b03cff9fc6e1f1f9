"""Pictures in the colours of other profiles; the profiles are made by formula.

Samples are computed from light and primaries with NumPy, never by a colour engine: that the
quarters come out as they are in sRGB is a second opinion on littleCMS and on how we use it.
"""

import struct
import zlib
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.corpus import jpegs, pngs, webps
from tests.corpus.boxes import coded, colour_profile, heif
from tests.corpus.variant import GREYS, Colour, Variant, pixels, quarters, saved

Numbers = NDArray[np.float64]

D50: Numbers = np.array((0.9642, 1.0, 0.8249))
D65 = (0.3127, 0.3290)
SRGB = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE_RGB = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060))
GAMMA_OF_ADOBE_RGB = 563 / 256
GAMMA_OF_GREY = 1.8
INKS = ((0, 204, 204, 0), (204, 0, 204, 51), (255, 204, 0, 0), (0, 51, 102, 102))
_BRADFORD = np.array(
    ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
)
_STEPS = 6
"""Of the table of inks: each of `INKS` is one of its nodes."""


def light_of(encoded: Numbers) -> Numbers:
    """Light of sRGB values, both from 0 to 1 (IEC 61966-2-1)."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def srgb_of(light: Numbers) -> Numbers:
    """sRGB values of light, both from 0 to 1."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def xyz_matrix(primaries: tuple[tuple[float, float], ...]) -> Numbers:
    """From light in these primaries to XYZ, white being D65."""
    columns = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in primaries]).T
    x, y = D65
    return np.asarray(columns * np.linalg.solve(columns, (x / y, 1.0, (1 - x - y) / y)))


def in_primaries(of: tuple[tuple[float, float], ...], light: Numbers) -> Numbers:
    """Light in sRGB's primaries as light in others."""
    change = np.linalg.inv(xyz_matrix(of)) @ xyz_matrix(SRGB)
    return np.clip(light @ change.T, 0, 1)


def adapted_to_d50(xyz: Numbers) -> Numbers:
    """Columns of XYZ under D65 as ICC wants them, under D50 (Bradford)."""
    x, y = D65
    ratio = (_BRADFORD @ D50) / (_BRADFORD @ (x / y, 1.0, (1 - x - y) / y))
    return np.asarray(np.linalg.inv(_BRADFORD) @ np.diag(ratio) @ _BRADFORD @ xyz)


def profile(
    space: bytes, tags: dict[bytes, bytes], *, pcs: bytes = b"XYZ ", kind: bytes = b"mntr"
) -> bytes:
    """An ICC profile of version 2 (ICC.1:2001-04)."""
    everything = {b"desc": text(b"desc", "By formula"), b"cprt": text(b"text", "None")} | tags
    everything[b"wtpt"] = _xyz(D50)
    at, table, bodies = 128 + 4 + 12 * len(everything), b"", b""
    for name, body in everything.items():
        padded = body + bytes(-len(body) % 4)
        table += struct.pack(">4sII", name, at + len(bodies), len(body))
        bodies += padded
    head = struct.pack(">I4sI4s4s4s", at + len(bodies), bytes(4), 0x02400000, kind, space, pcs)
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + _xyz(D50)[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", len(everything)) + table + bodies


def text(kind: bytes, words: str) -> bytes:
    """A tag of words."""
    said = words.encode() + b"\0"
    if kind == b"text":
        return b"text" + bytes(4) + said
    return b"desc" + bytes(4) + struct.pack(">I", len(said)) + said + bytes(4 + 4 + 2 + 1 + 67)


def curve(values: Numbers) -> bytes:
    """A tone curve as a table from 0 to 1."""
    return b"curv" + bytes(4) + struct.pack(">I", len(values)) + _sixteen_bits(values)


def gamma_curve(gamma: float) -> bytes:
    """A tone curve as a power."""
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def rgb_profile(primaries: tuple[tuple[float, float], ...], tones: bytes, **more: bytes) -> bytes:
    """A screen, a camera or a working space: three primaries and a tone curve."""
    columns = adapted_to_d50(xyz_matrix(primaries)).T
    tags = {b"rXYZ": _xyz(columns[0]), b"gXYZ": _xyz(columns[1]), b"bXYZ": _xyz(columns[2])}
    tags |= {b"rTRC": tones, b"gTRC": tones, b"bTRC": tones}
    return profile(b"RGB ", tags | {name.encode(): body for name, body in more.items()})


def display_p3(**more: bytes) -> bytes:
    """What iPhones embed."""
    return rgb_profile(DISPLAY_P3, curve(light_of(np.linspace(0, 1, 1024))), **more)


def adobe_rgb() -> bytes:
    """What cameras and scanners embed."""
    return rgb_profile(ADOBE_RGB, gamma_curve(GAMMA_OF_ADOBE_RGB))


def grey_profile() -> bytes:
    """What a grey scan embeds."""
    return profile(b"GRAY", {b"kTRC": gamma_curve(GAMMA_OF_GREY)})


def light_through(inks: Numbers) -> Numbers:
    """Red, green and blue light that a made-up press's inks let pass; parts from 0 to 1."""
    cyan, magenta, yellow, black = np.moveaxis(inks, -1, 0)
    red = (1 - cyan) * (1 - 0.1 * magenta)
    green = (1 - 0.2 * cyan) * (1 - magenta) * (1 - 0.05 * yellow)
    blue = (1 - 0.1 * cyan) * (1 - 0.3 * magenta) * (1 - yellow)
    return np.asarray(np.stack((red, green, blue), -1) * (1 - black)[..., None])


def cmyk_profile() -> bytes:
    """A press: a table from four inks to Lab (lut16Type)."""
    nodes = np.array(list(product(np.linspace(0, 1, _STEPS), repeat=4)))
    xyz = light_through(nodes) @ adapted_to_d50(xyz_matrix(SRGB)).T
    body = struct.pack(">4s4xBBBx", b"mft2", 4, 3, _STEPS)
    body += struct.pack(">9i", *(65536 * (place % 4 == 0) for place in range(9)))
    body += struct.pack(">HH", 2, 2) + struct.pack(">HH", 0, 65535) * 4
    body += np.rint(_lab(xyz) * (652.8, 256, 256) + (0, 32768, 32768)).astype(">u2").tobytes()
    body += struct.pack(">HH", 0, 65535) * 3
    return profile(b"CMYK", {b"A2B0": body}, pcs=b"Lab ", kind=b"prtr")


def ink_shows() -> tuple[Colour, ...]:
    """`INKS` in sRGB."""
    seen = np.rint(srgb_of(light_through(np.array(INKS) / 255)) * 255).astype(int)
    red, green, blue = seen.T.tolist()
    return tuple(zip(red, green, blue, strict=True))


def inked() -> Image.Image:
    """A quarter of each of `INKS`."""
    planes = [quarters(tuple((ink[at],) * 3 for ink in INKS)).convert("L") for at in range(4)]
    return Image.merge("CMYK", planes)


def as_p3() -> Image.Image:
    """The quarters in Display P3."""
    return Image.fromarray(_bytes(srgb_of(in_primaries(DISPLAY_P3, light_of(pixels() / 255)))))


def as_adobe_rgb() -> Image.Image:
    """The quarters in Adobe RGB."""
    return Image.fromarray(
        _bytes(in_primaries(ADOBE_RGB, light_of(pixels() / 255)) ** (1 / GAMMA_OF_ADOBE_RGB))
    )


def as_grey() -> Image.Image:
    """The grey quarters with the curve of `grey_profile`."""
    return Image.fromarray(_bytes(light_of(pixels(GREYS)[..., 0] / 255) ** (1 / GAMMA_OF_GREY)))


def p3_by_numbers() -> bytes:
    """HEIC that has no profile, and says which primaries it means by the number of H.273."""
    written, srgb, display_p3_ = heif(coded(as_p3())), b"nclx\0\x01\0\x0d", b"nclx\0\x0c\0\x0d"
    assert srgb in written
    return written.replace(srgb, display_p3_)


def iccp(icc: bytes) -> bytes:
    """The chunk of a PNG that holds a profile."""
    return pngs.chunk(b"iCCP", b"profile\0\0" + zlib.compress(icc))


def variants() -> list[Variant]:
    """Colour."""
    family, srgb, ignored = "Colour", "brought to sRGB", "a profile that does not fit is ignored"
    wrong_gamma = pngs.chunk(b"gAMA", struct.pack(">I", 100_000))
    return [
        Variant(
            "Display P3 in JPEG",
            family,
            lambda: jpegs.jpeg(as_p3(), icc_profile=display_p3()),
            why=srgb,
            by=10,
        ),
        Variant(
            "Display P3 in PNG",
            family,
            lambda: saved(as_p3(), "PNG", icc_profile=display_p3()),
            why=srgb,
            by=4,
        ),
        Variant(
            "Display P3 in WebP",
            family,
            lambda: webps.webp(as_p3(), lossless=True, icc_profile=display_p3()),
            why=srgb,
            by=4,
        ),
        Variant(
            "Display P3 in HEIC",
            family,
            lambda: heif(coded(as_p3(), colour_profile(display_p3()))),
            why=srgb,
            by=10,
        ),
        Variant("Display P3 in HEIC, told by numbers", family, p3_by_numbers, why=srgb, by=10),
        Variant(
            "Adobe RGB in JPEG",
            family,
            lambda: jpegs.jpeg(as_adobe_rgb(), icc_profile=adobe_rgb()),
            why=srgb,
        ),
        Variant(
            "Adobe RGB in PNG of 16 bits",
            family,
            lambda: pngs.png(
                np.asarray(as_adobe_rgb()).astype(np.uint16) * 257,
                depth=16,
                colour=pngs.RGB,
                before=iccp(adobe_rgb()),
            ),
            why=srgb,
            by=2,
        ),
        Variant(
            "sRGB in JPEG",
            family,
            lambda: jpegs.jpeg(
                icc_profile=rgb_profile(SRGB, curve(light_of(np.linspace(0, 1, 1024))))
            ),
            why="as it is",
        ),
        Variant(
            "grey profile in JPEG",
            family,
            lambda: jpegs.jpeg(as_grey(), icc_profile=grey_profile()),
            why=srgb,
            shows=GREYS,
        ),
        Variant(
            "grey profile in PNG of 16 bits",
            family,
            lambda: pngs.png(
                np.asarray(as_grey()).astype(np.uint16) * 257,
                depth=16,
                colour=pngs.GREY,
                before=iccp(grey_profile()),
            ),
            why=srgb,
            shows=GREYS,
            by=2,
        ),
        Variant(
            "grey with the profile of a screen",
            family,
            lambda: jpegs.jpeg(
                Image.fromarray(
                    _bytes(light_of(pixels(GREYS)[..., 0] / 255) ** (1 / GAMMA_OF_ADOBE_RGB))
                ),
                icc_profile=adobe_rgb(),
            ),
            why=srgb,
            shows=GREYS,
        ),
        Variant(
            "CMYK profile, Adobe's marker",
            family,
            lambda: jpegs.jpeg(inked(), icc_profile=cmyk_profile()),
            why=srgb,
            shows=ink_shows(),
            by=12,
        ),
        Variant(
            "CMYK profile, no marker",
            family,
            lambda: jpegs.without_adobe_marker(
                jpegs.jpeg(jpegs.inverted(inked()), icc_profile=cmyk_profile())
            ),
            why=srgb,
            shows=ink_shows(),
            by=12,
        ),
        Variant(
            "profile and gamma in one PNG",
            family,
            lambda: pngs.png(
                np.asarray(as_p3()),
                depth=8,
                colour=pngs.RGB,
                before=wrong_gamma + iccp(display_p3()),
            ),
            why="the profile counts",
            by=4,
        ),
        Variant(
            "profile of a press on a screen's colours",
            family,
            lambda: jpegs.jpeg(icc_profile=cmyk_profile()),
            why=ignored,
        ),
        Variant(
            "profile of grey on colours",
            family,
            lambda: jpegs.jpeg(icc_profile=grey_profile()),
            why=ignored,
        ),
        Variant(
            "profile that is nonsense",
            family,
            lambda: jpegs.jpeg(icc_profile=b"nonsense" * 99),
            why=ignored,
        ),
        Variant(
            "profile that is cut off",
            family,
            lambda: jpegs.jpeg(icc_profile=display_p3()[:300]),
            why=ignored,
        ),
    ]


def _bytes(values: Numbers) -> NDArray[np.uint8]:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def _sixteen_bits(values: Numbers) -> bytes:
    return np.rint(values * 65535).astype(">u2").tobytes()


def _xyz(values: Numbers) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def _lab(xyz: Numbers) -> Numbers:
    """CIE 1976, white being D50."""
    ratio = np.clip(xyz / D50, 0, None)
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), -1)
