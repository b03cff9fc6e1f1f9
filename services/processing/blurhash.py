"""BlurHash: a photo in 28 characters, to show something in its place while it loads.

https://github.com/woltapp/blurhash/blob/master/Algorithm.md: the lowest frequencies of the picture
in linear light, the first one exactly and the others coarsely, written in base 83.
"""

import numpy as np
from numpy.typing import NDArray

ACROSS, DOWN = 4, 3
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"

LINEAR_BELOW, LINEAR_SLOPE = 0.04045, 12.92
"""sRGB (IEC 61966-2-1): so dark a tone is proportional to its light."""


def blurhash(pixels: NDArray[np.uint8]) -> str:
    """The hash of a picture (height x width x 3, sRGB), which should be small: 32 pixels do."""
    height, width = pixels.shape[:2]
    across = _waves(ACROSS, width)
    down = _waves(DOWN, height)
    factors = np.einsum("vy,yxc,ux->vuc", down, _linear(pixels), across)
    mean, details = np.split(factors.reshape(-1, 3), [1])
    details *= 2
    largest = np.clip(np.floor(np.abs(details).max() * 166 - 0.5), 0, 82)
    scaled = details / ((largest + 1) / 166)
    steps = np.clip(np.floor(np.sign(scaled) * np.sqrt(np.abs(scaled)) * 9 + 9.5), 0, 18)
    red, green, blue = (int(tone) for tone in _srgb(mean[0]))
    return (
        _digits(ACROSS - 1 + (DOWN - 1) * 9, 1)
        + _digits(int(largest), 1)
        + _digits((red << 16) + (green << 8) + blue, 4)
        + "".join(_digits(int(step @ (19 * 19, 19, 1)), 2) for step in steps)
    )


def _waves(count: int, length: int) -> NDArray[np.float64]:
    places = np.arange(length)
    return np.asarray(np.cos(np.pi * np.outer(np.arange(count), places) / length) / length)


def _linear(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    tones = pixels / 255
    return np.where(tones <= LINEAR_BELOW, tones / LINEAR_SLOPE, ((tones + 0.055) / 1.055) ** 2.4)


def _srgb(light: NDArray[np.float64]) -> NDArray[np.float64]:
    light = np.clip(light, 0, 1)
    dark = light <= LINEAR_BELOW / LINEAR_SLOPE
    tones = np.where(dark, light * LINEAR_SLOPE, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.floor(tones * 255 + 0.5))


def _digits(value: int, length: int) -> str:
    return "".join(ALPHABET[value // 83**place % 83] for place in reversed(range(length)))
