"""Pictures for generated prints: drawn scenes, and the photographs that scikit-image ships."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image

Colours = NDArray[np.float32]
Drawer = Callable[[np.random.Generator], Colours]

SIDE = 720
SEPIA, COLOURLESS = 0.3, 0.55
"""Parts of all pictures that are sepia, and that are sepia or black and white."""

WARM = np.array((1.0, 0.9, 0.72), np.float32)
GREY = np.ones(3, np.float32)

SHIPPED = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")


def chance(rng: np.random.Generator, part: float) -> bool:
    """True in that part of all cases."""
    return bool(rng.random() < part)


def field(rng: np.random.Generator, height: int, width: int, blobs: int) -> Colours:
    """Smooth noise around 0: `blobs` hills on the long side."""
    step = max(height, width) / blobs
    coarse = rng.standard_normal((int(height / step) + 2, int(width / step) + 2), np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def landscape(rng: np.random.Generator) -> Colours:
    """Sky, hills, a house or two."""
    ys, xs = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
    sky = np.float32(rng.uniform(120, 235, 3))
    scene = sky * (0.75 + 0.3 * ys[..., None])
    for depth in range(int(rng.integers(1, 4))):
        line = rng.uniform(0.35, 0.7) + 0.1 * depth
        ridge = line + 0.06 * np.interp(xs[0], np.linspace(0, 1, 9), rng.standard_normal(9)).astype(
            np.float32
        )
        ground = (
            np.float32(rng.uniform(20, 170, 3)) * (1 + 0.2 * field(rng, SIDE, SIDE, 60))[..., None]
        )
        scene = np.where((ys > ridge[None, :])[..., None], ground, scene)
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.uniform(0.05, 0.75, 2) * SIDE
        w, h = rng.uniform(0.08, 0.3, 2) * SIDE
        colour = rng.uniform(20, 230, 3).tolist()
        cv2.rectangle(scene, (int(x), int(y)), (int(x + w), int(y + h)), colour, -1)
    return np.asarray(scene, np.float32)


def portrait(rng: np.random.Generator) -> Colours:
    """One to four people before a backdrop."""
    scene = np.float32(rng.uniform(40, 220, 3)) * (
        1 + 0.25 * field(rng, SIDE, SIDE, int(rng.integers(2, 6)))[..., None]
    )
    scene = np.ascontiguousarray(scene, np.float32)
    people = int(rng.integers(1, 5))
    for person in range(people):
        x = int((person + 0.5 + rng.normal(0, 0.08)) * SIDE / people)
        head = int(SIDE * rng.uniform(0.09, 0.15) / people**0.4)
        y = int(SIDE * rng.uniform(0.28, 0.5))
        clothes = rng.uniform(15, 235, 3).tolist()
        skin = (np.array((215, 170, 140)) * rng.uniform(0.45, 1.1)).tolist()
        hair = (np.array((90, 65, 45)) * rng.uniform(0.2, 1.8)).tolist()
        cv2.ellipse(scene, (x, y + 5 * head), (2 * head, 4 * head), 0, 0, 360, clothes, -1)
        cv2.ellipse(scene, (x, y - head // 4), (head, int(head * 1.3)), 0, 0, 360, hair, -1)
        cv2.ellipse(scene, (x, y), (int(head * 0.8), int(head * 1.1)), 0, 0, 360, skin, -1)
        for side in (-1, 1):
            cv2.circle(scene, (x + side * head // 3, y - head // 5), head // 9, (30, 25, 20), -1)
    return np.asarray(cv2.GaussianBlur(scene, (0, 0), 2), np.float32)


def street(rng: np.random.Generator) -> Colours:
    """Upright and level lines: facades with windows, which look like prints' edges."""
    scene = np.ones((SIDE, SIDE, 3), np.float32) * np.float32(rng.uniform(120, 240, 3))
    x = 0
    while x < SIDE:
        wide, top = int(rng.uniform(0.12, 0.4) * SIDE), int(rng.uniform(0.05, 0.5) * SIDE)
        wall = rng.uniform(30, 210, 3)
        cv2.rectangle(scene, (x, top), (x + wide, SIDE), wall.tolist(), -1)
        window = (wall * rng.uniform(0.3, 0.8)).tolist()
        step = int(rng.uniform(0.05, 0.11) * SIDE)
        for column in range(x + step // 2, x + wide - step // 2, step):
            for row in range(top + step // 2, SIDE - step, step):
                cv2.rectangle(
                    scene, (column, row), (column + step // 2, row + int(step * 0.6)), window, -1
                )
        x += wide
    return np.asarray(scene * (1 + 0.06 * field(rng, SIDE, SIDE, 80))[..., None], np.float32)


def cloudy(rng: np.random.Generator) -> Colours:
    """No lines at all: noise of every size, as a blurred or damaged photo has."""
    base = np.ones((SIDE, SIDE, 3), np.float32) * np.float32(rng.uniform(60, 190, 3))
    for blobs in (3, 8, 20, 60):
        hill = np.dstack([field(rng, SIDE, SIDE, blobs) for _ in range(3)])
        base += hill * rng.uniform(10, 45) * (3 / blobs) ** 0.4
    return np.asarray(np.clip(base, 0, 255), np.float32)


@cache
def _shipped(name: str) -> Colours:
    path = Path(skimage.__file__).with_name("data") / name
    with Image.open(path, formats=("PNG", "JPEG")) as image:
        return np.asarray(image.convert("RGB"), np.float32)


def photograph(rng: np.random.Generator) -> Colours:
    """A piece of one of the shipped photographs, perhaps mirrored."""
    whole = _shipped(str(rng.choice(SHIPPED)))
    height, width = whole.shape[:2]
    tall, wide = (int(side * rng.uniform(0.5, 1)) for side in (height, width))
    top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
    piece = whole[top : top + tall, left : left + wide]
    piece = piece[:, ::-1] if chance(rng, 0.5) else piece
    return np.asarray(cv2.resize(piece, (SIDE, SIDE), interpolation=cv2.INTER_AREA))


DRAWERS: tuple[Drawer, ...] = (photograph, photograph, landscape, portrait, street, cloudy)


def drawn(rng: np.random.Generator, drawers: Sequence[Drawer], *, dark: bool) -> Colours:
    """A picture as time left it: in colour, faded, sepia or black and white."""
    picture = drawers[int(rng.integers(len(drawers)))](rng)
    look = rng.random()
    if look < COLOURLESS:
        grey = picture @ np.array((0.299, 0.587, 0.114), np.float32)
        picture = np.asarray(grey[..., None] * (WARM if look < SEPIA else GREY), np.float32)
    if chance(rng, 0.3):
        picture = picture * rng.uniform(0.5, 0.9) + rng.uniform(20, 60)
    if dark:
        picture = picture * rng.uniform(0.25, 0.5) + 8
    return np.asarray(np.clip(picture, 0, 255), np.float32)


def border(rng: np.random.Generator, *, always: bool = False) -> Colours | None:
    """The colour of a print's white border; six prints in ten have one."""
    if not always and chance(rng, 0.4):
        return None
    return np.asarray(
        rng.uniform(205, 250) * np.array((1, 0.975, 0.93)) ** rng.uniform(0, 1.3), np.float32
    )


def printed(
    rng: np.random.Generator, picture: Colours, aspect: float, rim: Colours | None
) -> Colours:
    """The picture on paper of that shape (width by height)."""
    width, height = round(SIDE * aspect**0.5), round(SIDE / aspect**0.5)
    if rim is None:
        return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))
    thick = int(SIDE * rng.uniform(0.02, 0.07))
    below = thick * 3 if chance(rng, 0.1) else thick
    paper = np.ones((height, width, 3), np.float32) * rim
    inner = cv2.resize(
        picture, (width - 2 * thick, height - thick - below), interpolation=cv2.INTER_AREA
    )
    paper[thick : height - below, thick : width - thick] = inner
    return paper
