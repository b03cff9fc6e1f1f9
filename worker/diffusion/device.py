"""The device a pipeline works on, and what happens when its memory is full.

What only a GPU can show is in this module and in `loading`; without CUDA all runs on the CPU.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from worker.failures import AttemptError
from worker.stages import Stages


def name() -> str:
    """Name the hardware as its driver does, which the price of a second is looked up by."""
    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else "cpu"


def lots(seed: int) -> torch.Generator:
    """Draw on the CPU, so that a seed means the same noise on every GPU."""
    return torch.Generator("cpu").manual_seed(seed)


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Turn PyTorch's own error into ours, and leave the memory free for the next attempt."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise AttemptError("oom", f"it did not fit into the memory of {name()}") from None
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def stopping(stage: Stages) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
    """Make what a pipeline calls after each step: a cancelled attempt ends there."""

    def after_step(_: Any, __: int, ___: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        stage.stop_if_asked()
        return tensors

    return after_step
