"""Train the network that guesses colours: `make training only=colours photos=folder`.

It learns the mean of what a grey pixel may have been, weighted towards the colourful ones: calm
where it does not know, never loud where it is wrong. Lightness is faded, softened and roughened on
the way, because old photos are.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bench.training import photos, running
from bench.training.networks import CHROMA_UNIT, ColourNetwork, parameters
from bench.training.photos import Photo
from bench.training.schedule import Schedule, tell
from bench.training.wear import chance
from worker.engines.cpu.colours import to_lab

SIDE, BATCH, RATE, DECAY = 160, 16, 2e-3, 1e-2
CROP_LEAST = 0.5
VIVID = 1.5
"""How much more a pixel counts for each unit of its colour."""

VIVID_MOST = 3.0
SHARES = {"cloth": 0.3, "coco": 4.0, "doi": 3.0, "ekip": 4.0, "congress": 0.7}
"""How often a photo of a set is drawn: a garment on a bed says little about the world."""

AGED = 0.6
GRADIENT_MOST = 5.0
SETTLING_BATCHES = 40
SMOOTHING = 0.02

Plane = NDArray[np.float32]


def trained(folder: Path, schedule: Schedule, *, side: int = SIDE) -> ColourNetwork:
    torch.manual_seed(1)
    learnt, held_out = photos.read(folder)
    network = ColourNetwork()
    network.learn_from_imagenet()
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(parameters(network, rate=RATE), weight_decay=DECAY)
    network.train()
    batches = _batches(learnt, side, seed=1)
    smooth = 1.0
    for step, (light, chroma) in zip(schedule.run(optimizer), batches, strict=False):
        loss = unlike(network(light), chroma)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_MOST)
        optimizer.step()
        smooth += SMOOTHING * (loss.item() - smooth)
        tell(step, loss=smooth)
    _settle(network, batches)
    _tell_error(network, held_out, side)
    return network


def unlike(made: Tensor, chroma: Tensor) -> Tensor:
    """The loss of colours that were guessed, both batch x 2 x height x width, Lab's units."""
    wrong = functional.smooth_l1_loss(made / CHROMA_UNIT, chroma / CHROMA_UNIT, reduction="none")
    strength = chroma.norm(dim=1, keepdim=True) / CHROMA_UNIT
    return (wrong * (1 + VIVID * strength).clamp(max=VIVID_MOST)).mean()


def _settle(network: ColourNetwork, batches: Iterator[tuple[Tensor, Tensor]]) -> None:
    """Measure the decoder's means and deviations anew: those of learning lag behind its weights."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.training:
            module.reset_running_stats()
            module.momentum = None  # a plain mean over all batches
    with torch.no_grad():
        for _ in range(SETTLING_BATCHES):
            network(next(batches)[0])


def _tell_error(network: ColourNetwork, held_out: Sequence[Photo], side: int) -> None:
    network.eval()
    batches = _batches(held_out, side, seed=2)
    with torch.no_grad():
        some = [next(batches) for _ in range(max(1, len(held_out) // BATCH))]
        of_guess = np.mean([(network(x) - chroma).abs().mean().item() for x, chroma in some])
    of_grey = np.mean([chroma.abs().mean().item() for _, chroma in some])
    print(f"held out: {of_guess:.2f} off in a and b, grey {of_grey:.2f}", flush=True)


def _batches(taken: Sequence[Photo], side: int, *, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Lightness 0..1, batch x 1 x side x side, and a and b of half that size, without end."""
    dice = np.random.default_rng(seed)
    shares = np.array([SHARES.get(photo.set, 1.0) for photo in taken])
    shares /= shares.sum()
    return running.ahead(lambda: _batch(taken, shares, side, dice))


def _batch(
    taken: Sequence[Photo], shares: NDArray[np.float64], side: int, dice: np.random.Generator
) -> tuple[Tensor, Tensor]:
    lights, chromas = [], []
    for place in dice.choice(len(taken), BATCH, p=shares):
        lab = to_lab(photos.crop(taken[place].pixels, side, dice, least=CROP_LEAST))
        lights.append(_as_in_old_photos(np.asarray(lab[..., 0] / 100, np.float32), dice))
        half = cv2.resize(lab[..., 1:], (side // 2, side // 2), interpolation=cv2.INTER_AREA)
        chromas.append(half.transpose(2, 0, 1))
    light, chroma = (
        torch.from_numpy(np.stack(some).astype(np.float32)) for some in (lights, chromas)
    )
    return light[:, None], chroma


def _as_in_old_photos(light: Plane, dice: np.random.Generator) -> Plane:
    if not chance(dice, AGED):
        return light
    light = np.asarray(light ** dice.uniform(0.7, 1.4), np.float32)
    lowest, highest = dice.uniform(0, 0.12), dice.uniform(0.85, 1)
    light = lowest + (highest - lowest) * light
    light = np.asarray(cv2.GaussianBlur(light, (0, 0), dice.uniform(0.1, 1.3)), np.float32)
    grain = dice.standard_normal(light.shape, np.float32) * dice.uniform(0, 0.04)
    return np.asarray(np.clip(light + grain, 0, 1), np.float32)


if __name__ == "__main__":
    running.run(__doc__, trained, SIDE)
