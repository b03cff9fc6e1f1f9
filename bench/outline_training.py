"""Train the network that judges quadrilaterals: `.venv/bin/python -m bench.outline_training`.

On snapshots whose seeds no benchmark or test uses. A first network learns from the quadrilaterals
that lines make, a second also from those that the first would look around for paper. Twenty
minutes on one core; the same weights every time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bench import snapshots
from bench.outline import overlap
from bench.snapshots import Corners, Snapshot
from services.processing import outline_judging, outline_regions, outline_search
from services.processing.outline_quads import Quads
from services.processing.outline_search import Sight
from services.processing.outlines import worked

FIRST_SEED, SINGLES, SCANS, PAGES = 100_000, 280, 60, 30
HIDDEN, EPOCHS, BATCH, SEED = 40, 40, 8, 1
RATE, DECAY = 3e-3, 1e-4
WORST, BEST = 0.6, 0.97
"""A quad with the one IoU or less is wrong, with the other or more is right."""

NEAR, SHARPNESS, RANKING = 0.08, 0.02, 0.6
"""Quads that near the picture's best share the ranking loss, which has this weight."""

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Example:
    """All the quads of one picture: their features, and their overlap with the print."""

    features: Array
    ious: Array


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture with what was proposed in it, and where its print is, in the same pixels."""

    sight: Sight
    candidates: Quads
    truths: list[Corners]

    def example(self, *more: Quads) -> Example:
        """What is to be learnt from the proposed quads and more."""
        every = [quads for quads in (self.candidates, *more) if len(quads.corners)]
        features = [outline_search.features(self.sight, quads) for quads in every]
        ious = [
            max(overlap(corners, truth) for truth in self.truths)
            for quads in every
            for corners in quads.corners
        ]
        return Example(np.vstack(features), np.array(ious, np.float32))


def main() -> None:
    """Write the weights beside the module that uses them."""
    cv2.setNumThreads(1)
    scenes = [scene for shown in _shown() if len((scene := _scene(shown)).candidates.corners)]
    weights = fitted([scene.example() for scene in scenes])
    examples = []
    for scene in scenes:
        scores = outline_judging.judged(outline_search.features(*_of(scene)), weights)
        wider = outline_search.widened(*_of(scene), scores)
        examples.append(scene.example(*wider))
    np.savez(outline_judging.WEIGHTS, allow_pickle=False, **fitted(examples))


def _scene(shown: Snapshot) -> Scene:
    small = worked(shown.pixels)
    sight = outline_search.look(small)
    size = small.shape[1::-1]
    truths = [quad * size - 0.5 for quad in shown.quads]
    return Scene(sight, outline_search.proposed(sight), truths)


def _pieces(page: Snapshot) -> Iterator[Snapshot]:
    """What is looked at of an album page: a print, with pieces of its neighbours."""
    height, width = page.pixels.shape[:2]
    masks = outline_regions.standing_out(worked(page.pixels))
    for left, top, right, bottom in outline_regions.islands(masks, known=[]):
        rows = slice(round(top * height), round(bottom * height))
        columns = slice(round(left * width), round(right * width))
        low, size = np.array((left, top)), np.array((right - left, bottom - top))
        quads = [(quad - low) / size for quad in page.quads]
        yield Snapshot(np.ascontiguousarray(page.pixels[rows, columns]), quads)


def _of(scene: Scene) -> tuple[Sight, Quads]:
    return scene.sight, scene.candidates


def _shown() -> Iterator[Snapshot]:
    for seed in range(FIRST_SEED, FIRST_SEED + SINGLES):
        yield snapshots.snapshot(seed)
    for seed in range(FIRST_SEED, FIRST_SEED + SCANS):
        yield snapshots.without_print(seed)
    for seed in range(FIRST_SEED, FIRST_SEED + PAGES):
        yield from _pieces(snapshots.album_page(seed))


def fitted(examples: list[Example]) -> dict[str, Array]:
    """The weights, by Adam on two losses: whether a quad is right, and whether it is the best."""
    rng = np.random.default_rng(SEED)
    every = np.vstack([example.features for example in examples])
    mean, scale = every.mean(axis=0), every.std(axis=0) + 1e-3
    inputs = every.shape[1]
    weights = [
        rng.standard_normal((inputs, HIDDEN)) / np.sqrt(inputs),
        np.zeros(HIDDEN),
        rng.standard_normal(HIDDEN) / np.sqrt(HIDDEN),
        np.zeros(1),
    ]
    first = [np.zeros_like(part) for part in weights]
    second = [np.zeros_like(part) for part in weights]
    step = 0
    for epoch in range(EPOCHS):
        rate = RATE * (1 - 0.9 * epoch / EPOCHS)
        order = rng.permutation(len(examples))
        for start in range(0, len(examples), BATCH):
            sums = [np.zeros_like(part) for part in weights]
            for place in order[start : start + BATCH]:
                inputs_ = (examples[place].features - mean) / scale
                slopes = _slopes(weights, inputs_, examples[place].ious)
                sums = [total + slope / BATCH for total, slope in zip(sums, slopes, strict=True)]
            step += 1
            for k, part in enumerate(weights):
                slope = sums[k] + DECAY * part
                first[k] += 0.1 * (slope - first[k])
                second[k] += 0.01 * (slope**2 - second[k])
                size = np.sqrt(second[k] / (1 - 0.99**step)) + 1e-7
                weights[k] = part - rate * first[k] / (1 - 0.9**step) / size
    names = ("first", "first_bias", "second", "second_bias")
    stored = {"mean": mean, "scale": scale, **dict(zip(names, weights, strict=True))}
    return {name: np.asarray(value, np.float32) for name, value in stored.items()}


def _slopes(
    weights: list[NDArray[np.float64]], inputs: Array, ious: Array
) -> list[NDArray[np.float64]]:
    """The losses' slopes by every weight."""
    into, into_bias, out, out_bias = weights
    hidden = np.tanh(inputs @ into + into_bias)
    scores = hidden @ out + out_bias
    right = np.clip((ious - WORST) / (BEST - WORST), 0, 1)
    wrong = 3 * (1 / (1 + np.exp(-scores)) - right) / len(ious)
    if ious.max() > WORST:
        wanted = np.exp((ious - ious.max()) / SHARPNESS) * (ious > ious.max() - NEAR)
        ranked = np.exp(scores - scores.max())
        wrong += RANKING * (ranked / ranked.sum() - wanted / wanted.sum())
    back = np.outer(wrong, out) * (1 - hidden**2)
    return [inputs.T @ back, back.sum(axis=0), hidden.T @ wrong, np.array([wrong.sum()])]


if __name__ == "__main__":
    main()
