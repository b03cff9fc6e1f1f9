"""Pictures whose right outcome is known."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms
from pillow_heif import register_heif_opener

Pixels = NDArray[np.uint8]

RED, GREEN, BLUE, GREY = (225, 20, 20), (20, 200, 20), (20, 40, 225), (128, 128, 128)


def corners(width: int = 320, height: int = 240) -> Image.Image:
    """Four coloured quarters, so that one sees which way is up: red, green, blue, grey."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = RED
    pixels[: height // 2, width // 2 :] = GREEN
    pixels[height // 2 :, width // 2 :] = BLUE
    pixels[height // 2 :, : width // 2] = GREY
    return Image.fromarray(pixels)


def textured(width: int, height: int, seed: int = 1) -> Image.Image:
    """Soft blobs over the whole scale of tones: nothing for an enhancer to do."""
    noise = np.random.default_rng(seed).random((12, 16, 3), np.float32)
    pixels = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))


def saved(path: Path, image: Image.Image, kind: str = "PNG", **options: Any) -> Path:
    register_heif_opener()
    image.save(path, kind, **options)
    return path


def deep_grey_png(path: Path, tones: NDArray[np.uint16]) -> Path:
    """A 16-bit grey PNG, written by hand: Pillow must not have its say."""
    height, width = tones.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in tones)
    header = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def seen_from_the_side(print_: Image.Image) -> tuple[Image.Image, list[tuple[float, float]]]:
    """A print on a dark table as a camera with perspective sees it, and its corners."""
    width, height = print_.size
    camera = np.array([[1000.0, 0, 600], [0, 1000.0, 450], [0, 0, 1]])
    tilt = np.deg2rad(35)
    turned = np.array(
        [[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]]
    )
    flat = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2)
    points = np.c_[flat, np.zeros(4)] @ turned.T + (0, 0, 1000)
    projected = points @ camera.T
    corners_ = (projected[:, :2] / projected[:, 2:]).astype(np.float32)
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(source - 0.5, corners_ - 0.5)
    seen = cv2.warpPerspective(
        np.asarray(print_), matrix, (1200, 900), borderValue=(20, 20, 20), flags=cv2.INTER_AREA
    )
    quad = [(float(x) / 1200, float(y) / 900) for x, y in corners_]
    return Image.fromarray(np.asarray(seen, np.uint8)), quad


def lab_profile() -> bytes:
    """A profile other than sRGB that every littlecms can make."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def at(pixels: Pixels, across: float, down: float) -> tuple[int, int, int]:
    """The colour at a place that is given in parts of the picture."""
    height, width = pixels.shape[:2]
    red, green, blue = pixels[int(down * height), int(across * width)]
    return int(red), int(green), int(blue)
