"""Why an attempt failed, in the four classes the dispatcher decides by.

`input`: this photo or request can never work. `oom`: it did not fit. `infra`: the network or the
storage failed, another attempt may work. `model`: the engine failed or made something unusable.
"""

import json
from typing import Literal

import cv2

FailureClass = Literal["input", "oom", "infra", "model"]
DETAIL_MAX = 500


class AttemptError(Exception):
    def __init__(self, failure_class: FailureClass, detail: str) -> None:
        super().__init__(detail)
        self.failure_class = failure_class
        self.detail = detail[:DETAIL_MAX]

    def as_output(self) -> dict[str, str]:
        """What RunPod shows as the job's error."""
        return {"error": json.dumps({"class": self.failure_class, "detail": self.detail})}


def from_engine(error: Exception) -> AttemptError:
    """Sort an engine's own exception into a class."""
    out_of_memory = isinstance(error, MemoryError) or (
        isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem
    )
    if out_of_memory or "out of memory" in str(error).lower():
        return AttemptError("oom", "the engine ran out of memory")
    return AttemptError("model", f"the engine failed: {type(error).__name__}")
