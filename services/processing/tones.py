"""Any picture's tones and colours, brought to sRGB without losing what was scanned."""

import contextlib
from functools import cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

PROFILE_BYTES_MAX = 4 * 1024 * 1024
DEEP_GREY_MODES = ("I;16", "I;16L", "I;16B", "I;16N")

# A print is called faded when its tones fill less than this part of the scale. Fuller ones are
# left alone, and a nearly even surface is no photo to stretch.
FADED_RANGE_MAX, EVEN_RANGE_MAX = 190, 24
GAIN_MAX = 1.25
TAILS_PERCENT = 0.1


@cache
def srgb_profile() -> bytes:
    """The profile every master carries."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def to_srgb(image: Image.Image) -> Image.Image:
    """An RGB picture on white, in sRGB, whatever the mode and profile it came with."""
    profile = image.info.get("icc_profile")
    image = _shallow(image)
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        image = _on_white(image.convert("RGBA"))
    if profile and len(profile) <= PROFILE_BYTES_MAX:
        # A profile that is broken or made for other colours is no reason to refuse the photo.
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError):
            return _transformed(image, profile)
    return image.convert("RGB")


def recover_contrast(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Stretch the tones of a faded print a little; any other picture is returned as it is.

    One line for all three channels, so that colours keep their hue; the gain is bounded, and only
    the outermost thousandth of the tones may be clipped.
    """
    sample = pixels[:: max(1, pixels.shape[0] // 512), :: max(1, pixels.shape[1] // 512)]
    low, high = np.percentile(sample, (TAILS_PERCENT, 100 - TAILS_PERCENT))
    tones = float(high - low)
    if not EVEN_RANGE_MAX < tones < FADED_RANGE_MAX:
        return pixels
    gain = min(GAIN_MAX, 255 / tones)
    # The middle of the tones moves towards the middle of the scale only as far as it must.
    middle = (float(low) + float(high)) / 2
    target = min(max(middle, gain * tones / 2), 255 - gain * tones / 2)
    line = (np.arange(256, dtype=np.float64) - middle) * gain + target
    table = np.clip(np.rint(line), 0, 255).astype(np.uint8)
    return table[pixels]


def _shallow(image: Image.Image) -> Image.Image:
    """Grey of 16 bits as grey of 8; Pillow's own conversion would make all of it white."""
    if image.mode in ("F", "I"):
        tones = np.asarray(image)
        scale = 257 if tones.max(initial=0) > np.iinfo(np.uint8).max else 1
        return Image.fromarray(np.clip(tones / scale, 0, 255).astype(np.uint8))
    if image.mode in DEEP_GREY_MODES:
        return Image.fromarray(
            (np.asarray(image).astype(np.uint16, copy=False) >> 8).astype(np.uint8)
        )
    return image


def _on_white(image: Image.Image) -> Image.Image:
    paper = Image.new("RGBA", image.size, (255, 255, 255, 255))
    paper.alpha_composite(image)
    return paper.convert("RGB")


def _transformed(image: Image.Image, profile: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    if image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("RGB")
    transformed = ImageCms.profileToProfile(
        image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert transformed is not None
    return transformed
