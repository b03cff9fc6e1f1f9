"""The good files that are broken: every format, and every way of writing it that we can make."""

from tests.uploads import pictures

SIDE = {"width": 48, "height": 32}


def originals() -> list[bytes]:
    """Small files, so that a broken byte is seldom one of a pixel."""
    jpeg, heic, webp = pictures.jpeg, pictures.heic, pictures.webp
    return [
        jpeg(**SIDE),
        jpeg(**SIDE, progressive=True),
        pictures.mpo(),
        pictures.png(**SIDE),
        webp(**SIDE),
        webp(**SIDE, lossless=True),
        heic(**SIDE),
        pictures.heic_of_tiles(1024, 512),
        pictures.SVG,
        pictures.PDF,
    ]
