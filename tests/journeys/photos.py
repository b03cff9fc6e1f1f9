"""Photos as people have them, made by the tests: a faded scene with a face-like shape in it."""

from io import BytesIO
from pathlib import Path
from zlib import crc32

import numpy as np
import pillow_heif
from PIL import Image, ImageDraw, ImageFilter

GPS_IFD, DESCRIPTION, ORIENTATION = 0x8825, 0x010E, 0x0112


def faded_scene(width: int = 640, height: int = 800) -> Image.Image:
    """A sepia scene of low contrast, with grain and a few scratches."""
    picture = Image.new("L", (width, height), 120)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, int(height * 0.7), width, height), fill=80)
    draw.ellipse((width * 0.3, height * 0.2, width * 0.7, height * 0.6), fill=190)
    draw.rectangle((width * 0.25, height * 0.6, width * 0.75, height), fill=60)
    for x in (0.42, 0.58):
        draw.ellipse(
            (width * x - 12, height * 0.36 - 8, width * x + 12, height * 0.36 + 8), fill=40
        )
    picture = picture.filter(ImageFilter.GaussianBlur(2))
    grain = np.random.default_rng(7).normal(0, 4, (height, width))
    tones = np.clip(np.asarray(picture) * 0.55 + 70 + grain, 0, 255)
    sepia = np.stack([tones, tones * 0.86, tones * 0.68], axis=-1).astype(np.uint8)
    result = Image.fromarray(sepia)
    scratches = ImageDraw.Draw(result)
    for n in range(3):
        scratches.line(
            (width * (0.1 + 0.3 * n), 0, width * (0.15 + 0.3 * n), height), fill=(245, 240, 225)
        )
    return result


def jpeg(path: Path, *, orientation: int = 1, size: tuple[int, int] = (640, 800)) -> Path:
    """A JPEG with an orientation and a place in its EXIF, as phones write them.

    Its name is in it as well: two photos are never the same file.
    """
    exif = Image.Exif()
    exif[DESCRIPTION] = path.name
    exif[ORIENTATION] = orientation
    exif.get_ifd(GPS_IFD)[1] = "N"
    faded_scene(*size).save(path, "JPEG", quality=92, exif=exif)
    return path


def heic(path: Path) -> Path:
    """A HEIC photo with HEVC inside, as iPhones write them."""
    pillow_heif.from_pillow(faded_scene()).save(path, quality=90)
    return path


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG whose header promises far more pixels than there are bytes."""
    small = BytesIO()
    Image.new("L", (1, 1)).save(small, "PNG")
    data = bytearray(small.getvalue())
    data[16:20], data[20:24] = width.to_bytes(4, "big"), height.to_bytes(4, "big")
    data[29:33] = crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)
