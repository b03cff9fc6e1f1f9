"""One file of the corpus, and the picture that all good ones show."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pillow_heif import register_heif_opener

register_heif_opener()

ACCEPTED = "accepted"
Colour = tuple[int, int, int]

RED, GREEN, BLUE, TAN = (225, 20, 20), (20, 200, 20), (20, 40, 225), (190, 150, 110)
WHITE = (255, 255, 255)
COLOURS: tuple[Colour, ...] = (RED, GREEN, BLUE, TAN)
GREYS: tuple[Colour, ...] = tuple((tone, tone, tone) for tone in (40, 100, 160, 220))
WIDTH, HEIGHT = 160, 120


@dataclass(frozen=True)
class Variant:
    """A file, and what is to become of it.

    `shows` are the colours of its quarters as seen upright (upper left, upper right, lower right,
    lower left), each within `by` of 255; `size` is width and height as seen upright.
    """

    name: str
    family: str
    make: Callable[[], bytes]
    expected: str = ACCEPTED
    """`accepted`, or the code of the refusal."""
    why: str = ""
    """What becomes of it, or what makes it special."""
    late: bool = False
    """Its header tells nothing: it is refused only while it is decoded."""
    shows: tuple[Colour, ...] = COLOURS
    by: int = 6
    size: tuple[int, int] = (WIDTH, HEIGHT)

    @cached_property
    def data(self) -> bytes:
        """The file, the same bytes whenever it is made with the same libraries."""
        return self.make()


def quarters(
    colours: tuple[Colour, ...] = COLOURS, width: int = WIDTH, height: int = HEIGHT
) -> Image.Image:
    """Four even quarters, so that one sees which way is up and whether colours are right."""
    return Image.fromarray(pixels(colours, width, height))


def pixels(
    colours: tuple[Colour, ...] = COLOURS, width: int = WIDTH, height: int = HEIGHT
) -> NDArray[np.uint8]:
    """The same as an array of height x width x 3."""
    painted = np.empty((height, width, 3), np.uint8)
    upper, left = slice(height // 2), slice(width // 2)
    lower, right = slice(height // 2, None), slice(width // 2, None)
    places = ((upper, left), (upper, right), (lower, right), (lower, left))
    for place, colour in zip(places, colours, strict=True):
        painted[place] = colour
    return painted


def greys() -> Image.Image:
    """Four tones of grey, one channel."""
    return quarters(GREYS).convert("L")


def half_clear() -> Image.Image:
    """The quarters, the upper left one wholly and the upper right one half transparent."""
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[: HEIGHT // 2, : WIDTH // 2] = 0
    alpha[: HEIGHT // 2, WIDTH // 2 :] = 128
    picture = quarters()
    picture.putalpha(Image.fromarray(alpha))
    return picture


def on_white(colour: Colour, alpha: int) -> Colour:
    """What a transparent colour looks like on white paper."""
    red, green, blue = (round(255 - (255 - part) * alpha / 255) for part in colour)
    return red, green, blue


HALF_CLEAR = (WHITE, on_white(GREEN, 128), BLUE, TAN)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An image as Pillow or pillow-heif writes it."""
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Noise, which no codec makes small: a part of it that is missing is missed."""
    values = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)
