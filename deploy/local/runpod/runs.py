"""The emulator's own books: how often each attempt was submitted, and how its runs ended.

Whoever uses the GPU keeps books too; a chaos run compares both.
"""

from typing import Any

from deploy.local.runpod.jobs import Job

ATTEMPTS_KEPT_MAX = 100_000


class Runs:
    """Runs by the attempt that their input names; the oldest attempts are forgotten at last."""

    def __init__(self) -> None:
        self._ends: dict[str, list[str]] = {}
        self._submits: dict[str, int] = {}

    def submitted(self, job: Job) -> None:
        attempt_id = _attempt_of(job)
        self._submits[attempt_id] = self._submits.get(attempt_id, 0) + 1
        if len(self._submits) > ATTEMPTS_KEPT_MAX:
            oldest = next(iter(self._submits))
            del self._submits[oldest]
            self._ends.pop(oldest, None)

    def ended(self, job: Job) -> None:
        self._ends.setdefault(_attempt_of(job), []).append(job.state.value)

    def view(self) -> dict[str, dict[str, Any]]:
        """Submits and ends of every attempt."""
        return {
            attempt_id: {"submits": submits, "ends": self._ends.get(attempt_id, [])}
            for attempt_id, submits in self._submits.items()
        }


def _attempt_of(job: Job) -> str:
    given = job.input if isinstance(job.input, dict) else {}
    return str(given.get("attempt_id", ""))
