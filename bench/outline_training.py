"""Train the networks that judge quadrilaterals: `.venv/bin/python -m bench.outline_training`.

On snapshots whose seeds no benchmark or test uses. They learn from the quadrilaterals that lines
make, and from those that the present judge would look around for paper: every run starts from the
weights that it replaces. Several networks that differ in their first weights are one wide network
in the end, which errs less than any. Half an hour on two cores.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat

import cv2
import numpy as np
from numpy.typing import NDArray

from bench import pictures, snapshots
from bench.outline import overlap
from bench.snapshots import Corners, Snapshot
from services.processing import outline_judging, outline_regions, outline_search
from services.processing.outlines import around, is_extreme, worked

FIRST_SEED, SINGLES, SCANS, PAGES = 100_000, 1400, 400, 320
HIDDEN, EPOCHS, BATCH, SEEDS = 96, 60, 8, (1, 2, 3, 4)
RATE, DECAY = 3e-3, 1e-4
WORST, BEST = 0.65, 0.97
"""A quad with the one IoU or less is wrong, with the other or more is right."""

SMALLEST = 0.75
"""The part of a print that its picture fills at least, each way."""

NEAR, SHARPNESS, RANKING = 0.08, 0.02, 0.6
"""Quads that near the picture's best share the ranking loss, which has this weight."""

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Example:
    """All the quads of one picture: their features, and their overlap with the print."""

    features: Array
    ious: Array


def main() -> None:
    """Write the weights beside the module that uses them."""
    with ProcessPoolExecutor(initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        examples: list[Example] = []
        for kind, count in ((_single, SINGLES), (_scan, SCANS), (_page, PAGES)):
            for some in pool.map(kind, range(FIRST_SEED, FIRST_SEED + count), chunksize=4):
                examples += [example for example in some if example is not None]
        weights = joined(list(pool.map(fitted, repeat(examples), SEEDS)))
    np.savez(outline_judging.WEIGHTS, allow_pickle=False, **weights)


def _single(seed: int) -> list[Example | None]:
    return [_example(snapshots.snapshot(seed))]


def _scan(seed: int) -> list[Example | None]:
    return [_example(snapshots.without_print(seed))]


def _page(seed: int) -> list[Example | None]:
    pieces = _pieces(snapshots.album_page(seed), np.random.default_rng(seed))
    return [_example(piece) for piece in pieces]


def _example(shown: Snapshot) -> Example | None:
    """What is to be learnt from the quads proposed in a picture, and from wider ones."""
    small = worked(shown.pixels)
    sight = outline_search.look(small)
    proposed = outline_search.proposed(sight)
    if not len(proposed.corners):
        return None
    measured = outline_search.features(sight, proposed)
    scores = outline_judging.judged(measured, outline_judging.trained())
    wider = [q for q in outline_search.widened(sight, proposed, scores) if len(q.corners)]
    features = [measured, *(outline_search.features(sight, quads) for quads in wider)]
    truths = [quad * small.shape[1::-1] - 0.5 for quad in shown.quads]
    ious = [
        max((overlap(corners, truth) for truth in truths), default=0.0)
        for quads in (proposed, *wider)
        for corners in quads.corners
    ]
    return Example(np.vstack(features), np.array(ious, np.float32))


def _pieces(page: Snapshot, rng: np.random.Generator) -> Iterator[Snapshot]:
    """What is looked at of an album page: at first, beside known prints, and closely."""
    height, width = page.pixels.shape[:2]
    masks = outline_regions.standing_out(worked(page.pixels))
    known = [[(float(x), float(y)) for x, y in quad] for quad in page.quads[::2]]
    boxes = outline_regions.islands(masks, known=[]) + outline_regions.islands(masks, known)
    boxes += outline_regions.beside(known, masks[0].shape)
    for quad in page.quads:
        # As often as not the picture inside a border is what a first look finds.
        part = rng.uniform(SMALLEST, 1) if pictures.chance(rng, 0.5) else 1
        middle = quad.mean(axis=0)
        boxes.append(around(middle + (quad - middle) * part, width, height))
    for left, top, right, bottom in boxes:
        rows = slice(round(top * height), round(bottom * height))
        columns = slice(round(left * width), round(right * width))
        piece = np.ascontiguousarray(page.pixels[rows, columns])
        low, size = np.array((left, top)), np.array((right - left, bottom - top))
        if not is_extreme(piece):
            quads = [(quad - low) / size for quad in page.quads]
            yield Snapshot(piece, [quad for quad in quads if _reaches_in(quad)])


def _reaches_in(quad: Corners) -> bool:
    return bool((quad.max(axis=0) > 0).all() and (quad.min(axis=0) < 1).all())


def joined(networks: list[dict[str, Array]]) -> dict[str, Array]:
    """One network whose answer is the mean of several."""
    first, *_ = networks
    return {
        "mean": first["mean"],
        "scale": first["scale"],
        "first": np.hstack([network["first"] for network in networks]),
        "first_bias": np.hstack([network["first_bias"] for network in networks]),
        "second": np.hstack([network["second"] for network in networks]) / len(networks),
        "second_bias": np.mean([network["second_bias"] for network in networks], axis=0),
    }


def fitted(examples: list[Example], seed: int) -> dict[str, Array]:
    """The weights, by Adam on two losses: whether a quad is right, and whether it is the best."""
    rng = np.random.default_rng(seed)
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
