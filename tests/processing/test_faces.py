"""People are put on their feet, and nothing else is turned."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from bench.likeness import aged
from services.processing import faces
from tests.processing import pictures
from tests.processing.pictures import Pixels

NOBODY = ("coffee.png", "chelsea.png", "rocket.jpg", "motorcycle_left.png", "hubble_deep_field.jpg")


def shipped(name: str) -> Pixels:
    with Image.open(Path(data.__file__).parent / name) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("is_old", [False, True], ids=["new", "old"])
def test_people_are_put_on_their_feet(turns: int, is_old: bool) -> None:  # noqa: FBT001
    upright = shipped("astronaut.png")
    if is_old:
        upright = aged(upright, 1, ("toned", "softened", "faded"))

    assert faces.quarter_turns(np.rot90(upright, -turns)) == turns


@pytest.mark.parametrize("name", NOBODY)
def test_what_shows_nobody_stays_as_it_is(name: str) -> None:
    assert all(faces.quarter_turns(np.rot90(shipped(name), turns)) == 0 for turns in range(4))


def test_two_people_of_whom_one_stands_on_the_head_leave_a_doubt() -> None:
    one = shipped("astronaut.png")

    assert faces.quarter_turns(np.hstack((np.rot90(one), np.rot90(one, 3)))) == 0


@pytest.mark.parametrize("size", [(16, 16), (16, 4096), (4096, 16)])
def test_every_shape_of_picture_can_be_searched(size: tuple[int, int]) -> None:
    assert faces.quarter_turns(np.asarray(pictures.textured(*size))) == 0
