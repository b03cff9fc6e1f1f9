"""Days of spending as a picture: a bar for each, free below paid below storage and egress."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from services.processing.spending import Day

WIDTH, HEIGHT = 1200, 600
LEFT, RIGHT, TOP, BOTTOM = 90, 30, 90, 60
BAR_SHARE = 0.7
LINES = 4
LABELS_MAX = 16
PAPER, INK, PALE = "#fffdf8", "#2b2a33", "#d9d4c8"
COLOURS = {"free": "#8fb8de", "paid": "#e0a458", "storage": "#7a9e7e", "egress": "#b56576"}
NAMES = {
    "free": "GPU, free tier",
    "paid": "GPU, paid tier",
    "storage": "storage (estimate)",
    "egress": "egress (estimate)",
}


def draw(days: Sequence[Day], out: Path) -> None:
    """Write the picture as PNG."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen = ImageDraw.Draw(picture)
    small, large = ImageFont.load_default(size=16), ImageFont.load_default(size=24)
    total = sum(day.total for day in days)
    title = f"{days[0].day} to {days[-1].day}: ${total:.2f}"
    pen.text((LEFT, 18), title, fill=INK, font=large)
    _legend(pen, small)
    most = max(float(day.total) for day in days) or 0.01
    for line in range(LINES + 1):
        y = HEIGHT - BOTTOM - line * (HEIGHT - TOP - BOTTOM) / LINES
        pen.line((LEFT, y, WIDTH - RIGHT, y), fill=PALE)
        pen.text((LEFT - 8, y), _usd(most * line / LINES), fill=INK, font=small, anchor="rm")
    step = (WIDTH - LEFT - RIGHT) / len(days)
    for number, day in enumerate(days):
        x = LEFT + step * number + step * (1 - BAR_SHARE) / 2
        _bar(pen, day, x=x, width=step * BAR_SHARE, most=most)
        if number % -(-len(days) // LABELS_MAX) == 0:
            middle = (x + step * BAR_SHARE / 2, HEIGHT - BOTTOM + 12)
            pen.text(middle, f"{day.day:%d %b}", fill=INK, font=small, anchor="mt")
    picture.save(out, format="PNG")


def _bar(pen: ImageDraw.ImageDraw, day: Day, *, x: float, width: float, most: float) -> None:
    y = float(HEIGHT - BOTTOM)
    for part, colour in COLOURS.items():
        height = float(getattr(day, part)) / most * (HEIGHT - TOP - BOTTOM)
        if height:
            pen.rectangle((x, y - height, x + width, y), fill=colour)
        y -= height


def _legend(pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> None:
    x = float(LEFT)
    for part, colour in COLOURS.items():
        pen.rectangle((x, 56, x + 14, 70), fill=colour)
        pen.text((x + 22, 54), NAMES[part], fill=INK, font=font)
        x += 22 + pen.textlength(NAMES[part], font=font) + 30


def _usd(amount: float) -> str:
    return f"${amount:.2f}" if amount >= 1 or amount == 0 else f"${amount:.2g}"
