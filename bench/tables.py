"""What generated prints lie on, and the hands that hold them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from bench import pictures
from bench.pictures import field

Colours = NDArray[np.float32]
Corners = NDArray[np.float64]


def plain(rng: np.random.Generator, height: int, width: int) -> Colours:
    """One colour, hardly uneven."""
    return _painted(rng, 0.02 * field(rng, height, width, 6))


def noise(rng: np.random.Generator, height: int, width: int) -> Colours:
    """A carpet or a stone: grain of two sizes."""
    fine = field(rng, height, width, int(rng.integers(150, 400)))
    return _painted(rng, 0.12 * fine + 0.08 * field(rng, height, width, 30))


def wood(rng: np.random.Generator, height: int, width: int) -> Colours:
    """Grain along one direction, often boards with joints."""
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    turn = rng.choice((0, np.pi / 2)) + rng.normal(0, 0.15)
    along, aside = xs * np.cos(turn) + ys * np.sin(turn), ys * np.cos(turn) - xs * np.sin(turn)
    warp = field(rng, height, width, 5)
    grain = 0.09 * np.sin(aside / rng.uniform(3, 9) + 3 * warp)
    grain += 0.06 * field(rng, height, width, 200) + 0.05 * np.sin(along / 300 + warp)
    if pictures.chance(rng, 0.6):
        board = aside / rng.uniform(90, 260)
        tones = rng.normal(0, 0.07, 64).astype(np.float32)
        grain += tones[np.floor(board).astype(int) % 64]
        grain -= 0.45 * np.exp(-(((board % 1) - 0.5) ** 2) / 0.0003)
    brown = np.float32(rng.uniform(0.35, 1.0) * np.array((190, 135, 90)) * rng.normal(1, 0.07, 3))
    return np.asarray(brown * (1 + grain[..., None]), np.float32)


def cloth(rng: np.random.Generator, height: int, width: int) -> Colours:
    """A weave, sometimes chequered, with folds."""
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    turn = rng.uniform(0, np.pi)
    along, aside = xs * np.cos(turn) + ys * np.sin(turn), ys * np.cos(turn) - xs * np.sin(turn)
    thread = rng.uniform(1.2, 4)
    weave = 0.07 * np.sin(along / thread) * np.sin(aside / thread)
    if pictures.chance(rng, 0.45):
        square = rng.uniform(15, 60)
        weave += rng.uniform(0.05, 0.2) * (
            np.sign(np.sin(along / square)) + np.sign(np.sin(aside / square))
        )
    return _painted(rng, weave + 0.07 * field(rng, height, width, 5))


def busy(rng: np.random.Generator, height: int, width: int) -> Colours:
    """A magazine, a printed cloth, a room: a picture behind the print."""
    drawers = pictures.DRAWERS
    picture = drawers[int(rng.integers(len(drawers)))](rng)
    spread = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
    soft = cv2.GaussianBlur(spread, (0, 0), rng.uniform(0.5, 5))
    return np.asarray(soft * rng.uniform(0.4, 1), np.float32)


KINDS = {"plain": plain, "noise": noise, "wood": wood, "cloth": cloth, "photo": busy}


def table(rng: np.random.Generator, height: int, width: int) -> tuple[Colours, str]:
    """A table and the name of its kind; one in five has something else lying at its edge."""
    kind = str(rng.choice(list(KINDS)))
    surface = KINDS[kind](rng, height, width)
    if pictures.chance(rng, 0.2):
        _clutter(rng, surface)
    return surface, kind


def alike(
    rng: np.random.Generator, height: int, width: int, *, dark: bool
) -> tuple[Colours, str, Colours | None]:
    """A table nearly as pale as the print's border, or a dark one for a dark print."""
    rim = None if dark else pictures.border(rng, always=True)
    kind = str(rng.choice(("plain", "noise", "cloth")))
    texture = KINDS[kind](rng, height, width)
    texture = texture / texture.mean()
    tone = np.float32(rng.uniform(25, 60, 3)) if rim is None else rim * rng.uniform(0.86, 0.97)
    surface = tone * (1 + (texture - 1) * 0.4)
    return np.asarray(surface, np.float32), kind, rim


def page(rng: np.random.Generator, height: int, width: int) -> Colours:
    """An album's page: black, grey, brown or cream card."""
    cards = ((25, 25, 28), (70, 68, 66), (95, 75, 55), (225, 214, 190), (150, 140, 125))
    card = np.array(cards[int(rng.integers(len(cards)))], np.float32) * rng.normal(1, 0.05)
    grain = 0.05 * field(rng, height, width, 300) + 0.03 * field(rng, height, width, 8)
    return np.asarray(card * (1 + grain[..., None]), np.float32)


def hold(rng: np.random.Generator, scene: Colours, corners: Corners) -> None:
    """Lay one to four fingers over one side, or a thumb over each of two; the palm is outside."""
    sides = rng.permutation(4)[: int(rng.integers(1, 3))]
    skin = np.array((222, 175, 145)) * rng.uniform(0.35, 1.1) * rng.normal(1, 0.03, 3)
    middle = corners.mean(axis=0)
    for side in sides:
        start, end = corners[side], corners[(side + 1) % 4]
        length = float(np.hypot(*(end - start)))
        outward = (start + end) / 2 - middle
        outward /= np.hypot(*outward)
        along = (end - start) / length
        thick = rng.uniform(0.045, 0.085) * np.sqrt(scene.shape[0] * scene.shape[1])
        at = rng.uniform(0.15, 0.85)
        for finger in range(int(rng.integers(1, 5))):
            edge = start + (end - start) * at + along * finger * thick * 1.05
            if not 0 < (edge - start) @ along < length:
                continue
            tip = edge - outward * rng.uniform(0.03, 0.15) * length
            root = edge + outward * rng.uniform(3, 9) * thick + along * rng.normal(0, 0.8) * thick
            _finger(rng, scene, tip, root, thick=thick, skin=skin)


def _finger(
    rng: np.random.Generator,
    scene: Colours,
    tip: Corners,
    root: Corners,
    *,
    thick: float,
    skin: Corners,
) -> None:
    height, width = scene.shape[:2]
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    reach = root - tip
    part = ((xs - tip[0]) * reach[0] + (ys - tip[1]) * reach[1]) / (reach @ reach)
    part = np.clip(part, 0, 1)
    away = np.hypot(xs - tip[0] - part * reach[0], ys - tip[1] - part * reach[1])
    round_ = away / (thick * (0.42 + 0.12 * part))
    dark = np.clip(1.5 - round_, 0, 1) ** 2 * rng.uniform(0.1, 0.4)
    scene *= (1 - dark)[..., None]
    mask = np.clip((1 - round_) * thick / 2, 0, 1)[..., None]
    tone = skin.astype(np.float32) * (1.05 - 0.35 * np.minimum(round_, 1) ** 3)[..., None]
    scene *= 1 - mask
    scene += mask * tone


def _clutter(rng: np.random.Generator, surface: Colours) -> None:
    """A notebook, a pen, a cup at the edge of the frame."""
    height, width = surface.shape[:2]
    for _ in range(int(rng.integers(1, 3))):
        x, y = rng.uniform(0, 1, 2) * (width, height)
        if pictures.chance(rng, 0.5):
            x = float(rng.choice((0, width)))
        else:
            y = float(rng.choice((0, height)))
        size = rng.uniform(0.05, 0.3, 2) * (width, height)
        colour = rng.uniform(20, 235, 3).tolist()
        if pictures.chance(rng, 0.3):
            cv2.circle(surface, (int(x), int(y)), int(size.min()), colour, -1, cv2.LINE_AA)
        else:
            box = cv2.boxPoints(((x, y), tuple(size.tolist()), rng.uniform(0, 90)))
            cv2.fillConvexPoly(surface, box.astype(np.int32), colour, cv2.LINE_AA)


def _painted(rng: np.random.Generator, relief: Colours) -> Colours:
    colour = np.float32(rng.uniform(25, 240) * (1 + rng.normal(0, 0.15, 3)))
    return np.asarray(np.clip(colour, 10, 250) * (1 + relief[..., None]), np.float32)
