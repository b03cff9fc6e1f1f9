"""Pictures that people have, and files that only attackers have."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()

WIDTH, HEIGHT = 96, 64


def picture(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Noise, which no codec makes small."""
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encoded(form: str, *, width: int = WIDTH, height: int = HEIGHT, **options: Any) -> bytes:
    out = BytesIO()
    picture(width, height).save(out, form, **options)
    return out.getvalue()


def jpeg(width: int = WIDTH, height: int = HEIGHT, **options: Any) -> bytes:
    return encoded("JPEG", width=width, height=height, **options)


def png(width: int = WIDTH, height: int = HEIGHT) -> bytes:
    return encoded("PNG", width=width, height=height)


def webp(width: int = WIDTH, height: int = HEIGHT, **options: Any) -> bytes:
    return encoded("WEBP", width=width, height=height, **options)


def heic(width: int = WIDTH, height: int = HEIGHT, **options: Any) -> bytes:
    return encoded("HEIF", width=width, height=height, **options)


def mpo() -> bytes:
    """What many phones write when asked for a JPEG: two of them in one file."""
    out = BytesIO()
    picture().save(out, "MPO", save_all=True, append_images=[picture()])
    return out.getvalue()


def motion_photo() -> bytes:
    """A JPEG with a film behind its end."""
    film = np.random.default_rng(2).integers(0, 256, 300_000, dtype=np.uint8).tobytes()
    return jpeg() + b"\x00\x00\x00\x18ftypmp42" + film.replace(b"\xff\xd9", b"\xff\xd8")


def jpeg_of(size: int) -> bytes:
    """A JPEG of so many bytes, nearly all of them behind the picture, as the film of a phone is."""
    photo, end = jpeg(), b"\xff\xd9"
    film = bytes(n % 251 for n in range(100_003)) * (size // 100_003 + 1)
    return photo + film[: size - len(photo) - len(end)] + end


def with_metadata(photo: bytes, size: int) -> bytes:
    """A JPEG whose picture begins after `size` bytes of application segments."""
    segment = b"\xff\xe5\xff\xff" + b"m" * 0xFFFD
    return photo[:2] + segment * (size // len(segment) + 1) + photo[2:]


def png_that_claims(width: int, height: int) -> bytes:
    """A few bytes that would become `width` x `height` pixels."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def webp_that_claims(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + size
    return b"RIFF" + struct.pack("<I", len(body)) + body


def heic_that_claims(width: int, height: int) -> bytes:
    """A small HEIC whose sizes are overwritten."""
    photo = heic()
    written = b"ispe" + bytes(4) + struct.pack(">II", WIDTH, HEIGHT)
    assert written in photo
    return photo.replace(written, b"ispe" + bytes(4) + struct.pack(">II", width, height))


HTML = b"<!doctype html><html><body><script>alert(1)</script></body></html>"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n"
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>'
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n"
VIDEO = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(200)
