"""Photos as people have them, made by the tests: a faded scene with a face-like shape in it."""

from io import BytesIO
from pathlib import Path
from zlib import crc32

import numpy as np
import pillow_heif
from PIL import Image, ImageDraw, ImageFilter

from tests.corpus.boxes import turned
from tests.corpus.heics import of_tiles

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


def cmyk_jpeg(path: Path) -> Path:
    """A JPEG in printing inks, as scanners of print shops write them."""
    faded_scene().convert("CMYK").save(path, "JPEG", quality=92)
    return path


def tiled_heic(path: Path) -> Path:
    """A HEIC as iPhones write it: a grid of tiles, turned by `irot`, with EXIF."""
    lying = faded_scene().transpose(Image.Transpose.ROTATE_90)
    path.write_bytes(of_tiles(turned(3), image=lying, exif=6))
    return path


def on_a_table(path: Path) -> Path:
    """A print on a dark table, as somebody takes a picture of it."""
    table = Image.new("RGB", (900, 1100), (38, 34, 32))
    table.paste(faded_scene(560, 700), (150, 180))
    table.save(path, "JPEG", quality=92)
    return path


def album_page(path: Path) -> Path:
    """Three prints on the dark page of an album, each of another size and none quite straight."""
    page = Image.new("RGB", (1500, 1100), (44, 38, 34))
    places = (((380, 480), 2, (90, 90)), ((420, 330), -3, (900, 120)), ((360, 450), 1, (600, 560)))
    for size, degrees, place in places:
        print_ = faded_scene(*size).convert("RGBA")
        turned = print_.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
        page.paste(turned, place, turned)
    grain = np.random.default_rng(3).normal(0, 2, (page.height, page.width, 3))
    seen = np.clip(np.asarray(page) + grain, 0, 255).astype(np.uint8)
    Image.fromarray(seen).save(path, "JPEG", quality=92)
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
