import numpy as np
import pytest

from tests.worker.storage import Picture
from worker.engines.cpu.patches import HOLE_MAX, fill_with_patches

SIDE = 160
GREEN = (0, 200, 0)


@pytest.fixture
def surface() -> Picture:
    grain = np.random.default_rng(1).integers(90, 130, (SIDE, SIDE, 1))
    return np.repeat(grain, 3, axis=2).astype(np.uint8)


def test_no_piece_is_of_a_face(surface: Picture) -> None:
    hole, face = np.zeros((2, SIDE, SIDE), np.bool_)
    hole[70:90, 70:90] = face[:, 92:] = face[:, :68] = True
    surface[hole | face] = GREEN  # the face is what suits the hole best

    nowhere = fill_with_patches(surface, hole, np.zeros_like(face), seed=1)
    filled = fill_with_patches(surface, hole, face, seed=1)

    assert np.array_equal(nowhere[80, 80], GREEN)
    assert np.ptp(filled[80, 80].astype(int)) < 60


def test_a_hole_that_leaves_too_little_stays_smooth(surface: Picture) -> None:
    hole = np.zeros((SIDE, SIDE), np.bool_)
    hole[: round((HOLE_MAX + 0.05) * SIDE)] = True
    surface[hole] = GREEN

    filled = fill_with_patches(surface, hole, np.zeros_like(hole), seed=1)

    assert np.array_equal(filled, surface)
