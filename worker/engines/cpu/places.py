"""Where a thing that somebody named is in a picture, if that can be told at all.

Places are found from one certain face, or from the light and texture of sky, grass and leaves. A
place that cannot be told is better not coloured than coloured wrongly: the reason is told instead.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from worker.engines.cpu.faces import Box
from worker.engines.cpu.shapes import Area, Plane, ellipse, texture
from worker.engines.cpu.wishes import Thing

SKY_LIGHTEST, SKY_UPPER, SKY_SMOOTH = 0.5, 0.6, 0.03
SKY_LEAST = 0.03  # of the picture
LEAF_UNREST, LEAF_ORDER_MAX = 0.05, 0.3
LEAF_LIGHTNESS = (0.08, 0.62)
PORTRAIT_SHARE = 0.025  # of the picture: a face this large means a studio, which has no sky
CLOTH_RANGE = 0.12  # of lightness around that of the middle of the chest
GRASS_BELOW, GRASS_LEAST = 0.6, 0.04
EYE_FACE_LEAST = 14  # pixels across a face: in a smaller one an eye is a dot
DARKER_IRIS, DARKER_HAIR = 0.06, 0.1  # than the face


class NotFoundError(Exception):
    """Says in words for the user why a thing was not found."""


def place_of(thing: Thing, light: Plane, boxes: list[Box]) -> Area:
    """Pixels that belong to the thing; colour spreads from there to its edges.

    `light` is a small picture of lightness 0..1, `boxes` are the certain faces in it.
    """
    if thing in {"sky", "grass", "leaves"}:
        return _outdoors(thing, light, boxes)
    if thing in {"hat", "car"}:
        raise NotFoundError(f"we cannot tell where a {thing} is")
    if thing == "background":
        return _behind(light, _faces(boxes))
    (box,) = _only(boxes)
    if thing == "clothes":
        return _below(light, box)
    return _within(thing, light, box)


def sky(light: Plane) -> Area:
    """What is bright, smooth and touches the picture's upper edge."""
    unrest, _ = texture(light)
    rows = np.broadcast_to(_rows(light), light.shape)
    bright = (light > SKY_LIGHTEST) & (unrest < SKY_SMOOTH) & (rows < SKY_UPPER)
    _, labels = cv2.connectedComponents(bright.astype(np.uint8))
    touching_top = np.setdiff1d(np.unique(labels[:2]), [0])
    return np.asarray(np.isin(labels, touching_top), np.bool_)


def core(light: Plane, box: Box) -> Area:
    """The middle of a face: skin for certain."""
    return np.asarray(ellipse(light, box, (0.5, 0.5), (0.36, 0.44)) < 1, np.bool_)


def lips(light: Plane, box: Box, median: float) -> Area:
    mouth = ellipse(light, box, (0.5, 0.78), (0.19, 0.075)) < 1
    return np.asarray(mouth & (light < median - 0.05), np.bool_)


def hair(light: Plane, box: Box, median: float) -> Area:
    """What is darker than the face around its upper half."""
    crown = (ellipse(light, box, (0.5, 0.3), (0.62, 0.62)) < 1) & ~core(light, box)
    above = np.mgrid[: light.shape[0]][:, None] < box.top + 0.45 * box.height
    return np.asarray(crown & above & (light < median - DARKER_HAIR), np.bool_)


def _outdoors(thing: Thing, light: Plane, boxes: list[Box]) -> Area:
    if any(box.width * box.height > PORTRAIT_SHARE * light.size for box in boxes):
        raise NotFoundError("this looks like a portrait")
    if thing == "sky":
        found, least = sky(light), SKY_LEAST
    else:
        unrest, order = texture(light)
        darkest, lightest = LEAF_LIGHTNESS
        found = (unrest > LEAF_UNREST) & (order < LEAF_ORDER_MAX)
        found &= (light > darkest) & (light < lightest)
        low = np.broadcast_to(_rows(light) > GRASS_BELOW, light.shape)
        found &= low if thing == "grass" else ~low
        least = GRASS_LEAST
    if np.count_nonzero(found) < least * light.size:
        raise NotFoundError("nothing in the picture looks like it")
    return np.asarray(found, np.bool_)


def _behind(light: Plane, boxes: list[Box]) -> Area:
    """What lies above and beside the heads, down to their chins."""
    lowest = min(box.top + box.height for box in boxes)
    behind = np.broadcast_to(np.mgrid[: light.shape[0]][:, None] < lowest, light.shape).copy()
    for box in boxes:
        behind &= ellipse(light, box, (0.5, 0.45), (0.95, 1.05)) > 1
    return behind


def _below(light: Plane, box: Box) -> Area:
    """What hangs together under the one face there is, as light as the middle of its chest."""
    middle = ellipse(light, box, (0.5, 2.2), (0.5, 0.5)) < 1
    if not middle.any():
        raise NotFoundError("the picture ends above it")
    body = ellipse(light, box, (0.5, 2.9), (1.8, 1.8)) < 1
    alike = body & (np.abs(light - float(np.median(light[middle]))) < CLOTH_RANGE)
    _, labels = cv2.connectedComponents(alike.astype(np.uint8))
    worn = np.setdiff1d(np.unique(labels[middle]), [0])
    return np.asarray(np.isin(labels, worn), np.bool_)


def _within(thing: Thing, light: Plane, box: Box) -> Area:
    middle = core(light, box)
    median = float(np.median(light[middle])) if middle.any() else 0.5
    if thing == "hair":
        found = hair(light, box, median)
    elif thing == "lips":
        found = lips(light, box, median)
    elif box.width < EYE_FACE_LEAST:
        raise NotFoundError("the face is too small")
    else:
        left, right = (ellipse(light, box, (x, 0.4), (0.07, 0.05)) < 1 for x in (0.31, 0.69))
        found = np.asarray((left | right) & (light < median - DARKER_IRIS), np.bool_)
    if not found.any():
        raise NotFoundError("nothing in the picture looks like it")
    return found


def _only(boxes: list[Box]) -> list[Box]:
    if len(boxes) > 1:
        raise NotFoundError("there are several people")
    return _faces(boxes)


def _faces(boxes: list[Box]) -> list[Box]:
    if not boxes:
        raise NotFoundError("no face was found")
    return boxes


def _rows(light: Plane) -> NDArray[np.float64]:
    height = light.shape[0]
    return np.asarray(np.mgrid[:height][:, None] / height, np.float64)
