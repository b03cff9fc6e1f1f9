"""What colour each pixel should have, and how sure that is: a network's guess, faces, the note.

Colours are Lab's a and b. The guess is weak everywhere; skin, lips and hair of a certain face are
strong; what the user's note says and can be located overrules both, in quiet colours.
"""

from dataclasses import dataclass, field

import numpy as np

from worker.engines.cpu import places
from worker.engines.cpu.faces import Box
from worker.engines.cpu.shapes import Area, Plane, ellipse
from worker.engines.cpu.wishes import Colour, Wish

Tint = tuple[float, float]

SKIN, LIPS, HAIR = (13.0, 17.0), (21.0, 12.0), (6.0, 11.0)
WISHED: dict[Colour, Tint] = {
    "black": (0.0, -1.0),
    "white": (0.0, 2.0),
    "grey": (0.0, 0.0),
    "red": (32.0, 20.0),
    "green": (-17.0, 15.0),
    "blue": (0.0, -22.0),
    "yellow": (0.0, 34.0),
    "orange": (22.0, 32.0),
    "brown": (9.0, 16.0),
    "pink": (22.0, 2.0),
    "purple": (19.0, -19.0),
    "beige": (3.0, 12.0),
    "blond": (4.0, 22.0),
    "navy": (3.0, -16.0),
    "olive": (-6.0, 19.0),
    "turquoise": (-18.0, -7.0),
}

GUESS_WEIGHT = 0.08
FACE_WEIGHT, NECK_WEIGHT, HAIR_WEIGHT, WISH_WEIGHT = 2.0, 0.3, 0.5, 1.0

SKIN_RANGE = 0.2  # of lightness around a face's median
SKIN_DARKEST = 0.18
CORE_LEAST = 6  # pixels of a face: fewer say nothing


@dataclass(slots=True)
class Hints:
    """What colour each pixel should have, and how sure that is; which wishes that grants."""

    chroma: Plane  # height x width x 2
    weights: Plane
    applied: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def put(self, area: Area, tint: Plane, weight: float) -> None:
        self.chroma[area] = tint[area]
        self.weights[area] = weight


def read_hints(light: Plane, guess: Plane, boxes: list[Box], wishes: list[Wish]) -> Hints:
    """Hints for a small picture of lightness 0..1; `guess` is as large, `boxes` certain faces."""
    hints = Hints(guess.copy(), np.full(light.shape, GUESS_WEIGHT, np.float32))
    for box in reversed(boxes):  # the largest last: it is the one people look at
        _hint_face(hints, light, box)
    for wish in wishes:
        _grant(hints, light, boxes, wish)
    return hints


def _grant(hints: Hints, light: Plane, boxes: list[Box], wish: Wish) -> None:
    said = f"{wish.thing_said}: {wish.colour}"
    try:
        area = places.place_of(wish.thing, light, boxes)
    except places.NotFoundError as reason:
        hints.ignored.append(f"{said} ({reason})")
    else:
        hints.put(area, _tint(light, WISHED[wish.colour]), WISH_WEIGHT)
        hints.applied.append(said)


def _hint_face(hints: Hints, light: Plane, box: Box) -> None:
    core = places.core(light, box)
    if np.count_nonzero(core) < CORE_LEAST:
        return
    median = float(np.median(light[core]))
    skin = _tint(light, SKIN)
    alike = (np.abs(light - median) < SKIN_RANGE) & (light > SKIN_DARKEST)
    hints.put(core & alike, skin, FACE_WEIGHT)
    neck = (ellipse(light, box, (0.5, 1.08), (0.26, 0.26)) < 1) & ~core
    hints.put(neck & alike, skin * 0.9, NECK_WEIGHT)
    hints.put(places.lips(light, box, median), _tint(light, LIPS), FACE_WEIGHT)
    hints.put(places.hair(light, box, median), _tint(light, HAIR), HAIR_WEIGHT)


def _tint(light: Plane, tint: Tint) -> Plane:
    """Pure black and pure white have no colour."""
    fullness = np.clip(1.1 - 3.2 * (light - 0.55) ** 2, 0.15, 1)[..., None]
    return np.asarray(np.array(tint) * fullness, np.float32)
