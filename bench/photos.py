"""Photos to measure with: a mosaic of what scikit-image ships, with a sensor's noise, as files.

Made once and kept in `.rekindle/bench-photos`. Astronaut and rocket are NASA's and in the public
domain, coffee, chelsea and motorcycle are CC0 or free to use: see scikit-image's data registry.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pillow_heif import register_heif_opener
from skimage import data

from deploy.local.places import PRIVATE

FOLDER = PRIVATE / "bench-photos"
SOURCES = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "motorcycle_left.png")
ACROSS, DOWN = 3, 2
OWN_PHOTOS_MAX = 40
NOISE_SIDE, NOISE_LUMA, NOISE_COLOUR = 512, 5.0, 3.0
HELD_UPRIGHT = 6
"""The EXIF orientation of a phone that was held upright."""

SIZES = {"12 MP": (4000, 3000), "48 MP": (8000, 6000)}
SETTINGS: dict[str, dict[str, Any]] = {
    "jpg": {"format": "JPEG", "quality": 90},
    "png": {"format": "PNG", "compress_level": 6},
    "webp": {"format": "WEBP", "quality": 90, "method": 3},
    "heic": {"format": "HEIF", "quality": 80},
}


def photo(size: str, ending: str) -> Path:
    """The file of that size and format, with the orientation that a camera would write."""
    path = FOLDER / f"{size.replace(' ', '').lower()}.{ending}"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        register_heif_opener()
        exif = Image.Exif()
        exif[0x0112] = HELD_UPRIGHT
        partial = path.with_suffix(".partial")
        Image.fromarray(_mosaic(*SIZES[size])).save(partial, exif=exif, **SETTINGS[ending])
        partial.rename(path)
    return path


def clean_pictures(side: int) -> dict[str, NDArray[np.uint8]]:
    """The pictures themselves, height x width x 3, of about that many pixels on the longer side."""
    return {name: np.asarray(_fitted(name, side)) for name in SOURCES}


def of_folder(folder: Path, side: int) -> dict[str, NDArray[np.uint8]]:
    """Some photos of one's own (BGR), of that many pixels on the longer side, by their names."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in {".jpg", ".png"})
    found = {}
    for path in paths[:: max(1, len(paths) // OWN_PHOTOS_MAX)]:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is not None:
            scale = side / max(picture.shape)
            found[path.name] = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale), np.uint8)
    return found


def _shipped(name: str) -> Image.Image:
    return Image.open(Path(data.__file__).parent / name, formats=("JPEG", "PNG"))


def _fitted(name: str, side: int) -> Image.Image:
    with _shipped(name) as image:
        picture = image.convert("RGB")
    scale = side / max(picture.size)
    size = (round(picture.width * scale), round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _mosaic(width: int, height: int) -> NDArray[np.uint8]:
    sheet = Image.new("RGB", (width, height))
    cell = (width // ACROSS + 1, height // DOWN + 1)
    for place in range(ACROSS * DOWN):
        with _shipped(SOURCES[place % len(SOURCES)]) as image:
            piece = image.convert("RGB").resize(cell, Image.Resampling.LANCZOS)
        sheet.paste(piece, (place % ACROSS * (cell[0] - 1), place // ACROSS * (cell[1] - 1)))
    pixels = np.array(sheet)
    dice = np.random.default_rng(1)
    noise = dice.normal(0, NOISE_LUMA, (NOISE_SIDE, NOISE_SIDE, 1))
    noise = noise + dice.normal(0, NOISE_COLOUR, (NOISE_SIDE, NOISE_SIDE, 3))
    for top in range(0, height, NOISE_SIDE):
        for left in range(0, width, NOISE_SIDE):
            part = pixels[top : top + NOISE_SIDE, left : left + NOISE_SIDE]
            noisy = part + noise[: part.shape[0], : part.shape[1]]
            part[:] = np.clip(noisy, 0, 255)
    return pixels
