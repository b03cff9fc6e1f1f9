"""Phone snapshots of prints on tables, and pages of albums, whose corners are known.

Everything follows from a seed. Pictures on the prints are drawn, or cut from the photographs that
scikit-image ships (public domain or CC0); nothing is downloaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from bench import pictures, tables

Pixels = NDArray[np.uint8]
Colours = NDArray[np.float32]
Corners = NDArray[np.float64]

LONG_SIDE, SHORT_SIDE = 1152, 864
MEAN_TONE = 105
"""What automatic exposure makes of a dim or a glaring scene."""

TURNED = 25
"""Degrees from which a print counts as turned."""

ASPECTS = (1.5, 4 / 3, 1.4, 1.0, 1.6, 1.25)
HARD = ("hand", "curl", "low contrast", "glare", "shadow")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A picture, height x width x 3 sRGB, and its prints."""

    pixels: Pixels
    quads: list[Corners]
    """Parts of width and height, clockwise from the upper left as seen."""

    traits: frozenset[str] = field(default_factory=frozenset)


def snapshot(seed: int, drawers: Sequence[pictures.Drawer] = pictures.DRAWERS) -> Snapshot:
    """One print on a table."""
    rng = np.random.default_rng((seed, 1))
    height, width = (
        (LONG_SIDE, SHORT_SIDE) if pictures.chance(rng, 0.5) else (SHORT_SIDE, LONG_SIDE)
    )
    traits = {name for name in HARD if pictures.chance(rng, 0.22)}
    dark = pictures.chance(rng, 0.4)
    if "low contrast" in traits:
        table, kind, border = tables.alike(rng, height, width, dark=dark)
    else:
        table, kind = tables.table(rng, height, width)
        border = pictures.border(rng)
    traits |= {kind, "white border" if border is not None else "no border"}
    picture = pictures.drawn(rng, drawers, dark="low contrast" in traits and dark)
    aspect = float(rng.choice(ASPECTS)) ** rng.choice((-1, 1))
    print_ = pictures.printed(rng, picture, aspect, border)
    turn = rng.uniform(0, 360) if pictures.chance(rng, 0.4) else rng.normal(0, 6)
    if abs(turn) > TURNED:
        traits.add("turned")
    corners = _seen(rng, aspect, np.deg2rad(turn), height, width)
    scene = _laid(rng, table, print_, corners, curled="curl" in traits)
    if "hand" in traits:
        tables.hold(rng, scene, corners)
    scene = _lit(rng, scene, corners, shadow="shadow" in traits, glare="glare" in traits)
    return Snapshot(_taken(rng, scene), [_named(corners, width, height)], frozenset(traits))


def album_page(seed: int, drawers: Sequence[pictures.Drawer] = pictures.DRAWERS) -> Snapshot:
    """Two to nine prints in rows on one page or table, in reading order."""
    rng = np.random.default_rng((seed, 2))
    height, width = (
        (LONG_SIDE, SHORT_SIDE) if pictures.chance(rng, 0.5) else (SHORT_SIDE, LONG_SIDE)
    )
    count = int(rng.integers(2, 10))
    if pictures.chance(rng, 0.5):
        scene, kind = tables.page(rng, height, width), "page"
    else:
        scene, kind = tables.table(rng, height, width)
    quads: list[Corners] = []
    bordered = pictures.chance(rng, 0.5)
    for box in _cells(count, height, width):
        aspect = float(rng.choice(ASPECTS)) ** rng.choice((-1, 1))
        border = pictures.border(rng, always=bordered and kind != "page")
        print_ = pictures.printed(rng, pictures.drawn(rng, drawers, dark=False), aspect, border)
        corners = _in_box(rng, aspect, box)
        scene = _laid(rng, scene, print_, corners, curled=pictures.chance(rng, 0.1))
        quads.append(_named(corners, width, height))
    around = np.array(((0, 0), (width, 0), (width, height), (0, height)), np.float64)
    scene = _lit(
        rng, scene, around, shadow=pictures.chance(rng, 0.2), glare=pictures.chance(rng, 0.1)
    )
    return Snapshot(_taken(rng, scene), quads, frozenset((kind, f"{count} prints")))


def without_print(seed: int, drawers: Sequence[pictures.Drawer] = pictures.DRAWERS) -> Snapshot:
    """A scan or a picture that fills the frame, with or without a border: nothing to cut off."""
    rng = np.random.default_rng((seed, 3))
    height, width = (
        (LONG_SIDE, SHORT_SIDE) if pictures.chance(rng, 0.5) else (SHORT_SIDE, LONG_SIDE)
    )
    border = pictures.border(rng)
    picture = pictures.drawn(rng, drawers, dark=False)
    print_ = pictures.printed(rng, picture, width / height, border)
    scene = cv2.resize(print_, (width, height), interpolation=cv2.INTER_LINEAR)
    whole = np.array(((0, 0), (1, 0), (1, 1), (0, 1)), np.float64)
    name = "full frame" if border is None else "full frame with border"
    return Snapshot(_taken(rng, np.asarray(scene, np.float32)), [whole], frozenset((name,)))


def _seen(rng: np.random.Generator, aspect: float, turn: float, height: int, width: int) -> Corners:
    """Corners in pixels, as a camera with perspective sees the print; all in the frame."""
    shape = np.array(((-aspect, -1), (aspect, -1), (aspect, 1), (-aspect, 1))) / np.sqrt(aspect)
    cos, sin = np.cos(turn), np.sin(turn)
    flat = shape @ np.array(((cos, sin), (-sin, cos)))
    tilt, towards = np.deg2rad(abs(rng.normal(0, 14))), rng.uniform(0, 2 * np.pi)
    tilt = min(tilt, np.deg2rad(35))
    leaning = np.array((np.cos(towards), np.sin(towards)))
    along = flat @ leaning
    distance = rng.uniform(3.2, 5.5)
    depth = distance + along * np.sin(tilt)
    squeezed = flat + np.outer(along * (np.cos(tilt) - 1), leaning)
    projected = squeezed / depth[:, None]
    span = np.ptp(projected, axis=0)
    size = rng.uniform(0.5, 0.93) * min(width / span[0], height / span[1])
    placed = projected * size
    low, high = placed.min(axis=0), placed.max(axis=0)
    room = np.array((width, height)) - (high - low)
    shift = room * np.clip(rng.normal(0.5, 0.17, 2), 0.08, 0.92) - low
    return np.asarray(placed + shift, np.float64)


def _cells(count: int, height: int, width: int) -> list[tuple[float, float, float, float]]:
    """Boxes in rows: left, top, width, height."""
    across = max(1, round(float(np.sqrt(count * width / height))))
    rows = -(-count // across)
    per_row = [count // rows + (row < count % rows) for row in range(rows)]
    boxes = []
    for row, many in enumerate(per_row):
        cell_height, cell_width = height / rows, width / many
        boxes += [
            (column * cell_width, row * cell_height, cell_width, cell_height)
            for column in range(many)
        ]
    return boxes


def _in_box(
    rng: np.random.Generator, aspect: float, box: tuple[float, float, float, float]
) -> Corners:
    left, top, width, height = box
    shape = np.array(((-aspect, -1), (aspect, -1), (aspect, 1), (-aspect, 1))) / np.sqrt(aspect)
    turn = np.deg2rad(np.clip(rng.normal(0, 3), -9, 9))
    cos, sin = np.cos(turn), np.sin(turn)
    flat = shape @ np.array(((cos, sin), (-sin, cos)))
    flat = flat * (1 + 0.02 * rng.standard_normal((4, 1)))
    span = np.ptp(flat, axis=0)
    flat *= rng.uniform(0.72, 0.92) * min(width / span[0], height / span[1])
    room = np.array((width, height)) - np.ptp(flat, axis=0)
    return np.asarray(flat - flat.min(axis=0) + (left, top) + room * rng.uniform(0.2, 0.8, 2))


def _laid(
    rng: np.random.Generator, scene: Colours, print_: Colours, corners: Corners, *, curled: bool
) -> Colours:
    """The scene with the print and its shadow in it; curled sides bow, corners stay."""
    height, width = scene.shape[:2]
    unit = np.array(((0, 0), (1, 0), (1, 1), (0, 1)), np.float32)
    back = cv2.getPerspectiveTransform(corners.astype(np.float32), unit)
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    depth = back[2, 0] * xs + back[2, 1] * ys + back[2, 2]
    u = (back[0, 0] * xs + back[0, 1] * ys + back[0, 2]) / depth
    v = (back[1, 0] * xs + back[1, 1] * ys + back[1, 2]) / depth
    shade = np.ones_like(u)
    if curled:
        bow = rng.uniform(-0.03, 0.03, 4)
        across, down = 4 * u * (1 - u), 4 * v * (1 - v)
        u, v = (
            u + down * (bow[0] * (1 - u) + bow[1] * u),
            v + across * (bow[2] * (1 - v) + bow[3] * v),
        )
        lift = rng.uniform(0.05, 0.3)
        shade -= lift * np.clip(np.abs(v - 0.5) * 2, 0, 1) ** 6
        shade += lift / 2 * np.clip(np.abs(u - 0.5) * 2, 0, 1) ** 4
    tall, wide = print_.shape[:2]
    inside = np.asarray((u >= 0) & (u <= 1) & (v >= 0) & (v <= 1) & (depth > 0), np.float32)
    picture = cv2.remap(
        print_,
        (u * (wide - 1)).astype(np.float32),
        (v * (tall - 1)).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    reach = 2 if not curled else 3.5
    right, down = rng.normal(0, 3) * reach, rng.normal(1, 3) * reach
    shift = np.array(((1, 0, right), (0, 1, down)), np.float32)
    cast = cv2.warpAffine(inside, shift, (width, height))
    cast = cv2.GaussianBlur(cast, (0, 0), rng.uniform(1.5, 5) * reach)
    contact = cv2.GaussianBlur(inside, (0, 0), 1.5)
    darkness = 1 - rng.uniform(0.08, 0.5) * cast - rng.uniform(0.02, 0.2) * contact
    mask = cv2.GaussianBlur(inside, (0, 0), 0.6)[..., None]
    laid = scene * darkness[..., None] * (1 - mask) + picture * shade[..., None] * mask
    return np.asarray(laid, np.float32)


def _lit(
    rng: np.random.Generator, scene: Colours, corners: Corners, *, shadow: bool, glare: bool
) -> Colours:
    """Uneven light, and on demand somebody's shadow and the lamp's reflection."""
    height, width = scene.shape[:2]
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    ys, xs = ys / height - 0.5, xs / width - 0.5
    towards = rng.uniform(0, 2 * np.pi)
    light = 1 + rng.uniform(0, 0.35) * (xs * np.cos(towards) + ys * np.sin(towards))
    light = light - rng.uniform(0, 0.5) * (xs**2 + ys**2)
    tint = rng.normal(1, 0.04, 3).astype(np.float32)
    if shadow:
        spots = rng.uniform(0, 1, (6, 2)) * (width * 1.4, height * 1.4) - (
            width * 0.2,
            height * 0.2,
        )
        hull = cv2.convexHull(spots.astype(np.int32))
        cast = cv2.fillConvexPoly(np.zeros((height, width), np.float32), hull, 1.0)
        light = light * (
            1 - rng.uniform(0.2, 0.5) * cv2.GaussianBlur(cast, (0, 0), rng.uniform(6, 40))
        )
    scene = scene * light[..., None] * tint
    if glare:
        for _ in range(int(rng.integers(1, 3))):
            weights = rng.dirichlet(np.ones(4))
            x, y = (weights @ corners) / (width, height) - 0.5
            turn = rng.uniform(0, np.pi)
            along = (xs - x) * np.cos(turn) + (ys - y) * np.sin(turn)
            aside = (ys - y) * np.cos(turn) - (xs - x) * np.sin(turn)
            wide, narrow = rng.uniform(0.06, 0.2), rng.uniform(0.03, 0.1)
            spot = np.exp(-((along / wide) ** 2) - (aside / narrow) ** 2)
            scene = scene + (rng.uniform(90, 220) * spot)[..., None]
    return np.asarray(scene, np.float32)


def _taken(rng: np.random.Generator, scene: Colours) -> Pixels:
    """What the phone's exposure, lens, sensor and JPEG leave of a scene."""
    scene = scene * np.clip(MEAN_TONE / scene.mean(), 0.85, 2.5)
    seen = cv2.GaussianBlur(scene, (0, 0), rng.uniform(0.4, 1.6))
    if pictures.chance(rng, 0.15):
        length = int(rng.integers(3, 9))
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1 / length
        turn = cv2.getRotationMatrix2D(((length - 1) / 2,) * 2, rng.uniform(0, 180), 1)
        kernel = np.asarray(cv2.warpAffine(kernel, turn, (length, length)), np.float32)
        seen = cv2.filter2D(seen, -1, kernel / kernel.sum())
    noise = rng.standard_normal(seen.shape[:2], np.float32)[..., None]
    seen = np.clip(seen + noise * rng.uniform(0, 5), 0, 255).astype(np.uint8)
    quality = int(rng.integers(55, 93))
    _, coded = cv2.imencode(".jpg", seen[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    stored = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(stored[..., ::-1])


def _named(corners: Corners, width: int, height: int) -> Corners:
    """Parts of width and height, the first corner being the upper left as seen."""
    first = int(np.argmin(corners.sum(axis=1)))
    # Corners count from the middles of pixels, parts from the picture's edge.
    return (np.roll(corners, -first, axis=0) + 0.5) / (width, height)
