"""Train the network that sees uneven light: `make training only=light photos=folder`.

A print that faded unevenly, or was photographed under a lamp, is brighter here than there in all
colours alike, while the toning of old paper tells how dark each place was meant to be. Where the
two disagree, light is uneven; where nothing tells, in grey and in colour photos, the network learns
to leave things as they are, because that is off by least.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bench.training import photos, running
from bench.training.networks import LightNetwork
from bench.training.photos import Photo
from bench.training.schedule import Schedule, tell
from bench.training.wear import Picture, chance, faded, worn
from worker.engines.cpu.evenness import SIDE, seen

PRINT_SIDE, BATCH, RATE, DECAY = 192, 24, 2e-3, 1e-2
CROP_LEAST = 0.6
CELL = 8
"""Pixels of a thumbnail that the network tells as one."""

BEFORE = {"toned": 0.75, "softened": 0.7}
AFTER = {"stained": 0.6, "damaged": 0.5, "stored": 0.7}
"""How often each step of wear happens before and after a print has faded."""

GREY = 0.12
"""How often a print is as grey as a scanner that knows no colours makes it."""

LAMP, LAMP_MOST = 0.4, 0.35
"""How often a print was photographed beside a lamp, and how much that adds from end to end."""

BORDERED, BORDER_MOST = 0.3, 0.08
DARKEST = 0.3
UNIT = 10.0
"""A logarithm of light is about a tenth: the loss counts in tenths."""

SMOOTHING = 0.02
Plane = NDArray[np.float32]


def trained(folder: Path, schedule: Schedule, *, side: int = SIDE) -> LightNetwork:
    torch.manual_seed(1)
    learnt, held_out = photos.read(folder)
    network = LightNetwork()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    network.train()
    smooth = 1.0
    for step, (thumbnails, light) in zip(
        schedule.run(optimizer), _batches(learnt, side, seed=1), strict=False
    ):
        loss = unlike(network(thumbnails), light)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        smooth += SMOOTHING * (loss.item() - smooth)
        tell(step, loss=smooth)
    _tell_error(network, held_out, side)
    return network


def unlike(made: Tensor, light: Tensor) -> Tensor:
    """The mean square of what is wrong, in tenths; how bright a whole print is does not matter."""
    even, wanted = (some - some.mean(dim=(2, 3), keepdim=True) for some in (made, light))
    return functional.mse_loss(UNIT * even, UNIT * wanted)


def _tell_error(network: LightNetwork, held_out: Sequence[Photo], side: int) -> None:
    network.eval()
    batches = _batches(held_out, side, seed=2)
    with torch.no_grad():
        some = [next(batches) for _ in range(max(1, 4 * len(held_out) // BATCH))]
        left = np.mean([unlike(network(x), light).item() for x, light in some])
    there = np.mean([unlike(0 * light, light).item() for _, light in some])
    print(f"held out: {left:.3f} of {there:.3f} are left", flush=True)


def _batches(taken: Sequence[Photo], side: int, *, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """What is seen of prints, batch x 3 x side x side, and their light, an eighth of that size."""
    dice = np.random.default_rng(seed)
    return running.ahead(lambda: _batch(taken, side, dice))


def _batch(taken: Sequence[Photo], side: int, dice: np.random.Generator) -> tuple[Tensor, Tensor]:
    prints = [example(taken[int(dice.integers(len(taken)))].pixels, dice) for _ in range(BATCH)]
    cells = (side // CELL, side // CELL)
    light = [cv2.resize(lit, cells, interpolation=cv2.INTER_AREA)[None] for _, lit in prints]
    return (
        torch.from_numpy(np.stack([seen(picture, side) for picture, _ in prints])),
        torch.from_numpy(np.stack(light).astype(np.float32)),
    )


def example(photo: Picture, dice: np.random.Generator) -> tuple[Picture, Plane]:
    """A worn piece of a photo, and the logarithm of how brightly each place of it is lit."""
    piece = photos.crop(photo, PRINT_SIDE, dice, least=CROP_LEAST)
    if chance(dice, BORDERED):
        _border(piece, dice)
    level = dice.uniform(0, 1.5)
    piece = worn(piece, _seed(dice), level=level, steps=_drawn(BEFORE, dice)).picture
    print_, lit = faded(piece.astype(np.float32), dice, level)
    if chance(dice, LAMP):
        lamp = _lamp(lit.shape, dice)
        print_, lit = print_ * lamp[..., None], lit * lamp
    if chance(dice, GREY):
        print_ = np.repeat(print_.mean(axis=2, keepdims=True), 3, axis=2)
    picture = np.clip(np.rint(print_), 0, 255).astype(np.uint8)
    picture = worn(picture, _seed(dice), level=level, steps=_drawn(AFTER, dice)).picture
    return picture, np.asarray(np.log(np.maximum(lit, DARKEST)), np.float32)


def _lamp(shape: tuple[int, ...], dice: np.random.Generator) -> Plane:
    """Brighter towards one side: 1 in the middle."""
    rows, columns = np.mgrid[-0.5 : 0.5 : shape[0] * 1j, -0.5 : 0.5 : shape[1] * 1j]
    angle = dice.uniform(0, 2 * np.pi)
    towards = columns * np.cos(angle) + rows * np.sin(angle)
    return np.asarray(1 + dice.uniform(0, LAMP_MOST) * towards, np.float32)


def _drawn(chances: dict[str, float], dice: np.random.Generator) -> list[str]:
    return [name for name, share in chances.items() if chance(dice, share)]


def _seed(dice: np.random.Generator) -> int:
    return int(dice.integers(1 << 31))


def _border(piece: Picture, dice: np.random.Generator) -> None:
    """The white of the paper, or the black of a negative's edge, around the picture."""
    width = max(1, round(dice.uniform(0, BORDER_MOST) * PRINT_SIDE))
    shade = float(dice.choice([5, 240, 250]))
    cv2.rectangle(piece, (0, 0), (PRINT_SIDE - 1, PRINT_SIDE - 1), (shade,) * 3, width)


if __name__ == "__main__":
    running.run(__doc__, trained, SIDE, channels=3)
