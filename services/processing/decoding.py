"""From a stranger's file to upright pixels in sRGB, and the little of its metadata that is kept.

A file is hostile input: this runs in a child process with limits (see `sandbox.py`).
"""

import contextlib
import mmap
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, UnidentifiedImageError
from pillow_heif import open_heif, register_heif_opener

from services.processing import keeping, soundness, tones

Pixels = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")
"""What Pillow is told to try; a JPEG with several frames becomes an "MPO" by itself."""

SHRINKING_FORMATS = ("JPEG", "MPO")
PIXELS_MAX, PIXELS_MAX_SHRINKING = 50_000_000, 120_000_000

_BEGINNINGS = re.compile(rb"\xff\xd8\xff|\x89PNG|RIFF....WEBP|....ftyp", re.DOTALL)
_TURNED_BY_CONTAINER = re.compile(rb"\0\0\0\x09(irot|imir)[\0-\3]")
_PNG_DEPTH_AT = 24
_EXIF_OF_PNG = {"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"}
_ORIENTATION = 0x0112
_UPRIGHT: dict[int, Callable[[Pixels], Any]] = {
    2: lambda pixels: cv2.flip(pixels, 1),
    3: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_180),
    4: lambda pixels: cv2.flip(pixels, 0),
    5: cv2.transpose,
    6: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE),
    7: lambda pixels: cv2.flip(cv2.transpose(pixels), -1),
    8: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


class Unusable(Exception):  # noqa: N818  # what it says of the file, not of us
    """The file cannot become a master, however often we try."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture (height x width x 3, sRGB, upright) and what of its metadata may be kept."""

    pixels: Pixels
    kept: Image.Exif
    side: int
    """The longer side in the file, in pixels: it may have been made smaller on the way."""

    is_told: bool
    """Whether the file says which way the camera was held, be it upright."""

    is_enhanced: bool
    """Whether it is a master of ours, or was made of one."""


def decode(source: Path, *, side_needed: int) -> Decoded:
    """Open one file, or raise `Unusable`.

    A larger picture is made smaller on its way, to no less than `side_needed` pixels on its longer
    side.
    """
    _set_up_decoders()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(source, side_needed)
    except (Unusable, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise _unidentified(source) from error
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error
    # Decoders raise from a dozen families; all of them mean that the file is broken.
    except Exception as error:
        raise _damaged() from error


def _decode(source: Path, side_needed: int) -> Decoded:
    with Image.open(source, formats=FORMATS) as image:
        _bound(source, image)
        exif = _exif(source, image)
        kept, orientation = keeping.kept(image, exif), _orientation(source, image, exif)
        side, is_told = max(image.size), _ORIENTATION in exif
        pixels = _opened(source, image, side_needed)
    if upright := _UPRIGHT.get(orientation):
        pixels = np.asarray(upright(pixels), np.uint8)
    return Decoded(pixels, kept, side, is_told, keeping.is_enhanced(exif))


def _opened(source: Path, image: Image.Image, side_needed: int) -> Pixels:
    gamma = tones.gamma_of(image)
    if gamma and _is_deep_colour(source, image):
        return np.asarray(tones.deep_to_srgb(_deep_pixels(source), gamma))
    pixels = _plain_pixels(source, image)
    if pixels is not None:
        return _in_srgb(_reduced(pixels, side_needed), image.info)
    scale = min(1.0, side_needed / max(image.size))
    image.draft(image.mode, (round(image.width * scale), round(image.height * scale)))
    image.load()
    # The decoder of a WebP keeps two canvases for further frames: 400 MB at 50 megapixels.
    vars(image).pop("_decoder", None)
    picture = tones.opaque(image)
    steps = max(picture.size) // side_needed
    if steps > 1 and picture.mode not in tones.DEEP_GREY_MODES:
        # JPEG did this while it was decoded; here it saves going through all pixels for colour.
        info, picture = picture.info, picture.reduce(steps)
        picture.info = info
    return np.asarray(tones.to_srgb(picture))


def _plain_pixels(source: Path, image: Image.Image) -> Pixels | None:
    """Opaque RGB straight from its decoder: Pillow would copy it up to three times."""
    if image.mode != "RGB" or image.format in SHRINKING_FORMATS or "transparency" in image.info:
        return None
    if image.format == "HEIF":
        file = open_heif(source)
        picture = file[file.primary_index]
        # The rows of libheif are longer than the picture.
        return np.asarray(picture)[:, : picture.size[0]]
    if getattr(image, "is_animated", False) or tones.gamma_of(image):
        return None
    vars(image).pop("_decoder", None)
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imread(str(source), flags)
    if pixels is None:
        raise ValueError("not the picture that its header announced")
    return np.asarray(pixels, np.uint8)


def _reduced(pixels: Pixels, side_needed: int) -> Pixels:
    height, width = pixels.shape[:2]
    steps = max(height, width) // side_needed
    if steps <= 1:
        return pixels
    size = (-(-width // steps), -(-height // steps))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _in_srgb(pixels: Pixels, info: dict[str | tuple[int, int], Any]) -> Pixels:
    if not tones.profile_bytes(info):
        return pixels
    picture = Image.fromarray(pixels)
    picture.info = dict(info)
    converted = tones.to_srgb(picture)
    return pixels if converted is picture else np.asarray(converted)


def _bound(source: Path, image: Image.Image) -> None:
    """Refuse from the header what would cost too much, or is broken without decoders minding."""
    shrinks = image.format in SHRINKING_FORMATS
    if image.width * image.height > (PIXELS_MAX_SHRINKING if shrinks else PIXELS_MAX):
        raise _too_many_pixels()
    try:
        soundness.check(source, image.format)
    except soundness.TooManyScans as error:
        detail = f"We cannot read JPEG files of more than {soundness.SCANS_MAX} scans."
        instead = "Save it as JPEG or PNG and upload that."
        raise Unusable("format-not-supported", f"{detail} {instead}") from error


def _is_deep_colour(source: Path, image: Image.Image) -> bool:
    """A PNG with 16 bits per channel, of which Pillow would keep eight."""
    if image.format != "PNG" or image.mode in tones.DEEP_GREY_MODES:
        return False
    with source.open("rb") as file:
        return file.read(_PNG_DEPTH_AT + 1)[_PNG_DEPTH_AT] > np.iinfo(np.uint8).bits


def _deep_pixels(source: Path) -> NDArray[np.uint16]:
    pixels = cv2.imread(str(source), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise ValueError("not the picture that its header announced")
    return np.asarray(pixels, np.uint16)


def _exif(source: Path, image: Image.Image) -> Image.Exif:
    with contextlib.suppress(Exception):  # junk in metadata is no fault of the photo
        # Pillow unpacks all of a PNG to look for EXIF behind its pixels, and we do not need that.
        if image.format != "PNG" or _EXIF_OF_PNG & image.info.keys() or _mentions(source, b"eXIf"):
            return image.getexif()
    return Image.Exif()


def _mentions(source: Path, word: bytes) -> bool:
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(word) >= 0


def _orientation(source: Path, image: Image.Image, exif: Image.Exif) -> int:
    """How the camera was held, unless what it says of itself was followed already."""
    try:
        if image.format != "HEIF":
            return int(exif.get(_ORIENTATION, 1))
        told = image.info.get("original_orientation") or 1
        # libheif has turned the picture as its container says; EXIF then says the same once more.
        return 1 if told == 1 or _TURNED_BY_CONTAINER.search(source.read_bytes()) else told
    except Exception:  # noqa: BLE001  # junk in metadata is no fault of the photo
        return 1


def _unidentified(source: Path) -> Unusable:
    with source.open("rb") as file:
        if _BEGINNINGS.match(file.read(12)):
            return _damaged()
    return Unusable("not-a-photo", "We could not open this file as a picture.")


def _damaged() -> Unusable:
    return Unusable("file-damaged", "The file is damaged and cannot be read.")


def _too_many_pixels() -> Unusable:
    return Unusable("too-many-pixels", f"A photo may have {PIXELS_MAX // 1_000_000} megapixels.")


@cache
def _set_up_decoders() -> None:
    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    # Our own bounds are exact and come first; Pillow's are the net behind them.
    Image.MAX_IMAGE_PIXELS = PIXELS_MAX_SHRINKING
    PngImagePlugin.MAX_TEXT_CHUNK = tones.PROFILE_BYTES_MAX
    cv2.setNumThreads(1)
