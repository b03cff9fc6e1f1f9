"""Uneven light is seen in a toned print and taken out; what is even stays nearly as it is."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bench.training.wear import faded, worn
from tests.worker.storage import Picture
from worker.engines.cpu import evenness, networks
from worker.engines.cpu.evenness import MOST, even_out

Light = NDArray[Any]
LEFT_MOST = 0.7
"""Of the squared error of the light: on photos it was not trained on, 42 % are left."""


def toned(photo: Picture, seed: int) -> Picture:
    return worn(photo, seed, steps=["toned"]).picture


def spread(light: Light) -> float:
    """How uneven a light is: the mean square of its logarithm, about its mean."""
    return float(np.log(light).var())


def test_most_of_the_uneven_light_is_taken_from_faded_prints(portrait: Picture) -> None:
    there = left = 0.0
    for seed in range(8):
        dice = np.random.default_rng(seed)
        faded_print, light = faded(toned(portrait, seed).astype(np.float32), dice, 1.0)
        print_ = faded_print.astype(np.uint8)

        gain = (even_out(print_).astype(float) + 1) / (print_.astype(float) + 1)

        there += spread(light)
        left += spread(light * cv2.GaussianBlur(gain.mean(axis=2), (0, 0), 8))
    assert left < LEFT_MOST * there


def test_a_print_in_even_light_stays_nearly_as_it_is(portrait: Picture) -> None:
    for print_ in (portrait, toned(portrait, 11)):
        assert np.abs(even_out(print_).astype(float) - print_).mean() < 8


def test_however_sure_the_network_is_no_place_changes_much(
    portrait: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = np.linspace(-3, 3, 144, dtype=np.float32).reshape(1, 12, 12)
    monkeypatch.setattr(networks, "run", lambda _name, **_planes: told)
    print_ = np.full((60, 80, 3), 100, np.uint8)

    evened = even_out(print_)

    assert evened.max() <= 100 * np.exp(MOST) * 1.1
    assert evened.min() >= 100 * np.exp(-MOST) * 0.9


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 400, 3), (400, 3, 3)])
def test_every_shape_is_seen_whole(shape: tuple[int, int, int]) -> None:
    strip = np.full(shape, 120, np.uint8)

    assert even_out(strip).shape == shape
    assert evenness.seen(strip, evenness.SIDE).shape == (3, evenness.SIDE, evenness.SIDE)
