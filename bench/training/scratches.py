"""Train the network that finds scratches: `make training only=scratches photos=folder`.

Photos are worn by `wear` as they are drawn, so no step sees the same print twice. What a face is
made of, brows, lips, hair, is where an error costs most, so a false alarm counts more there; and
clean prints, frames and captions are shown as well, with nothing to find.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bench.training import photos, running
from bench.training.networks import ScratchNetwork, parameters
from bench.training.photos import Photo
from bench.training.schedule import Schedule, tell
from bench.training.wear import EVERYTHING, Picture, chance, worn
from worker.engines.cpu.colours import to_grey

SIDE, BATCH, RATE, DECAY = 192, 6, 2e-3, 1e-3
FOUND_WEIGHT = 2.0
"""Most pixels are undamaged: what is damaged counts more."""

FACE_WEIGHT = 3.0
"""How much more a false alarm in a face costs than one elsewhere."""

FACE_MARGIN = 0.25
"""Of a face's width: hair, chin and ears belong to it."""

FACE_SEARCH_SIDE, FACE_LEAST = 160, 20
"""Pixels: of the picture that is searched, and of the smallest face in it."""

CROP_LEAST = 0.45
CHANCES = {
    "damaged": 0.8,
    "toned": 0.6,
    "faded": 0.7,
    "softened": 0.8,
    "stained": 0.2,
    "stored": 0.6,
}
FRAMED = 0.25
SMOOTHING = 0.02

Mask = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Portrayed:
    """A photo, and 255 where its faces are."""

    pixels: Picture
    faces: Mask


def trained(folder: Path, schedule: Schedule, *, side: int = SIDE) -> ScratchNetwork:
    torch.manual_seed(1)
    learnt, held_out = ([_portrayed(photo) for photo in some] for some in photos.read(folder))
    network = ScratchNetwork()
    network.learn_from_imagenet()
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(parameters(network, rate=RATE), weight_decay=DECAY)
    network.train()
    smooth = 1.0
    for step, (light, lost, faces) in zip(
        schedule.run(optimizer), _batches(learnt, side, seed=1), strict=False
    ):
        loss, overlap = losses(network(light), lost, faces)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        smooth += SMOOTHING * (overlap.item() - smooth)
        tell(step, loss=loss.item(), unlike=smooth)
    print(f"held out: {_error(network, held_out, side):.3f} unlike", flush=True)
    return network


def losses(logits: Tensor, lost: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    """The loss, and how unlike the found and the lost are (1 - Dice): 0 is perfect."""
    found = torch.sigmoid(logits)
    unlike = 1 - (2 * (found * lost).sum() + 1) / (found.sum() + lost.sum() + 1)
    weight = 1 + (FOUND_WEIGHT - 1) * lost + (FACE_WEIGHT - 1) * faces * (1 - lost)
    entropy = functional.binary_cross_entropy_with_logits(logits, lost, weight=weight)
    return entropy + unlike, unlike


def _error(network: ScratchNetwork, held_out: Sequence[Portrayed], side: int) -> float:
    network.eval()
    batches = _batches(held_out, side, seed=2)
    with torch.no_grad():
        some = [next(batches) for _ in range(max(1, len(held_out) // BATCH))]
        return float(
            np.mean([losses(network(x), lost, faces)[1].item() for x, lost, faces in some])
        )


def _batches(
    taken: Sequence[Portrayed], side: int, *, seed: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Lightness, what is lost, and faces, each batch x 1 x side x side in 0..1, without end."""
    dice = np.random.default_rng(seed)
    return running.ahead(lambda: _batch(taken, side, dice))


def _batch(
    taken: Sequence[Portrayed], side: int, dice: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    examples = [example(taken[int(dice.integers(len(taken)))], side, dice) for _ in range(BATCH)]
    light, lost, faces = (
        torch.from_numpy(np.stack(planes).astype(np.float32) / 255)[:, None]
        for planes in zip(*examples, strict=True)
    )
    return light, lost, faces


def example(photo: Portrayed, side: int, dice: np.random.Generator) -> tuple[Picture, Mask, Mask]:
    """A worn piece of a photo in grey, what it lost, and where its faces are."""
    both = np.dstack([photo.pixels, photo.faces])
    piece = photos.crop(both, side, dice, least=CROP_LEAST)
    steps = [name for name in EVERYTHING if chance(dice, CHANCES[name])]
    seed, level = int(dice.integers(1 << 31)), dice.uniform(0.4, 1.6)
    print_ = worn(np.ascontiguousarray(piece[..., :3]), seed, level=level, steps=steps)
    picture, mask = print_.picture, print_.mask
    if chance(dice, FRAMED):
        _frame(picture, mask, dice)
    return to_grey(picture), mask, np.ascontiguousarray(piece[..., 3])


def _frame(picture: Picture, mask: Mask, dice: np.random.Generator) -> None:
    """A border, as prints have, is no damage."""
    height, width = mask.shape
    thickness = int(dice.integers(3, 16))
    for plane, value in ((picture, (float(dice.choice([0, 10, 235, 255])),) * 3), (mask, (0.0,))):
        cv2.rectangle(plane, (0, 0), (width - 1, height - 1), value, thickness)


def _portrayed(photo: Photo) -> Portrayed:
    """One cascade at a small size: a thousand photos in half a minute, and a miss costs little."""
    mask = np.zeros(photo.pixels.shape[:2], np.uint8)
    scale = FACE_SEARCH_SIDE / max(mask.shape)
    small = cv2.resize(to_grey(photo.pixels), None, fx=scale, fy=scale)
    found = _cascade().detectMultiScale(small, minNeighbors=2, minSize=(FACE_LEAST, FACE_LEAST))
    for box in found:
        left, top, width, _ = (round(float(value) / scale) for value in box)
        extra = round(FACE_MARGIN * width)
        down, across = (slice(max(0, low - extra), low + width + extra) for low in (top, left))
        mask[down, across] = 255
    return Portrayed(photo.pixels, mask)


@cache
def _cascade() -> cv2.CascadeClassifier:
    folder = Path(cv2.__file__).parent / "data"
    return cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_alt2.xml"))


if __name__ == "__main__":
    running.run(__doc__, trained, SIDE)
