import numpy as np
import pytest

from worker.engines.cpu.faces import Box
from worker.engines.cpu.hints import GUESS_WEIGHT, read_hints
from worker.engines.cpu.places import EYE_FACE_LEAST, NotFoundError, place_of


def test_in_a_small_face_an_eye_is_a_dot() -> None:
    light = np.random.default_rng(1).random((80, 80)).astype(np.float32)
    small, large = (Box(20, 20, side, side) for side in (EYE_FACE_LEAST - 1, 3 * EYE_FACE_LEAST))

    assert place_of("eyes", light, [large]).any()
    with pytest.raises(NotFoundError, match="too small"):
        place_of("eyes", light, [small])


def test_a_face_of_a_few_pixels_colours_nothing() -> None:
    light, guess = np.full((40, 40), 0.5, np.float32), np.zeros((40, 40, 2), np.float32)

    hints = read_hints(light, guess, [Box(20, 20, 2, 2)], [])

    assert (hints.weights == np.float32(GUESS_WEIGHT)).all()
    assert not hints.chroma.any()
