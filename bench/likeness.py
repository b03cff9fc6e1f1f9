"""How like a print is to what it once was, after each kind of ageing and after enhancement."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deploy.local.ageing import age
from services.processing import enhancing

Pixels = NDArray[np.uint8]

AGEING: dict[str, tuple[str, ...]] = {
    "not aged": (),
    "toned": ("toned",),
    "softened": ("softened",),
    "faded": ("faded",),
    "toned and faded": ("toned", "faded"),
    "stained": ("stained",),
    "damaged": ("damaged",),
    "all but toned": ("softened", "faded", "stained", "damaged"),
    "everything": ("toned", "softened", "faded", "stained", "damaged"),
}
BLURRED = "out of focus"
BLUR_SIGMA = 2.0

WINDOW, WINDOW_SIGMA = 11, 1.5
STEADY_LIGHT, STEADY_CONTRAST = (0.01 * 255) ** 2, (0.03 * 255) ** 2


@dataclass(frozen=True, slots=True)
class Case:
    """One aged print: how much nearer to the clean one enhancement brings it, if it does."""

    kind: str
    picture: str
    seed: int
    luma: float
    """SSIM to the clean picture's luma, after less before."""

    colour: float
    """SSIM in sRGB to the print when it was new, toned where it is toned, after less before."""

    changed: bool


def ssim(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Of two planes: Wang, Bovik, Sheikh and Simoncelli, Image Quality Assessment, 2004."""
    x, y = one.astype(np.float64), other.astype(np.float64)
    mean_x, mean_y = _windowed(x), _windowed(y)
    spread_x = _windowed(x * x) - mean_x**2
    spread_y = _windowed(y * y) - mean_y**2
    shared = _windowed(x * y) - mean_x * mean_y
    alike = (2 * mean_x * mean_y + STEADY_LIGHT) * (2 * shared + STEADY_CONTRAST)
    alone = (mean_x**2 + mean_y**2 + STEADY_LIGHT) * (spread_x + spread_y + STEADY_CONTRAST)
    inside = slice(WINDOW // 2, -(WINDOW // 2))
    return float((alike / alone)[inside, inside].mean())


def luma_likeness(one: Pixels, other: Pixels) -> float:
    """SSIM of the luma of two pictures, height x width x 3."""
    lumas = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (one, other))
    return ssim(*(np.asarray(luma, np.uint8) for luma in lumas))


def colour_likeness(one: Pixels, other: Pixels) -> float:
    """SSIM in the mean of the three channels."""
    return float(np.mean([ssim(one[..., channel], other[..., channel]) for channel in range(3)]))


def aged(picture: Pixels, seed: int, steps: Collection[str]) -> Pixels:
    """The print after those steps of ageing, always the same for a seed."""
    return age(picture[..., ::-1], seed, steps)[..., ::-1].copy()  # it speaks OpenCV's BGR


def cases(pictures: Mapping[str, Pixels], seeds: int) -> Iterator[Case]:
    """Every picture, aged in every way with every seed, and enhanced."""
    for name, clean in pictures.items():
        for kind, steps in AGEING.items():
            toning = tuple(step for step in steps if step == "toned")
            for seed in range(seeds if steps else 1):
                new = aged(clean, seed, toning)
                before = aged(clean, seed, steps)
                yield Case(kind, name, seed, *_gained(clean, new, before))
        soft = np.asarray(cv2.GaussianBlur(clean, (0, 0), BLUR_SIGMA), np.uint8)
        yield Case(BLURRED, name, 0, *_gained(clean, clean, soft))


def _gained(clean: Pixels, new: Pixels, before: Pixels) -> tuple[float, float, bool]:
    after = enhancing.enhance(before)
    if after is before:
        return 0.0, 0.0, False
    luma = luma_likeness(clean, after) - luma_likeness(clean, before)
    colour = colour_likeness(new, after) - colour_likeness(new, before)
    return luma, colour, True


def _windowed(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(cv2.GaussianBlur(plane, (WINDOW, WINDOW), WINDOW_SIGMA))
