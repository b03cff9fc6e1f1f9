"""The networks in `weights/`, run by onnxruntime: each has a card beside it that says what it is.

They work in tiles that overlap by more than what they see, so memory does not grow with the photo
and no seam shows.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Name = Literal["scratches", "grain", "light", "detail", "colours"]
Planes = NDArray[np.float32]  # channels x height x width

WEIGHTS = Path(__file__).parent / "weights"
THREADS = 2  # as many cores as the service promises its times for
TILE = 640


def run(name: Name, **inputs: Planes) -> Planes:
    """What a network makes of one picture; `inputs` by the names of its file, without a batch."""
    batch = {key: value[None] if value.ndim else value for key, value in inputs.items()}
    made: Planes = load(name).run(None, batch)[0][0]
    return made


@cache
def load(name: Name) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.enable_cpu_mem_arena = False  # it keeps the most it ever needed
    options.log_severity_level = 3
    # A thread that waits by spinning takes the core from whoever else has work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    file = str(WEIGHTS / f"{name}.onnx")
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def in_tiles(
    planes: Planes, work: Callable[[Planes], Planes], *, margin: int, multiple: int, scale: int = 1
) -> Planes:
    """Apply `work` to tiles, each seen with `margin` pixels around it; the result is put together.

    A tile's sides are multiples of `multiple`, and what is made of it is `scale` times as large.
    """
    _, height, width = planes.shape
    down, across = -height % multiple + margin, -width % multiple + margin
    padded = np.pad(planes, ((0, 0), (margin, down), (margin, across)), mode="symmetric")
    made: Planes | None = None
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            rows, columns = min(TILE, height - top), min(TILE, width - left)
            tile = padded[
                :,
                top : top + _up(rows, multiple) + 2 * margin,
                left : left + _up(columns, multiple) + 2 * margin,
            ]
            done = work(np.ascontiguousarray(tile))
            if made is None:
                made = np.empty((len(done), scale * height, scale * width), np.float32)
            start = scale * margin
            made[:, scale * top : scale * (top + rows), scale * left : scale * (left + columns)] = (
                done[:, start : start + scale * rows, start : start + scale * columns]
            )
    assert made is not None, "a picture has pixels"
    return made


def _up(length: int, multiple: int) -> int:
    return length + -length % multiple
