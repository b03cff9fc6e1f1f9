"""From a file to a picture of some side and a thumbnail, as other libraries do it.

Told on the command line by which of them, from which file and to which side; then `go` as often as
it is to be done. Nothing but the library that is asked for is loaded, so that peaks are its own.
"""

import json
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

THUMBNAIL_SIDE = 320
QUALITY, THUMBNAIL_QUALITY = 90, 80
FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")

Way = Callable[[Path, int], tuple[int, int]]
"""Does it, and gives the size of the larger picture."""


def entropy(path: Path, side: int) -> tuple[int, int]:  # noqa: ARG001
    """The floor of every way: decode the least a JPEG's coefficients give, an eighth of it."""
    from PIL import Image  # noqa: PLC0415

    with Image.open(path, formats=FORMATS) as image:
        image.draft(image.mode, (8, 8))
        image.load()
        return image.size


def decoded(path: Path, side: int) -> tuple[int, int]:  # noqa: ARG001
    """The floor of a picture that keeps its pixels: decode all of them."""
    from PIL import Image  # noqa: PLC0415

    with Image.open(path, formats=FORMATS) as image:
        image.load()
        return image.size


def copied(path: Path, side: int) -> tuple[int, int]:
    """Decode, fit and encode one JPEG as a master is encoded, and no more."""
    from PIL import Image  # noqa: PLC0415

    with Image.open(path, formats=FORMATS) as image:
        image.thumbnail((side, side))
        image.save(BytesIO(), "JPEG", quality=95, subsampling=0)
        return image.size


def pillow(path: Path, side: int) -> tuple[int, int]:
    """Pillow, which shrinks a JPEG while it decodes it."""
    from PIL import Image, ImageOps  # noqa: PLC0415

    with Image.open(path, formats=FORMATS) as image:
        image.draft("RGB", (side, side))
        image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
        upright = ImageOps.exif_transpose(image).convert("RGB")
    upright.save(BytesIO(), "JPEG", quality=QUALITY)
    size = upright.size
    upright.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    upright.save(BytesIO(), "JPEG", quality=THUMBNAIL_QUALITY)
    return size


def pillow_heif(path: Path, side: int) -> tuple[int, int]:
    """Pillow, which has learnt HEIC."""
    from pillow_heif import register_heif_opener  # noqa: PLC0415

    register_heif_opener()
    return pillow(path, side)


def opencv(path: Path, side: int) -> tuple[int, int]:
    """OpenCV, which has flags for a JPEG's half, quarter and eighth."""
    import cv2  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    cv2.setNumThreads(1)
    with Image.open(path, formats=FORMATS) as image:
        shrink = max(image.size) / side
    flags = {
        2: cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_COLOR_8,
    }
    fitting = [flag for factor, flag in flags.items() if factor <= shrink]
    pixels: Any = cv2.imread(str(path), fitting[-1] if fitting else cv2.IMREAD_COLOR)
    pixels = _fitted(cv2, pixels, side)
    cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    small = _fitted(cv2, pixels, THUMBNAIL_SIDE)
    cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, THUMBNAIL_QUALITY])
    return pixels.shape[1], pixels.shape[0]


def pyvips(path: Path, side: int) -> tuple[int, int]:
    """libvips, which streams what it can."""
    import pyvips as vips  # noqa: PLC0415

    vips.cache_set_max(0)  # the same file again must not be had for nothing
    picture = vips.Image.thumbnail(str(path), side, height=side, size="down").copy_memory()
    if picture.hasalpha():
        picture = picture.flatten(background=255)
    picture.jpegsave_buffer(Q=QUALITY, keep="none")
    small = picture.thumbnail_image(THUMBNAIL_SIDE, height=THUMBNAIL_SIDE)
    small.jpegsave_buffer(Q=THUMBNAIL_QUALITY, keep="none")
    return picture.width, picture.height


WAYS: dict[str, Way] = {
    way.__name__: way for way in (entropy, decoded, copied, pillow, pillow_heif, opencv, pyvips)
}


def main(ways: dict[str, Way]) -> None:
    """Do it one way, whenever told; without asyncio, whose memory would be counted."""
    name, path, side = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        size = ways[name](path, side)
        print(json.dumps({"did": max(size), "wall_s": time.perf_counter() - began}), flush=True)


def _fitted(cv2: Any, pixels: Any, side: int) -> Any:
    height, width = pixels.shape[:2]
    scale = side / max(width, height)
    size = (round(width * scale), round(height * scale))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    main(WAYS)
