from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from tests.worker.storage import Picture, grey
from worker.engines import load_engine
from worker.engines.cpu import colourization
from worker.engines.cpu.colourization import colourize
from worker.engines.cpu.colours import guided_filter, to_lab
from worker.engines.cpu.faces import Box, find_faces
from worker.engines.cpu.propagation import spread


@pytest.fixture(scope="module")
def black_and_white(portrait: Picture) -> Picture:
    return np.asarray(cv2.cvtColor(grey(portrait), cv2.COLOR_GRAY2BGR), np.uint8)


@pytest.fixture(scope="module")
def coloured(black_and_white: Picture) -> Picture:
    return colourize(black_and_white).picture


def test_grey_gets_colour(coloured: Picture) -> None:
    chroma = to_lab(coloured)[..., 1:]

    assert np.hypot(chroma[..., 0], chroma[..., 1]).mean() > 4
    assert np.percentile(np.hypot(chroma[..., 0], chroma[..., 1]), 95) > 9


def test_lightness_and_with_it_every_line_is_kept(
    black_and_white: Picture, coloured: Picture
) -> None:
    difference = to_lab(coloured)[..., 0] - to_lab(black_and_white)[..., 0]

    assert np.abs(difference).mean() < 0.5
    assert np.abs(difference).max() < 6


def test_a_face_becomes_skin_and_the_backdrop_does_not(
    black_and_white: Picture, coloured: Picture
) -> None:
    (face, *_) = find_faces(grey(black_and_white))
    left, top, width, height = face.box
    lab = to_lab(coloured)
    cheeks = lab[top + height // 2 : top + 2 * height // 3, left + width // 3 : left + width // 2]

    red, yellow = cheeks[..., 1].mean(), cheeks[..., 2].mean()

    assert 6 < red < 25
    assert 8 < yellow < 30
    assert lab[5:40, 5:40, 1].mean() < red - 5


def test_colours_stay_calm(coloured: Picture) -> None:
    chroma = to_lab(coloured)[..., 1:]

    assert np.hypot(chroma[..., 0], chroma[..., 1]).max() < 45


def test_no_colour_is_stronger_than_the_bound(
    black_and_white: Picture, coloured: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound, rounding = 5.0, 2.0
    assert np.abs(to_lab(coloured)[..., 1:]).max() > bound + rounding, "the bound has work to do"
    monkeypatch.setattr(colourization, "CHROMA_MAX", bound)

    chroma = to_lab(colourize(black_and_white).picture)[..., 1:]

    assert np.abs(chroma).max() <= bound + rounding


def test_a_toned_print_is_coloured_like_a_grey_one(
    black_and_white: Picture, coloured: Picture
) -> None:
    toned = (black_and_white * np.array([0.7, 0.85, 1.0])).astype(np.uint8)

    chroma = to_lab(colourize(toned).picture)[..., 1:]

    wanted, tint = to_lab(coloured)[..., 1:], to_lab(toned)[..., 1:]
    assert np.abs(chroma - wanted).mean() < 2
    assert np.abs(tint - wanted).mean() > 5


def test_a_colour_photo_keeps_its_colours(portrait: Picture) -> None:
    before, after = to_lab(portrait), to_lab(colourize(portrait).picture)

    same_hue = (before[..., 1:] * after[..., 1:]).sum(axis=-1)
    strong = np.hypot(before[..., 1], before[..., 2]) > 10
    assert (same_hue[strong] > 0).all()


def test_the_same_photo_is_always_coloured_the_same(
    black_and_white: Picture, coloured: Picture
) -> None:
    assert np.array_equal(colourize(black_and_white).picture, coloured)


def test_colour_spreads_over_a_surface_and_stops_at_its_edge() -> None:
    light = np.full((24, 40), 0.2, np.float32)
    light[:, 20:] = 0.8
    hints = np.zeros((24, 40, 2), np.float32)
    weights = np.zeros((24, 40), np.float32)
    hints[12, 4], weights[12, 4] = (30, 10), 1
    hints[12, 36], weights[12, 36] = (-30, -10), 1

    chroma = spread(light, hints, weights)

    assert chroma[2, 17, 0] > 20
    assert chroma[2, 22, 0] < -20


def test_the_guided_filter_keeps_the_guides_edges() -> None:
    guide = np.zeros((40, 40), np.float32)
    guide[:, 20:] = 1
    blurred = np.asarray(cv2.GaussianBlur(guide, (0, 0), 4), np.float32)

    sharp = guided_filter(guide, blurred, radius=6, roughness=1e-4)

    assert sharp[20, 20] - sharp[20, 19] > 4 * (blurred[20, 20] - blurred[20, 19])


@pytest.mark.parametrize("value", [0, 255])
def test_an_empty_photo_survives(value: int) -> None:
    assert colourize(np.full((48, 64, 3), value, np.uint8)).picture.shape == (48, 64, 3)


def test_an_engine_is_found_by_its_name() -> None:
    assert load_engine("cpu").name == "cpu"


@pytest.mark.parametrize("name", ["", "nothing", "../cpu", "os"])
def test_an_unknown_engine_is_named_with_those_there_are(name: str) -> None:
    with pytest.raises(SystemExit, match="there are: cpu"):
        load_engine(name)


def cheek_and_chest(picture: Picture, face: Box) -> tuple[Any, Any]:
    """Mean a and b of a cheek, and of the clothes under the face."""
    lab = to_lab(picture)[..., 1:]
    left, top, width, height = face
    cheek = lab[top + height // 2 : top + 2 * height // 3, left + width // 3 : left + width // 2]
    chest = lab[top + 2 * height : top + 5 * height // 2, left : left + width]
    return cheek.mean(axis=(0, 1)), chest.mean(axis=(0, 1))


def test_a_wish_colours_what_it_names_and_leaves_the_face_alone(
    black_and_white: Picture, coloured: Picture
) -> None:
    face = find_faces(grey(black_and_white))[0].box

    wished = colourize(black_and_white, note="Her suit was green.")

    cheek_before, chest_before = cheek_and_chest(coloured, face)
    cheek, chest = cheek_and_chest(wished.picture, face)
    assert (wished.applied, wished.ignored) == (["suit: green"], [])
    assert chest[0] < chest_before[0] - 8
    assert np.abs(cheek - cheek_before).max() < 3


def test_a_wish_that_cannot_be_located_is_told_with_the_reason(
    black_and_white: Picture, coloured: Picture
) -> None:
    wished = colourize(black_and_white, note="the car was red, Himmel blau")

    assert wished.applied == []
    assert wished.ignored == [
        "car: red (we cannot tell where a car is)",
        "himmel: blue (this looks like a portrait)",
    ]
    assert np.array_equal(wished.picture, coloured)


def test_with_two_people_a_coat_is_nobodys(black_and_white: Picture) -> None:
    two = np.hstack([black_and_white, black_and_white[:, ::-1]])

    assert colourize(two, note="the coat was green").ignored == [
        "coat: green (there are several people)"
    ]


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """OpenCV finds the same in another order."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(request.param)
    yield
    cv2.setNumThreads(before)


@pytest.mark.usefixtures("threads")
def test_what_looks_like_a_face_on_a_chest_is_not_painted_as_skin(portrait: Picture) -> None:
    left, top, width, height = find_faces(grey(portrait))[0].box
    rows = slice(max(0, top - height // 2), top + 3 * height // 2)
    head = grey(portrait)[rows, left - width // 2 : left + 3 * width // 2]
    head = np.asarray(cv2.resize(head, None, fx=2, fy=2), np.uint8)

    one_above_the_other = find_faces(np.vstack([head, head]))
    beside_each_other = find_faces(np.hstack([head, head]))

    assert sum(face.certain for face in one_above_the_other) == 1
    assert sum(face.certain for face in beside_each_other) == 2


def test_a_colour_photo_is_not_recoloured(portrait: Picture) -> None:
    wished = colourize(portrait, note="the suit was green")

    assert wished.ignored == ["suit: green (the photo has colours)"]
