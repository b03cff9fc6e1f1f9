"""The demo's pictures: an old print to begin with, and before and after side by side."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from deploy.local.ageing import age

# A NASA portrait of astronaut Eileen Collins, in the public domain, shipped inside scikit-image.
PORTRAIT = "astronaut.png"
PORTRAIT_BOX = (30, 0, 414, 480)
ENLARGED = 2
AGEING_SEED = 1911
JPEG_QUALITY = 90

PIXELS_MAX = 120_000_000
SHOWN_SIDE_MAX = 2048
STRIP_HEIGHT, MARGIN, FONT_SIZE = 56, 24, 24
PAPER, INK = (250, 248, 244), (70, 64, 58)
FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")
COMPARED_SIZE = (256, 256)
TONE_DEGREE = 4


def old_print(folder: Path) -> Path:
    """Make a photo that needs help, and needs nobody's permission."""
    from skimage import data  # noqa: PLC0415  # half a second, and only here

    source = Path(data.__file__).parent / PORTRAIT
    with Image.open(source, formats=("PNG",)) as portrait:
        cropped = portrait.convert("RGB").crop(PORTRAIT_BOX)
    large = cropped.resize(
        (cropped.width * ENLARGED, cropped.height * ENLARGED), Image.Resampling.LANCZOS
    )
    photo = folder / "photo.jpg"
    aged = age(np.asarray(large)[..., ::-1], seed=AGEING_SEED)  # it speaks OpenCV's BGR
    Image.fromarray(aged[..., ::-1]).save(photo, quality=JPEG_QUALITY)
    return photo


def opened(path: Path) -> Image.Image:
    """Read a picture as a person sees it: upright and in colour."""
    import pillow_heif  # noqa: PLC0415

    pillow_heif.register_heif_opener()
    with Image.open(path, formats=FORMATS) as picture:
        if picture.width * picture.height > PIXELS_MAX:
            raise ValueError(f"{path.name} has too many pixels.")
        return ImageOps.exif_transpose(picture).convert("RGB")


def for_a_screen(picture: Image.Image) -> Image.Image:
    """Make a large picture as small as can be looked at."""
    shown = picture.copy()
    shown.thumbnail((SHOWN_SIDE_MAX, SHOWN_SIDE_MAX), Image.Resampling.LANCZOS)
    return shown


def side_by_side(before: Image.Image, after: Image.Image, *, label: str) -> Image.Image:
    """Put both at one height above a calm strip that says which is which."""
    height = after.height
    left = before.resize(
        (round(before.width * height / before.height), height), Image.Resampling.LANCZOS
    )
    width = left.width + after.width + 3 * MARGIN
    sheet = Image.new("RGB", (width, height + 2 * MARGIN + STRIP_HEIGHT), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_SIZE)
    places = ((MARGIN, left, "before"), (left.width + 2 * MARGIN, after, f"after: {label}"))
    for x, picture, words in places:
        sheet.paste(picture, (x, MARGIN))
        middle = (x + picture.width / 2, height + MARGIN + (STRIP_HEIGHT + MARGIN) / 2)
        pen.text(middle, words, fill=INK, font=font, anchor="mm")
    return sheet


def difference(before: Image.Image, after: Image.Image) -> float:
    """Tell how far apart two pictures are: the mean of levels, 0 to 255."""
    first, second = (_pixels(picture) for picture in (before, after))
    return float(np.abs(first - second).mean())


def colourfulness(picture: Image.Image) -> float:
    """Tell how much colour there is that brightness alone does not explain.

    A sepia or yellowed print has one colour per shade of grey, so what is left of it is small.
    """
    red, green, blue = np.moveaxis(_pixels(picture), 2, 0).reshape(3, -1)
    grey = (red + green + blue) / 3
    left_over = 0.0
    for opponents in (red - green, (red + green) / 2 - blue):
        tone = np.polynomial.Polynomial.fit(grey, opponents, TONE_DEGREE)
        left_over += float(np.std(opponents - tone(grey)))
    return left_over


def _pixels(picture: Image.Image) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    return np.asarray(picture.resize(COMPARED_SIZE, Image.Resampling.BOX), dtype=np.float32)
