"""What enhancement gives back to an old print, and all that it leaves alone."""

from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data
from skimage.metrics import structural_similarity

from bench.likeness import AGEING, aged, ssim
from bench.likeness import luma_likeness as likeness
from services.processing import enhancing
from tests.processing import pictures
from tests.processing.pictures import Pixels

SEEDS = range(3)


def portrait() -> Pixels:
    """A NASA portrait in the public domain, from scikit-image's wheel."""
    with Image.open(Path(data.__file__).parent / "astronaut.png") as image:
        return np.asarray(image.convert("RGB").resize((320, 320), Image.Resampling.LANCZOS))


def yellowness(picture: Pixels) -> float:
    """Red by blue of the brightest tones."""
    brightest = picture.reshape(-1, 3)[picture.sum(axis=2).ravel().argsort()[-500:]]
    red, _, blue = brightest.mean(axis=0)
    return float(red / blue)


def test_what_we_measure_by_is_what_scikit_image_measures() -> None:
    one, other = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in (portrait(), portrait()[::-1]))
    known = structural_similarity(  # type: ignore[no-untyped-call]  # scikit-image has no types
        one, other, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )

    assert ssim(np.asarray(one, np.uint8), np.asarray(other, np.uint8)) == pytest.approx(known)


@pytest.mark.parametrize("steps", AGEING.values(), ids=AGEING)
@pytest.mark.parametrize("picture", [portrait(), np.asarray(pictures.textured(320, 240))])
def test_no_print_is_taken_further_from_what_it_was(
    picture: Pixels, steps: Collection[str]
) -> None:
    for seed in SEEDS:
        before = aged(picture, seed, steps)
        after = enhancing.enhance(before)
        assert likeness(picture, after) >= likeness(picture, before) - 1e-4, seed


@pytest.mark.parametrize("seed", SEEDS)
def test_a_faded_print_gets_contrast_and_white_paper_back(seed: int) -> None:
    clean = portrait()
    before = aged(clean, seed, ("faded",))

    after = enhancing.enhance(before)

    assert likeness(clean, after) > likeness(clean, before) + 0.02
    assert 0.97 < yellowness(after) < 0.9 * yellowness(before)
    assert float(after.std()) <= enhancing.GAIN_MAX * enhancing.BALANCE_MAX * float(before.std())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_faded_sepia_print_stays_sepia(seed: int) -> None:
    after = enhancing.enhance(aged(portrait(), seed, ("toned", "faded")))

    red, _, blue = np.median(after.reshape(-1, 3), axis=0)
    assert red > 1.15 * blue


@pytest.mark.parametrize("level", [0, 127, 255])
def test_an_even_surface_is_left_alone(level: int) -> None:
    even = np.full((50, 50, 3), level, np.uint8)

    assert enhancing.enhance(even) is even


@pytest.mark.parametrize(
    ("scale", "lift", "cast"),
    [
        pytest.param(1.0, 0, (1.0, 0.95, 0.75), id="yellow, but black is black"),
        pytest.param(0.6, 45, (1.0, 1.0, 1.0), id="pale, but white is white"),
        pytest.param(0.6, 45, (0.75, 0.9, 1.0), id="pale and blue"),
        pytest.param(0.6, 45, (1.0, 0.8, 0.4), id="pale and orange as a sunset"),
    ],
)
def test_one_sign_of_age_alone_may_be_meant(
    scale: float, lift: int, cast: tuple[float, float, float]
) -> None:
    picture = ((portrait() * scale + lift) * np.array(cast)).astype(np.uint8)

    assert enhancing.enhance(picture) is picture


def test_grain_is_not_stretched() -> None:
    grain = np.random.default_rng(1).normal(0, 8, (240, 320, 1))
    sky = np.linspace(0.2, 0.7, 240)[:, None, None] * 255 + grain
    faded = (np.clip(sky, 45, 190) * (1.0, 0.92, 0.75)).astype(np.uint8)

    assert enhancing.enhance(faded) is faded


def test_what_is_soft_gets_some_edge_and_what_is_sharp_or_grainy_none() -> None:
    sharp = portrait()
    soft = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 2.0), np.uint8)
    grain = np.random.default_rng(1).normal(0, 3, sharp.shape)
    grainy = np.clip(soft + grain, 0, 255).astype(np.uint8)

    assert likeness(sharp, enhancing.enhance(soft)) > likeness(sharp, soft)
    assert enhancing.enhance(sharp) is sharp
    assert enhancing.enhance(grainy) is grainy


@pytest.mark.parametrize("size", [(16, 16), (16, 300), (4096, 16)])
def test_every_shape_of_picture_is_enhanced(size: tuple[int, int]) -> None:
    faded = aged(np.asarray(pictures.textured(*size)), 1, ("faded",))

    assert enhancing.enhance(faded).shape == faded.shape
