import cv2
import numpy as np
import pytest
from skimage import data as sample_photos

from tests.worker.storage import Picture, grey
from worker.engines.cpu.colours import to_lab
from worker.engines.cpu.faces import find_faces
from worker.engines.cpu.togetherness import bring_together


@pytest.fixture(scope="module")
def coffee() -> Picture:
    cup = sample_photos.coffee()  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(cup[..., ::-1])


def test_both_people_are_in_a_picture_of_the_first_ones_size(portrait: Picture) -> None:
    other = cv2.resize(portrait[:, ::-1], None, fx=0.7, fy=0.7)

    together = bring_together([portrait, np.asarray(other, np.uint8)])

    assert together.shape == portrait.shape
    faces = [face.box for face in find_faces(grey(together)) if face.certain]
    (left, right) = sorted(faces, key=lambda box: box.left)
    assert left.left + left.width / 2 < together.shape[1] / 2 < right.left + right.width / 2
    assert abs(left.width - right.width) < 0.15 * left.width
    assert abs(left.top - right.top) < 0.15 * left.height


def test_tones_are_those_of_the_first(portrait: Picture) -> None:
    dark = (portrait * 0.5).astype(np.uint8)

    together = to_lab(bring_together([portrait, dark]))

    halves = np.split(together[..., 0], [together.shape[1] // 2], axis=1)
    assert abs(halves[0].mean() - halves[1].mean()) < 5


def test_the_seam_is_soft(portrait: Picture) -> None:
    white, black = np.full_like(portrait, 200), np.full_like(portrait, 90)
    black[::2] = 100  # tones are matched, so that only a step would show

    together = bring_together([white, black])

    assert np.abs(np.diff(together.astype(int), axis=1)).max() < 20


def test_one_grey_photo_makes_the_composite_grey(portrait: Picture, coffee: Picture) -> None:
    monochrome = np.dstack([grey(portrait)] * 3)

    together = bring_together([coffee, monochrome])

    assert np.ptp(together.astype(int), axis=2).max() <= 2


def test_three_photos_without_faces_are_put_together(coffee: Picture) -> None:
    assert bring_together([coffee, coffee[:, ::-1], coffee[::-1]]).shape == coffee.shape
