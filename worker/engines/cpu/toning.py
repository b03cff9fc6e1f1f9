"""The photo's own toning: which colour each shade of grey has, and what does not belong to it.

A black-and-white print, however yellowed, has one colour for every lightness. Where the paper or a
reflection shows instead, the colour is another: this is how a crack differs from an eyelid.
"""

from typing import NamedTuple

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from worker.engines.cpu.colours import to_lab

SAMPLES_MAX = 40_000
FIT_ROUNDS = 3
FIT_SHARE = 80  # per cent of the pixels that agree best
MONOCHROME_RESIDUE = 7.5  # Lab units of colour that toning cannot explain
BLUR_FOR_JUDGING = 2.0


class Toning(NamedTuple):
    """Polynomials of lightness (0..1) for Lab's a and b, and what they leave unexplained."""

    curve: NDArray[np.float32]  # 4 x 2
    residue: float  # 95th percentile

    @property
    def monochrome(self) -> bool:
        return self.residue < MONOCHROME_RESIDUE


def measure_toning(picture: MatLike) -> Toning:
    lab = to_lab(cv2.GaussianBlur(picture, (0, 0), BLUR_FOR_JUDGING))
    pixels = lab.reshape(-1, 3)
    pixels = pixels[:: max(1, len(pixels) // SAMPLES_MAX)]
    powers, chroma = _powers(pixels[:, 0]), pixels[:, 1:]
    agreeing = np.ones(len(pixels), bool)
    curve = np.zeros((4, 2), np.float32)
    residue = np.zeros(len(pixels), np.float32)
    for _ in range(FIT_ROUNDS):
        curve = np.linalg.lstsq(powers[agreeing], chroma[agreeing], rcond=None)[0]
        residue = np.hypot(*(chroma - powers @ curve).T)
        agreeing = residue <= np.percentile(residue, FIT_SHARE)
    return Toning(curve.astype(np.float32), float(np.percentile(residue, 95)))


def strangeness(picture: MatLike, toning: Toning, scale: float) -> NDArray[np.float32]:
    """How much less toned each pixel is than its lightness asks for, in Lab units."""
    lab = to_lab(cv2.GaussianBlur(picture, (0, 0), 0.8 * scale))
    expected = _powers(lab[..., 0]) @ toning.curve
    missing = expected - lab[..., 1:]
    strength = np.maximum(np.linalg.norm(expected, axis=-1), 1.0)
    towards_neutral = (missing * expected).sum(axis=-1) / strength
    return np.asarray(np.maximum(towards_neutral, 0), np.float32)


def _powers(lightness: NDArray[np.float32]) -> NDArray[np.float32]:
    share = lightness / 100
    powers = [np.ones_like(share), share, share**2, share**3]
    return np.asarray(np.stack(powers, axis=-1), np.float32)
