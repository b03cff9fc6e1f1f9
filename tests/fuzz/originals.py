"""The good files that are broken: every format, and the ways of writing it that Pillow knows."""

from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from tests.processing.pictures import lab_profile
from tests.uploads import pictures

WIDTH, HEIGHT = 48, 32
"""In small files a broken byte is seldom one of a pixel."""


@cache
def originals() -> list[bytes]:
    """Bytes that are the same in each run with the same libraries."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "Grandmother, 1932"
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return [
        _saved("JPEG", "RGB", exif=exif, icc_profile=srgb),
        _saved("JPEG", "RGB", progressive=True, subsampling=0),
        _saved("JPEG", "RGB", restart_marker_blocks=2),
        _saved("JPEG", "L"),
        _saved("JPEG", "CMYK"),
        pictures.mpo(),
        _saved("PNG", "RGB", exif=exif, icc_profile=srgb),
        _saved("PNG", "RGBA", icc_profile=lab_profile()),
        _saved("PNG", "LA"),
        _saved("PNG", "P", transparency=3),
        _saved("PNG", "1"),
        _saved("PNG", "RGB", save_all=True, append_images=[_picture("RGB").rotate(180)]),
        _saved("PNG", "I;16"),
        _saved("WEBP", "RGB", exif=exif, icc_profile=srgb),
        _saved("WEBP", "RGBA"),
        _saved("WEBP", "RGBA", lossless=True),
        _saved("WEBP", "RGB", save_all=True, append_images=[_picture("RGB").rotate(180)]),
        _saved("HEIF", "RGB", exif=exif),
        _saved("HEIF", "RGBA", quality=90),
        _saved("HEIF", "L"),
        _saved("HEIF", "RGB", save_all=True, append_images=[_picture("RGB").rotate(180)]),
        pictures.heic_of_tiles(1024, 512),
        pictures.SVG,
    ]


def _picture(mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.arange(WIDTH * HEIGHT, dtype=np.uint16).reshape(HEIGHT, WIDTH))
    picture = pictures.picture(WIDTH, HEIGHT)
    if mode.endswith("A"):
        picture.putalpha(picture.getchannel("R"))
    return picture.convert(mode)


def _saved(form: str, mode: str, **options: Any) -> bytes:
    out = BytesIO()
    _picture(mode).save(out, form, **options)
    return out.getvalue()
