"""Any picture's tones and colours, brought to sRGB without losing what was scanned."""

import contextlib
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageCms

from services.processing import primaries

PROFILE_BYTES_MAX = 4 * 1024 * 1024
DEEP_GREY_MODES = ("I;16", "I;16L", "I;16B", "I;16N")

GAMMA_OF_SRGB, GAMMA_TOLERANCE, GAMMAS = 0.45455, 0.01, (0.1, 5.0)
"""What PNG calls gamma: the usual one, what counts as the same, and what is believable."""

_MODES_OF_PROFILES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_SAMPLES_PER_SIDE = 17
_WHITE = 255
_LINEAR_UP_TO = 0.0031308


@cache
def srgb_profile() -> bytes:
    """The profile every master carries."""
    return _srgb().tobytes()


def opaque(image: Image.Image) -> Image.Image:
    """The picture on white paper, as grey, RGB, CMYK or deep grey; `image` may be painted on."""
    clear = "transparency" in image.info
    if image.mode in DEEP_GREY_MODES:
        return image
    if image.mode == "CMYK":
        # Adobe stores ink inverted and says so by its marker; Pillow takes it for granted.
        return image if "adobe" in image.info else _like(ImageChops.invert(image), image)
    if image.mode in ("1", "L", "LA", "La"):
        image = image.convert("LA" if clear or image.mode in ("LA", "La") else "L")
    elif image.mode != "RGB" or clear:
        image = image.convert("RGBA" if clear or "A" in image.mode.upper() else "RGB")
    if image.mode in ("LA", "RGBA"):
        white = (_WHITE,) * len(image.mode)
        image.paste(white, mask=ImageChops.invert(image.getchannel("A")))
        image = image.convert(image.mode.removesuffix("A"))
    return image


def to_srgb(image: Image.Image) -> Image.Image:
    """What `opaque` made, in sRGB. A profile that does not fit is no reason to refuse the photo."""
    # What littleCMS says of a broken profile comes from several families.
    with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
        profile = _profile(image)
        if image.mode in DEEP_GREY_MODES:
            return _deep_grey(image, profile)
        if image.mode == "L":
            return image.point(_grey_table(image, profile).tolist()).convert("RGB")
        if profile and _MODES_OF_PROFILES.get(_space(profile)) == image.mode:
            return _transformed(image, profile)
        if image.mode == "RGB" and (gamma := gamma_of(image)):
            return image.point(_gamma_table(gamma, 256).tolist() * 3)
    return _without_profile(image)


def deep_to_srgb(pixels: NDArray[np.uint16], gamma: float) -> Image.Image:
    """Height x width x 3 or 4 samples, blue first, on white paper and in sRGB.

    Where a gamma spreads the shadows, the upper eight bits of each sample are too few.
    """
    table = _gamma_table(gamma, 65_536)
    picture = Image.fromarray(table[pixels[..., 2::-1]])
    if pixels.shape[-1] > len("BGR"):
        clear = Image.fromarray(255 - (pixels[..., 3] >> 8).astype(np.uint8))
        picture.paste((_WHITE,) * 3, mask=clear)
    return picture


def profile_bytes(info: Mapping[Any, Any]) -> bytes | None:
    """The profile that a picture carries, or of the numbers it carries instead."""
    return info.get("icc_profile") or primaries.profile_of(info.get("nclx_profile"))


def gamma_of(image: Image.Image) -> float | None:
    """The exponent from light to samples, if the file says one that is not sRGB's own."""
    gamma = image.info.get("gamma")
    if not gamma or "srgb" in image.info or "icc_profile" in image.info:
        return None
    if abs(gamma - GAMMA_OF_SRGB) < GAMMA_TOLERANCE or not GAMMAS[0] <= gamma <= GAMMAS[1]:
        return None
    return float(gamma)


def _profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    found = profile_bytes(image.info)
    if not found or len(found) > PROFILE_BYTES_MAX:
        return None
    return ImageCms.ImageCmsProfile(BytesIO(found))


def _space(profile: ImageCms.ImageCmsProfile) -> str:
    return str(profile.profile.xcolor_space).strip()


def _transformed(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    change = ImageCms.buildTransform(profile, _srgb(), image.mode, "RGB")
    if image.mode == "RGB" and _changes_nothing(change):
        return image
    transformed = ImageCms.applyTransform(image, change)
    assert transformed is not None
    return transformed


def _changes_nothing(change: ImageCms.ImageCmsTransform) -> bool:
    """Most profiles are sRGB under many names; going through all pixels for them is a waste."""
    side = np.linspace(0, 255, _SAMPLES_PER_SIDE).astype(np.uint8)
    samples = np.stack(np.meshgrid(side, side, side), -1).reshape(1, -1, 3)
    seen = ImageCms.applyTransform(Image.fromarray(samples), change)
    return int(np.abs(np.asarray(seen, np.int16) - samples).max()) <= 1


def _deep_grey(image: Image.Image, profile: ImageCms.ImageCmsProfile | None) -> Image.Image:
    """Grey of 16 bits by a table of all its tones; Pillow would make all of it white."""
    tones = np.asarray(image).astype(np.uint16, copy=False)
    grey = _deep_table(image, profile)[tones]
    if (clear := image.info.get("transparency")) is not None:
        grey[tones == clear] = _WHITE
    return Image.fromarray(grey).convert("RGB")


def _deep_table(image: Image.Image, profile: ImageCms.ImageCmsProfile | None) -> NDArray[np.uint8]:
    if profile and _space(profile) == "GRAY":
        ramp = np.arange(65_536, dtype="<u2")
        seen = _transformed(Image.frombytes("I;16", (256, 256), ramp.tobytes()), profile)
        return np.asarray(seen.getchannel(0)).reshape(-1)
    if gamma := gamma_of(image):
        return _gamma_table(gamma, 65_536)
    return _spread(_grey_table(image, profile))


def _grey_table(image: Image.Image, profile: ImageCms.ImageCmsProfile | None) -> NDArray[np.uint8]:
    """What becomes of each of 256 tones of grey."""
    if profile and (mode := _MODES_OF_PROFILES.get(_space(profile))) in ("L", "RGB"):
        ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
        seen = _transformed(ramp.convert(mode), profile)
        return np.asarray(seen.getchannel(1)).reshape(-1)
    if gamma := gamma_of(image):
        return _gamma_table(gamma, 256)
    return np.arange(256, dtype=np.uint8)


def _spread(table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A table of 256 tones for samples of 16 bits."""
    tones = np.interp(np.arange(65_536) / 257, np.arange(256), table)
    return np.rint(tones).astype(np.uint8)


def _gamma_table(gamma: float, tones: int) -> NDArray[np.uint8]:
    """From samples to light by the power that PNG tells, and on to sRGB (IEC 61966-2-1)."""
    light = (np.arange(tones) / (tones - 1)) ** (1 / gamma)
    srgb = np.where(light <= _LINEAR_UP_TO, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    table: NDArray[np.uint8] = np.rint(srgb * 255).astype(np.uint8)
    return table


def _without_profile(image: Image.Image) -> Image.Image:
    if image.mode in DEEP_GREY_MODES:
        return _deep_grey(image, None)
    return image.convert("RGB")


def _like(image: Image.Image, original: Image.Image) -> Image.Image:
    image.info = original.info
    return image


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
