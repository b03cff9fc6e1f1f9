"""Scratches, cracks, dust and torn edges: where a network of our own says the picture is lost.

Bare paper, which lacks the print's toning, is added where it is a bright thin line, or touches the
print's edge or what the network found: a torn corner is nothing to a network that looks for lines.
What is unsure stays: a scratch that stays is a pity, a face that goes is a disaster. Inside a face
only what crosses a good part of it is believed, because lips, brows and lashes are short.
"""

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from worker.engines.cpu import networks
from worker.engines.cpu.colours import to_grey
from worker.engines.cpu.faces import Face
from worker.engines.cpu.toning import Toning, strangeness

Plane = NDArray[np.float32]
Mask = NDArray[np.uint8]
Area = NDArray[np.bool_]

SIDE_MAX = 1024  # pixels: the network learnt damage as wide as it is at such sizes
STRETCH = (0.5, 99.5)  # percentiles of grey that become 0 and 1
RANGE_LEAST = 8.0  # grey levels: a flatter picture holds nothing to tell damage from
TILE_MARGIN, STRIDE = 32, 16

SEED, GROW = 0.6, 0.05  # likelihoods: of the surest pixel of a place, and of all that belong to it
SPECK_SEED = 0.9  # of a small and lonely one: a bird in the sky is no dust
SPECK_SIDE = 9  # pixels at SIDE_MAX
REACH = 1  # pixels around what is found: damage has soft edges
SHARE_MAX = 0.3  # of the picture: more than this is no damage, or beyond mending

BARE, BARE_UNREST = 5.0, 4.0  # Lab units without toning, and times what is usual in the picture
BARE_TOUCHING = 0.15  # of bare paper: the part that the network must have found
BARE_LEAST, BARE_AT_EDGE_LEAST = 10, 40  # pixels at SIDE_MAX
BARE_LENGTH, BARE_THICKNESS = 30, 9  # pixels at SIDE_MAX
BARE_LIFT = 9  # grey levels above all that is wider
BARE_SIDE_MAX = 0.4  # of the picture's longer side: what is longer is the print's white border
EDGE = 3  # pixels

FACE_MARGIN = 0.1  # on every side, of a face's width
FACE_CROSSING = 0.5  # of a face's width: what is shorter may be a feature of it


def find_damage(picture: MatLike, toning: Toning, faces: list[Face]) -> Mask:
    """255 where a BGR picture is lost."""
    grey = to_grey(picture)
    scale = max(1.0, max(grey.shape) / SIDE_MAX)
    found = _sure(_likelihood(grey, scale), scale)
    if toning.monochrome:
        found |= _bare_paper(strangeness(picture, toning, scale), grey, found, scale)
    size = 2 * round(REACH * scale) + 1
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    mask = cv2.dilate(_guarded(found, faces), around).astype(np.uint8)
    too_much = np.count_nonzero(mask) > SHARE_MAX * mask.size
    return np.zeros_like(mask) if too_much else mask


def _likelihood(grey: Mask, scale: float) -> Plane:
    """How likely each pixel is lost, 0..1."""
    low, high = (float(value) for value in np.percentile(grey, STRETCH))
    if high - low < RANGE_LEAST:
        return np.zeros(grey.shape, np.float32)
    light = np.clip((grey.astype(np.float32) - low) / (high - low), 0, 1)
    size = tuple(max(STRIDE, round(side / scale)) for side in grey.shape[::-1])
    logits = networks.in_tiles(
        cv2.resize(light, size, interpolation=cv2.INTER_AREA).astype(np.float32)[None],
        lambda tile: networks.run("scratches", light=tile),
        margin=TILE_MARGIN,
        multiple=STRIDE,
    )
    likely = 1 / (1 + np.exp(-np.clip(logits[0], -30, 30)))
    return np.asarray(cv2.resize(likely, grey.shape[::-1]), np.float32)


def _sure(likely: Plane, scale: float) -> Area:
    """Places with a sure pixel, out to where they end."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((likely > GROW).astype(np.uint8))
    surest = np.zeros(count, np.float32)
    np.maximum.at(surest, np.asarray(labels, np.intp).ravel(), likely.ravel())
    longer = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1)
    kept = surest >= np.where(longer < SPECK_SIDE * scale, SPECK_SEED, SEED)
    kept[0] = False
    return np.asarray(kept[labels], np.bool_)


def _bare_paper(strange: Plane, grey: Mask, found: Area, scale: float) -> Area:
    """Pieces that touch the edge or what was found, and bright lines."""
    bare = strange > max(BARE, BARE_UNREST * float(np.median(strange)))
    size = 2 * round(BARE_THICKNESS * scale / 2) + 5
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    lines = bare & (cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, disc) > BARE_LIFT)
    return _pieces(bare, found, scale) | _lines(lines, scale)


def _lines(bare: Area, scale: float) -> Area:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bare.astype(np.uint8))
    longer = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1)
    kept = longer > BARE_LENGTH * scale
    kept &= stats[:, cv2.CC_STAT_AREA] < BARE_THICKNESS * scale * longer
    kept &= np.arange(count) > 0
    return np.asarray(kept[labels], np.bool_)


def _pieces(bare: Area, found: Area, scale: float) -> Area:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bare.astype(np.uint8))
    areas = stats[:, cv2.CC_STAT_AREA]
    longer = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1)
    at_edge = np.ones(bare.shape, np.bool_)
    at_edge[EDGE:-EDGE, EDGE:-EDGE] = False
    touches_edge = np.bincount(labels[at_edge], minlength=count) > 0
    touches_found = np.bincount(labels[found], minlength=count) > BARE_TOUCHING * areas
    kept = touches_edge & (areas > BARE_AT_EDGE_LEAST * scale**2)
    kept |= touches_found & (areas > BARE_LEAST * scale**2)
    kept &= longer < BARE_SIDE_MAX * max(bare.shape)
    kept[0] = False
    return np.asarray(kept[labels], np.bool_)


def _guarded(found: Area, faces: list[Face]) -> Mask:
    mask = found.copy()
    _, labels, stats, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8))
    span = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    for face in faces:
        left, top, width, height = face.box
        extra = round(FACE_MARGIN * width)
        rows = slice(max(0, top - extra), top + height + extra)
        columns = slice(max(0, left - extra), left + width + extra)
        mask[rows, columns] &= (span >= FACE_CROSSING * width)[labels[rows, columns]]
    return (mask * 255).astype(np.uint8)
