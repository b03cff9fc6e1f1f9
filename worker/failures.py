"""Why an attempt failed, in the four classes the dispatcher decides by.

`input`: this photo or request can never work. `oom`: it did not fit. `infra`: the network or the
storage failed, another attempt may work. `model`: the engine failed or made something unusable.
"""

import json
from typing import Any, Literal

import cv2

FailureClass = Literal["input", "oom", "infra", "model"]
DETAIL_MAX = 500


class AttemptError(Exception):
    """`worker_is_broken` asks RunPod for a fresh process: after it nothing would work in this."""

    def __init__(
        self, failure_class: FailureClass, detail: str, *, worker_is_broken: bool = False
    ) -> None:
        super().__init__(detail)
        self.failure_class = failure_class
        self.detail = detail[:DETAIL_MAX]
        self.worker_is_broken = worker_is_broken

    def as_output(self) -> dict[str, Any]:
        """What RunPod shows as the job's error."""
        error = {"error": json.dumps({"class": self.failure_class, "detail": self.detail})}
        return error | {"refresh_worker": True} if self.worker_is_broken else error


def from_engine(error: Exception) -> AttemptError:
    """Sort an engine's own exception into a class."""
    # PyTorch's own class is known by its name: the CPU engine's environment does not have it.
    out_of_memory = (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem)
    )
    if out_of_memory or "out of memory" in str(error).lower():
        return AttemptError("oom", "the engine ran out of memory")
    if type(error).__name__ == "AcceleratorError":
        return AttemptError("infra", "the GPU failed", worker_is_broken=True)
    return AttemptError("model", f"the engine failed: {type(error).__name__}")
