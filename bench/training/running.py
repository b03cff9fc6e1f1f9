"""What the training scripts have in common: a command line, and examples that are drawn ahead."""

import argparse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from bench.training import export
from bench.training.schedule import Schedule

STEPS_MAX = 12_000
T = TypeVar("T")


def run(
    description: str | None,
    train: Callable[[Path, Schedule], nn.Module],
    side: int,
    channels: int = 1,
) -> None:
    """Train on one core, which leaves the other to whoever draws, and write the network."""
    reading = argparse.ArgumentParser(description=description)
    reading.add_argument("--photos", type=Path, required=True, help="with a LICENSES.csv")
    reading.add_argument("--weights", type=Path, required=True, help="the file to write")
    reading.add_argument("--minutes", type=float, required=True)
    asked = reading.parse_args()
    torch.set_num_threads(1)
    network = train(asked.photos, Schedule(STEPS_MAX, asked.minutes))
    export.write(network, asked.weights, (torch.zeros(1, channels, side, side),))


def ahead(draw: Callable[[], T]) -> Iterator[T]:
    """What is drawn, without end; the next is being drawn while one is worked on."""
    with ThreadPoolExecutor(1) as drawing:
        waiting = drawing.submit(draw)
        while True:
            ready = waiting.result()
            waiting = drawing.submit(draw)
            yield ready
