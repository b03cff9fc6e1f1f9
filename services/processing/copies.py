"""Copies of a pair, before and after. Runs in a child process.

Those for people without an account (`before`, `after`, `card`) are JPEGs of bounded size; the one
for its owner (`jpeg`) has the size of the result. They carry pixels and nothing else: no date, no
place, no caption. What is written into results about their origin belongs into `jpeg` too.
"""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from services.processing.checking import ASPECT_TOLERANCE
from services.processing.copy_names import Name

SIDE_MAX = 1600
QUALITY, QUALITY_TO_KEEP = 86, 95
CARD = (1200, 630)
"""What those who show a link make room for: https://ogp.me, 1.91 to 1."""
CARD_MARGIN = 24
PAPER = (250, 246, 240)
"""The light paper of the app and its pages."""

_RESAMPLING = Image.Resampling.LANCZOS


@dataclass(frozen=True, slots=True)
class Copied:
    """The size of a copy in pixels."""

    width: int
    height: int


def copy(name: Name, *, before: Path, after: Path, target: Path) -> Copied:
    """Write one copy to `target`. The one of before has the very size of the one of after."""
    restored = _opened(after, "PNG", SIDE_MAX)
    if name == "jpeg":
        restored.save(target, "JPEG", quality=QUALITY_TO_KEEP, subsampling=0, optimize=True)
        return Copied(*restored.size)
    restored.thumbnail((SIDE_MAX, SIDE_MAX), _RESAMPLING)
    picture = restored
    if name != "after":
        original = _laid_under(restored, _opened(before, "JPEG", SIDE_MAX))
        picture = original if name == "before" else _card(original, restored)
    picture.save(target, "JPEG", quality=QUALITY, optimize=True)
    return Copied(*picture.size)


def _opened(path: Path, format_: str, side: int) -> Image.Image:
    """The bare pixels: a copy of a picture would take along what is written in it."""
    with Image.open(path, formats=[format_]) as image:
        image.draft("RGB", (side, side))
        pixels = image.convert("RGB")
    pixels.info = {}
    return pixels


def _laid_under(restored: Image.Image, original: Image.Image) -> Image.Image:
    """The original in the size of its result; of another shape it shows whole, on paper."""
    stretch = original.width * restored.height / (original.height * restored.width)
    if abs(stretch - 1) <= ASPECT_TOLERANCE:
        return original.resize(restored.size, _RESAMPLING)
    return ImageOps.pad(original, restored.size, _RESAMPLING, color=PAPER)


def _card(before: Image.Image, after: Image.Image) -> Image.Image:
    """Both beside each other, each whole."""
    width, height = CARD
    card = Image.new("RGB", CARD, PAPER)
    room = ((width - 3 * CARD_MARGIN) // 2, height - 2 * CARD_MARGIN)
    for n, picture in enumerate((before, after)):
        scale = min(room[0] / picture.width, room[1] / picture.height)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        left = CARD_MARGIN + n * (room[0] + CARD_MARGIN) + (room[0] - size[0]) // 2
        card.paste(picture.resize(size, _RESAMPLING), (left, (height - size[1]) // 2))
    return card
