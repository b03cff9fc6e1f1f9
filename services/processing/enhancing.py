"""What time took from a print and may be given back: white paper, some contrast, some edge.

Conservative: a step needs evidence in the picture and is bounded, and without evidence the very
same pixels come back. Tones are touched only where a print both lost its black and has yellowed:
either alone may be meant so. Toning stays: the highlights of a sepia print are white as well, so
it is the paper that is made white again, and not the print that is made grey.

`make bench only=enhance` measures that no step takes a print further from what it once was.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Numbers = NDArray[np.float32]

SAMPLE_SIDE = 256
TAILS_PERCENT, PAPER_PERCENT = 0.1, 99
"""Tones that may be clipped at either end; and paper is what is brighter than nearly all."""

BLACK_LOST, RANGE_FADED, RANGE_EVEN = 16, 190, 24
"""Of a faded print the darkest tone, and the range of tones; less is an even surface, no print."""

YELLOWED = (0.55, 0.88)
"""Blue by red of old paper: nearer to one is white, and further from it is no paper."""

GAIN_MAX, BALANCE_MAX = 1.25, 1.25
FADED_BY, NEARER_MIN = 1.4, 0.004
"""How much contrast a faded print has lost, and how much nearer to the print it must come."""

GRAIN_PERCENT = 10
"""So many blocks of a picture are taken to show nothing but their grain."""

SOFT_MAX, DETAIL_MIN, SHARPENING = 0.5, 2.0, 0.3
"""One pixel's detail by two pixels'; below this there is no grain and no edge to be overdone. And
how much of the latter there must be (standard deviation, in levels) for an edge to be worth it."""

TILES, TILE, BLOCK = 3, 128, 8
LUMA = np.array((0.299, 0.587, 0.114), np.float32)
CONTRAST_CONSTANT = (0.03 * 255) ** 2  # C2 of Wang et al. 2004


def enhance(pixels: Pixels) -> Pixels:
    """The picture (height x width x 3, sRGB) with what its evidence allows, or the same array."""
    tiles = _tiles(pixels)
    table = _new_tones(pixels, tiles)
    if table is not None:
        pixels = np.asarray(cv2.LUT(pixels, table), np.uint8)
    return _sharpened(pixels) if _is_soft(tiles) else pixels


def _new_tones(pixels: Pixels, tiles: list[Numbers]) -> Pixels | None:
    """For each tone of each channel another one (256 x 1 x 3), if the print has faded.

    One line for all three channels after the paper's balance, so that colours keep their hue.
    """
    down, across = (max(1, side // SAMPLE_SIDE) for side in pixels.shape[:2])
    sample = pixels[::down, ::across].reshape(-1, 3).astype(np.float32)
    luma = sample @ LUMA
    low, paper, high = np.percentile(luma, (TAILS_PERCENT, PAPER_PERCENT, 100 - TAILS_PERCENT))
    if low < BLACK_LOST or not RANGE_EVEN < high - low < RANGE_FADED:
        return None
    red, green, blue = sample[luma >= paper].mean(axis=0)
    # Yellow is a lack of blue; where green is missing as much, it is the red of skin or of a lamp.
    is_yellow = 0 <= red - green <= green - blue
    if not (is_yellow and YELLOWED[0] * red <= blue <= YELLOWED[1] * red):
        return None
    balance = np.minimum(red / np.array((red, green, blue)), BALANCE_MAX)
    balance /= balance @ LUMA
    low, high = np.percentile(sample @ (LUMA * balance), (TAILS_PERCENT, 100 - TAILS_PERCENT))
    gain = min(GAIN_MAX, 255 / (high - low))
    if _nearer(tiles, gain) < NEARER_MIN:
        return None
    # The middle of the tones moves towards the middle of the scale only as far as it must.
    middle, half = (low + high) / 2, gain * (high - low) / 2
    target = min(max(middle, half), 255 - half)
    lines = (np.arange(256)[:, None] * balance - middle) * gain + target
    table: Pixels = np.clip(np.rint(lines), 0, 255).astype(np.uint8)
    return table[:, None]


def _nearer(tiles: list[Numbers], gain: float) -> float:
    """How much SSIM to the print of old this gain would add; grain, stretched, takes some away.

    The contrast term of Wang et al. 2004, for an unfaded print that had the picture's variance
    without its grain.
    """
    blocks = np.concatenate([_blocks(tile) for tile in tiles]).var(axis=1)
    detail = np.maximum(blocks - np.percentile(blocks, GRAIN_PERCENT), 0)

    def likeness(gain: float) -> float:
        shared = 2 * FADED_BY * gain * detail + CONTRAST_CONSTANT
        alone = FADED_BY**2 * detail + gain**2 * blocks + CONTRAST_CONSTANT
        return float((shared / alone).mean())

    return likeness(gain) - likeness(1.0)


def _is_soft(tiles: list[Numbers]) -> bool:
    finest = coarser = 0.0
    for tile in tiles:
        soft, softer = (cv2.GaussianBlur(tile, (0, 0), sigma) for sigma in (1.0, 2.0))
        finest += float((tile - soft).var())
        coarser += float((soft - softer).var())
    return finest < SOFT_MAX**2 * coarser and coarser > DETAIL_MIN**2 * len(tiles)


def _sharpened(pixels: Pixels) -> Pixels:
    soft = cv2.GaussianBlur(pixels, (0, 0), 1.0)
    return np.asarray(cv2.addWeighted(pixels, 1 + SHARPENING, soft, -SHARPENING, 0), np.uint8)


def _tiles(pixels: Pixels) -> list[Numbers]:
    """The luma of pieces from all over the picture, which keep its finest detail."""
    height, width = (min(TILE, side) for side in pixels.shape[:2])
    tops, lefts = (
        np.linspace(0, side - part, TILES, dtype=int)
        for side, part in zip(pixels.shape[:2], (height, width), strict=True)
    )
    return [
        np.asarray(
            cv2.cvtColor(pixels[top : top + height, left : left + width], cv2.COLOR_RGB2GRAY),
            np.float32,
        )
        for top in tops
        for left in lefts
    ]


def _blocks(tile: Numbers) -> Numbers:
    """The tile cut into squares: blocks x pixels."""
    rows, columns = (side // BLOCK for side in tile.shape)
    cut = tile[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return cut.swapaxes(1, 2).reshape(rows * columns, BLOCK**2)
