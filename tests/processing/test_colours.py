"""Colours of other profiles against the formulas of their standards, and what costs nothing."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from services.processing import tones
from tests.corpus import profiles
from tests.corpus.profiles import Numbers

STEPS = 18
CLOSE = 2
"""Of 255: littleCMS counts with 16 bits, and a curve of Adobe RGB with 8 bits behind the point."""


def cube() -> NDArray[np.uint8]:
    """Colours of every sort, as one row of pixels."""
    side = np.linspace(0, 255, STEPS).astype(np.uint8)
    return np.stack(np.meshgrid(side, side, side), -1).reshape(1, -1, 3)


def srgb_by_formula(of: tuple[tuple[float, float], ...], light: Numbers) -> NDArray[np.int16]:
    """Light in some primaries as sRGB; what sRGB cannot show is cut off."""
    change = np.linalg.inv(profiles.xyz_matrix(profiles.SRGB)) @ profiles.xyz_matrix(of)
    return np.rint(profiles.srgb_of(light @ change.T) * 255).astype(np.int16)


def converted(samples: NDArray[np.uint8], icc: bytes) -> NDArray[np.int16]:
    image = Image.fromarray(samples)
    image.info["icc_profile"] = icc
    return np.asarray(tones.to_srgb(tones.opaque(image)), np.int16)


@pytest.mark.parametrize("name", ["Display P3", "Adobe RGB"])
def test_every_colour_of_a_wide_profile_is_where_the_formula_says(name: str) -> None:
    samples = cube()
    if name == "Display P3":
        light, icc, of = (
            profiles.light_of(samples / 255),
            profiles.display_p3(),
            profiles.DISPLAY_P3,
        )
    else:
        light = (samples / 255) ** profiles.GAMMA_OF_ADOBE_RGB
        icc, of = profiles.adobe_rgb(), profiles.ADOBE_RGB

    off = np.abs(converted(samples, icc) - srgb_by_formula(of, light))

    assert off.max() <= CLOSE
    assert np.abs(converted(samples, icc) - samples).max() > 20, "the profile was not used"


def test_every_tone_of_a_grey_profile_is_where_the_formula_says() -> None:
    ramp = np.arange(256, dtype=np.uint8)[None]
    wanted = np.rint(profiles.srgb_of((ramp / 255) ** profiles.GAMMA_OF_GREY) * 255)

    seen = converted(ramp, profiles.grey_profile())

    assert np.abs(seen - wanted[..., None]).max() <= CLOSE


def test_all_inks_are_where_the_table_of_the_press_says() -> None:
    amounts = np.linspace(0, 255, 6).astype(np.uint8)
    inks = np.stack(np.meshgrid(amounts, amounts, amounts, amounts), -1).reshape(1, -1, 4)
    image = Image.fromarray(inks, "CMYK")
    image.info |= {"icc_profile": profiles.cmyk_profile(), "adobe": 100}
    wanted = np.rint(profiles.srgb_of(profiles.light_through(inks / 255)) * 255)

    seen = np.asarray(tones.to_srgb(tones.opaque(image)), np.int16)

    # littleCMS fits the table into one of its own, which is four times as fast.
    off = np.abs(seen - wanted)
    assert off.mean() < 1
    assert off.max() <= 12


def test_a_profile_that_changes_nothing_costs_nothing() -> None:
    image = Image.fromarray(cube())
    tones_of_srgb = profiles.curve(profiles.light_of(np.linspace(0, 1, 1024)))
    image.info["icc_profile"] = profiles.rgb_profile(profiles.SRGB, tones_of_srgb)

    assert tones.to_srgb(image) is image


@pytest.mark.parametrize("gamma", [1.0, 1 / 1.8, 0.3])
def test_samples_with_a_gamma_become_srgb(gamma: float) -> None:
    image = Image.fromarray(cube())
    image.info["gamma"] = gamma
    wanted = np.rint(profiles.srgb_of((cube() / 255) ** (1 / gamma)) * 255)

    assert np.abs(np.asarray(tones.to_srgb(image), np.int16) - wanted).max() <= 1


@pytest.mark.parametrize("gamma", [0.0, -1.0, 1e9, 0.45455, 1 / 2.2])
def test_a_gamma_that_is_nonsense_or_usual_changes_nothing(gamma: float) -> None:
    image = Image.fromarray(cube())
    image.info["gamma"] = gamma

    assert np.array_equal(np.asarray(tones.to_srgb(image)), cube())


def test_all_tones_of_deep_grey_are_told_apart_as_well_as_eight_bits_can() -> None:
    deep = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    image = Image.frombytes("I;16", (256, 256), deep.astype("<u2").tobytes())

    seen = np.asarray(tones.to_srgb(tones.opaque(image)))[..., 0].reshape(-1)

    assert np.abs(seen - np.arange(65_536) / 257).max() <= 0.5
    assert len(np.unique(seen)) == 256
