"""A result is true to its photo, or it is refused: each ruin by its reason, on one portrait."""

from collections.abc import Mapping

import numpy as np
import pytest

from bench import check, photos, untrue
from bench.check import Case, Pixels
from bench.training.wear import worn
from services.processing import identity, structure, truth
from worker.engines.cpu.restoration import restore

REASONS = {
    "blank": "blank",
    "black": "blank",
    "noise": "structure",
    "another photo": "structure",
    "mirrored": "structure",
    "zoomed 1.15": "moved",
    "zoomed 1.05": "moved",
    "shifted 5%": "moved",
    "shifted 2%": "moved",
    "blurred": "blurred",
    "swapped": "person",
    "melted": "person",
    "smile added": "expression",
    "made younger": "expression",
    "made older": "lines",
    "eyes recoloured": "eyes",
}


@pytest.fixture(scope="module", name="pictures")
def _pictures() -> Mapping[str, Pixels]:
    return {
        name: np.ascontiguousarray(picture[..., ::-1])
        for name, picture in photos.clean_pictures(check.SIDE).items()
    }


@pytest.fixture(scope="module", name="master")
def _master(pictures: Mapping[str, Pixels]) -> Pixels:
    return worn(pictures["astronaut.png"], 4, level=0.6).picture


@pytest.fixture(scope="module", name="good")
def _good(master: Pixels) -> Pixels:
    return restore(master, seed=1)


def test_good_results_are_green_whatever_their_tones_and_size(master: Pixels, good: Pixels) -> None:
    for name, result in check.faultless(good):
        judged = check.judge(Case(name, master, result, is_good=True))
        assert (judged.verdict, judged.reasons) == ("green", []), name
        assert judged.score >= truth.GREEN_FROM


def test_each_ruin_is_refused_for_its_own_reason(
    pictures: Mapping[str, Pixels], master: Pixels, good: Pixels
) -> None:
    face = check.largest_face(pictures["astronaut.png"])
    assert face
    ruined = [
        *untrue.pictures(good, pictures["coffee.png"]),
        *untrue.people(good, face, *check.donor()),
    ]
    found = {
        name: check.judge(Case(name, master, result, is_good=False)) for name, result in ruined
    }

    assert found.keys() == REASONS.keys()
    assert {name for name, judged in found.items() if judged.verdict != "refused"} == set()
    assert {name for name, judged in found.items() if REASONS[name] not in judged.reasons} == set()


def test_other_eyes_are_no_reason_where_colours_are_a_guess(
    pictures: Mapping[str, Pixels], master: Pixels, good: Pixels
) -> None:
    face = check.largest_face(pictures["astronaut.png"])
    assert face
    eyes = dict(untrue.people(good, face, *check.donor()))["eyes recoloured"]

    assert "eyes" not in check.judge(Case(check.COLOURED, master, eyes, is_good=False)).reasons


def test_a_face_that_was_not_there_is_a_stranger(
    pictures: Mapping[str, Pixels],
) -> None:
    coffee = pictures["coffee.png"]
    portrait = pictures["astronaut.png"][:300, 120:420]
    with_somebody = coffee.copy()
    with_somebody[40:340, 100:400] = portrait

    assert identity.compare(coffee, with_somebody).strangers == 1
    assert identity.compare(with_somebody, with_somebody).strangers == 0


def test_a_doubt_is_amber_and_says_why(master: Pixels, good: Pixels) -> None:
    bounds = truth.BOUNDS["clipped"]
    contrast = np.clip((good.astype(float) - 128) * 1.35 + 128, 0, 255).astype(np.uint8)
    clipped = structure.compare(master[..., 0], contrast[..., 0]).clipped
    assert bounds.best < clipped < bounds.worst

    judged = check.judge(Case("contrast", master, contrast, is_good=True))

    assert (judged.verdict, judged.reasons) == ("amber", ["clipped"])
    assert 0 < judged.score < truth.GREEN_FROM


def test_a_picture_without_anybody_is_judged_by_its_structure(
    pictures: Mapping[str, Pixels],
) -> None:
    cup = pictures["coffee.png"]

    assert identity.compare(cup, cup) == identity.People([], 0)
    assert truth.judge(cup, cup, colours_are_new=False) == truth.Truth(100, "green", [])
