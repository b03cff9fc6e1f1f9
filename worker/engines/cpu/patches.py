"""Fill what is too large to smooth over with pieces of the same picture.

The picture is made small, the hole is filled smoothly, and then every patch in it is replaced by
the most similar whole patch elsewhere, from coarse to fine (Wexler, Shechtman and Irani, 2007).
Similar patches are found by luck, drawn by a seed, and spread to neighbours (Barnes et al., 2009).
Pieces come from near the hole and never from a face: more backdrop is wanted, not another eye.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from worker.engines.cpu.colours import to_bytes

Area = NDArray[np.bool_]
Plane = NDArray[np.float32]
Places = NDArray[np.intp]  # n x 2: row and column

SIDE_MAX, SIDE_LEAST = 224, 28  # of the finest and of the coarsest picture
PATCH = 3  # pixels on every side of a patch's centre
ROUNDS, SEARCHES = 3, 2  # of replacing at every size, and of looking around in each
HOLE_MAX = 0.25  # of the picture: a larger hole leaves nothing to take from
NEAR = 1.5  # times the depth of the deepest hole: how far off pieces are taken from
TOUCHED = 0.1  # of a pixel of the small picture
FEATHER = 1.5  # pixels of the small picture over which the rim is blended
NEIGHBOURS = ((0, 1), (1, 0), (0, -1), (-1, 0))

_PATCH = np.argwhere(np.ones((2 * PATCH + 1,) * 2)) - PATCH


def fill_with_patches(smooth: MatLike, hole: Area, faces: Area, *, seed: int) -> NDArray[np.uint8]:
    """Replace `hole` in a BGR picture whose hole is filled smoothly already."""
    dice = np.random.default_rng(seed)
    found: Places | None = None
    for side in _sides(max(hole.shape)):
        small, lost, of_faces = _sized(smooth, hole, faces, side)
        whole = _whole(lost) & _near(lost) & ~of_faces
        if not lost.any() or not whole.any():
            continue
        found = _improved(small, lost, whole, found, dice)
    if found is None or np.count_nonzero(hole) > HOLE_MAX * hole.size:
        return smooth.astype(np.uint8, copy=False)
    taken = _enlarged(found, hole.shape)
    copied = smooth[taken[..., 0], taken[..., 1]]
    scale = max(1.0, max(hole.shape) / SIDE_MAX)
    share = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), FEATHER * scale) * hole
    share = np.clip(2 * share - 0.6, 0, 1)[..., None]
    return to_bytes(copied * share + smooth * (1 - share))


def _sides(longer: int) -> list[int]:
    """From coarse to fine, each twice the one before."""
    finest = min(SIDE_MAX, longer)
    sides = [finest]
    while sides[0] // 2 >= SIDE_LEAST:
        sides.insert(0, sides[0] // 2)
    return sides


def _sized(picture: MatLike, hole: Area, faces: Area, side: int) -> tuple[Plane, Area, Area]:
    scale = side / max(hole.shape)
    size = (max(1, round(hole.shape[1] * scale)), max(1, round(hole.shape[0] * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    lost, of_faces = (
        cv2.resize(area.astype(np.float32), size, interpolation=cv2.INTER_AREA) > TOUCHED
        for area in (hole, faces)
    )
    return small, lost, of_faces


def _near(lost: Area) -> Area:
    """As far from a hole as its own depth, a few times."""
    depth = cv2.distanceTransform(lost.astype(np.uint8), cv2.DIST_L2, 3).max()
    away = cv2.distanceTransform((~lost).astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(away < NEAR * depth + 3 * PATCH, np.bool_)


def _whole(lost: Area) -> Area:
    """Centres of patches that have lost nothing and lie in the picture."""
    kernel = np.ones((2 * PATCH + 1,) * 2, np.uint8)
    near = cv2.dilate(lost.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT) > 0
    inside = np.zeros_like(lost)
    inside[PATCH:-PATCH, PATCH:-PATCH] = True
    return np.asarray(inside & ~near, np.bool_)


def _improved(
    small: Plane, lost: Area, whole: Area, before: Places | None, dice: np.random.Generator
) -> Places:
    """For every pixel the one it is taken from; `small` is filled accordingly."""
    search = _Search(small, whole, np.argwhere(lost), _pixels(*lost.shape))
    sources = np.argwhere(whole)
    guess = sources[dice.integers(len(sources), size=len(search.wanted))]
    if before is not None:
        coarse = _enlarged(before, lost.shape)[tuple(search.wanted.T)]
        fits = whole[tuple(coarse.T)]
        guess[fits] = coarse[fits]
        small[tuple(search.wanted.T)] = small[tuple(guess.T)]
    search.taken[tuple(search.wanted.T)] = guess
    for _ in range(ROUNDS):
        search.start()
        for turn in range(SEARCHES):
            search.spread()
            reach = max(lost.shape) / 4**turn
            step = np.rint(dice.normal(0, reach, search.wanted.shape)).astype(np.intp)
            search.offer(search.taken[tuple(search.wanted.T)] + step)
        small[tuple(search.wanted.T)] = _voted(small, search.wanted, search.taken)
    return search.taken


@dataclass(slots=True)
class _Search:
    """The best place so far for every wanted pixel, and how unlike its patch is."""

    small: Plane
    whole: Area
    wanted: Places
    taken: NDArray[np.intp]  # height x width x 2
    unlike: Plane = field(default_factory=lambda: np.empty(0, np.float32))

    def start(self) -> None:
        self.unlike = _unlike(self.small, self.wanted, self.taken[tuple(self.wanted.T)])

    def spread(self) -> None:
        """What suits a neighbour may suit here, one pixel further."""
        limits = np.array(self.whole.shape) - 1
        for step in NEIGHBOURS:
            beside = np.clip(self.wanted + step, 0, limits)
            self.offer(self.taken[tuple(beside.T)] - step)

    def offer(self, offered: Places) -> None:
        offered = np.clip(offered, 0, np.array(self.whole.shape) - 1)
        unlike = _unlike(self.small, self.wanted, offered)
        cost = np.where(self.whole[tuple(offered.T)], unlike, np.inf)
        better = cost < self.unlike
        self.taken[tuple(self.wanted[better].T)] = offered[better]
        self.unlike = np.where(better, cost, self.unlike).astype(np.float32)


def _unlike(small: Plane, wanted: Places, offered: Places) -> Plane:
    """The squared difference of patches around these pixels."""
    limits = np.array(small.shape[:2]) - 1
    here = np.clip(wanted[:, None] + _PATCH, 0, limits)
    there = np.clip(offered[:, None] + _PATCH, 0, limits)
    off = small[here[..., 0], here[..., 1]] - small[there[..., 0], there[..., 1]]
    return np.asarray((off**2).sum(axis=(1, 2)), np.float32)


def _voted(small: Plane, wanted: Places, taken: Places) -> Plane:
    """Each pixel as the patches of its four neighbours and its own would have it."""
    limits = np.array(small.shape[:2]) - 1
    total = small[tuple(taken[tuple(wanted.T)].T)].copy()
    for step in NEIGHBOURS:
        beside = np.clip(wanted + step, 0, limits)
        source = np.clip(taken[tuple(beside.T)] - step, 0, limits)
        total += small[tuple(source.T)]
    return np.asarray(total / (len(NEIGHBOURS) + 1), np.float32)


def _enlarged(taken: Places, shape: tuple[int, ...]) -> Places:
    """The same offsets for a larger picture."""
    height, width = taken.shape[:2]
    here = _pixels(shape[0], shape[1])
    scale = np.array([shape[0] / height, shape[1] / width])
    small = np.minimum((here / scale).astype(np.intp), np.array([height, width]) - 1)
    offsets = taken - _pixels(height, width)
    moved = np.rint(offsets[small[..., 0], small[..., 1]] * scale).astype(np.intp)
    return np.asarray(np.clip(here + moved, 0, np.array(shape[:2]) - 1), np.intp)


def _pixels(height: int, width: int) -> NDArray[np.intp]:
    """The row and column of every pixel: height x width x 2."""
    rows, columns = np.mgrid[:height, :width]
    return np.dstack([rows, columns]).astype(np.intp)
