"""How long a network learns, and how fast: by steps or by minutes, whichever ends first.

The rate rises quickly and falls along a cosine, so that a run that is cut short by its minutes has
still settled down.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

from torch.optim import Optimizer

WARM_UP = 0.05
"""The share of a run in which the rate rises."""

TOLD_EVERY = 50


@dataclass(frozen=True, slots=True)
class Schedule:
    steps: int
    minutes: float

    def run(self, optimizer: Optimizer) -> Iterator[int]:
        """The number of each step, with the optimizer's rates set for it."""
        highest = [group["lr"] for group in optimizer.param_groups]
        began = time.monotonic()
        for step in range(self.steps):
            done = max(step / self.steps, (time.monotonic() - began) / 60 / self.minutes)
            if done >= 1:
                return
            for group, rate in zip(optimizer.param_groups, highest, strict=True):
                group["lr"] = rate * _share(done)
            yield step


def _share(done: float) -> float:
    if done < WARM_UP:
        return 0.1 + 0.9 * done / WARM_UP
    return 0.01 + 0.99 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


def tell(step: int, **values: float) -> None:
    """Print some of the steps."""
    if step % TOLD_EVERY == 0:
        told = " ".join(f"{name} {value:.3f}" for name, value in values.items())
        print(f"step {step}: {told}", flush=True)
