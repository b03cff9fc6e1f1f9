"""A print's true shape, from views that cameras could have taken; and one that lies askew."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from services.processing import geometry
from tests.processing import pictures

VIEWS, SEED = 300, 1
SHAPES = (1.0, 1.25, 4 / 3, 1.4, 1.5, 16 / 9, 3 / 4, 2 / 3)
FOCAL_LENGTHS = (0.55, 1.2)  # in diagonals: from a phone's wide lens to its long one
TILT_MAX, TURN_MAX = np.deg2rad(35), np.deg2rad(20)
SLIP = 1e-3  # how far off each corner is found, in parts of the picture's width
Points = NDArray[np.float64]


def views() -> list[tuple[float, Points, tuple[int, int]]]:
    """The true aspect of a print, its corners as found in the picture, the picture's size."""
    dice = np.random.default_rng(SEED)
    seen: list[tuple[float, Points, tuple[int, int]]] = []
    while len(seen) < VIEWS:
        size = (4000, 3000) if dice.random() < 0.5 else (3000, 4000)
        aspect = float(dice.choice(SHAPES))
        corners = _view(dice, aspect, size)
        if (corners > 0).all() and (corners < size).all():
            slipped = corners + dice.normal(0, SLIP * size[0], corners.shape)
            seen.append((aspect, slipped, size))
    return seen


def _view(dice: np.random.Generator, aspect: float, size: tuple[int, int]) -> Points:
    focal = dice.uniform(*FOCAL_LENGTHS) * np.hypot(*size)
    across, down = np.sqrt(aspect), 1 / np.sqrt(aspect)
    flat = np.array([(-across, -down), (across, -down), (across, down), (-across, down)])
    turn, lean = dice.uniform(-TURN_MAX, TURN_MAX), dice.uniform(0, 2 * np.pi)
    tilt = dice.uniform(0, TILT_MAX) * np.array((np.cos(lean), np.sin(lean), 0))
    turned = np.c_[flat, np.zeros(4)] @ cv2.Rodrigues(np.array((0, 0, turn)))[0].T
    placed = turned @ cv2.Rodrigues(tilt)[0].T
    distance = dice.uniform(2, 6) * focal / np.hypot(*size)
    placed += (*(dice.uniform(-0.15, 0.15, 2) * distance), distance)
    seen: Points = placed[:, :2] / placed[:, 2:] * focal + np.array(size) / 2
    return seen


def test_the_true_shape_is_found_whatever_the_lens() -> None:
    errors, edges_alone = [], []
    for aspect, corners, size in views():
        width, height = geometry.flat_size(corners, *size)
        errors.append(abs(width / height / aspect - 1))
        edges = np.hypot(*(np.roll(corners, -1, axis=0) - corners).T)
        guess = max(edges[0], edges[2]) / max(edges[1], edges[3])
        edges_alone.append(abs(guess / aspect - 1))

    assert np.median(errors) <= 0.02
    assert np.percentile(errors, 95) <= 0.06
    assert np.median(edges_alone) > 0.03, "the views are too easy"


@pytest.mark.parametrize("degrees", [-5, -2, 0.7, 3])
def test_a_print_that_lies_askew_is_straightened_and_resampled_once(degrees: float) -> None:
    print_ = np.asarray(pictures.textured(600, 400))
    turn = cv2.getRotationMatrix2D((300, 200), degrees, 1.0)
    turn[:, 2] += (100, 100)
    bed = cv2.warpAffine(print_, turn, (800, 600), flags=cv2.INTER_CUBIC, borderValue=(250,) * 3)
    outside = np.array([(0, 0), (600, 0), (600, 400), (0, 400)], np.float64) - 0.5
    quad = (np.c_[outside, np.ones(4)] @ turn.T + 0.5) / (800, 600)

    corners = geometry.corners_in_pixels([(x, y) for x, y in quad.tolist()], 800, 600)
    size = geometry.flat_size(corners, 800, 600)
    flat = geometry.flatten(np.asarray(bed, np.uint8), corners, size)

    assert size == pytest.approx((600, 400), abs=1)
    inside = (slice(10, 380), slice(10, 580))
    assert np.abs(flat[inside].astype(int) - print_[inside]).mean() < 1


def test_what_two_quads_have_in_common_is_what_both_cover() -> None:
    dice = np.random.default_rng(3)
    for size in (0.3, 0.03, 0.003, 0.0):
        one = np.array(((0.1, 0.2), (0.8, 0.1), (0.9, 0.8), (0.2, 0.9)))
        other = one + dice.uniform(-size, size, (4, 2))
        covered = [_covered(corners) for corners in (one, other)]
        for way in (1, -1):
            common = geometry.common_area(one, other[::way])
            assert common == pytest.approx(np.mean(covered[0] & covered[1]), abs=0.002)


def test_quads_that_nearly_agree_have_nearly_all_in_common() -> None:
    # Each covers 0.35, and OpenCV's own function says that 0.15 is common.
    one = np.array(((0.0406, 0.3130), (0.8988, 0.2530), (0.9573, 0.6581), (0.0827, 0.7186)))
    other = np.array(((0.0406, 0.3128), (0.8990, 0.2529), (0.9572, 0.6581), (0.0827, 0.7188)))

    assert geometry.common_area(one, other) > 0.998 * geometry.area(one)
    assert geometry.common_area(one, one + 1) == 0


def _covered(corners: Points) -> NDArray[np.bool_]:
    """Which of the middles of 1000 x 1000 squares lie in a clockwise quad."""
    xs, ys = (np.indices((1000, 1000))[::-1] + 0.5) / 1000
    way = np.roll(corners, -1, axis=0) - corners
    away = [
        w[0] * (ys - start[1]) - w[1] * (xs - start[0])
        for start, w in zip(corners, way, strict=True)
    ]
    return np.asarray(np.min(away, axis=0) >= 0)
