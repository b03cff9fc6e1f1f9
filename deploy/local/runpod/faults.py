"""Faults that a test may ask for: how often each is still to happen, or how often by chance.

Chances come from the seed that was set with them: the same calls in the same order meet the same
faults again.
"""

import random
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr

TIMES_MAX = 1_000
DELAY_SECONDS_MAX = 600.0
ERROR_MAX = 2_000

Times = Annotated[int, Field(ge=0, le=TIMES_MAX)]
Seconds = Annotated[float, Field(ge=0, le=DELAY_SECONDS_MAX)]
Chance = Annotated[float, Field(ge=0, le=1)]


def _countable(chances: dict[str, float]) -> dict[str, float]:
    counted = {name for name, given in Faults.model_fields.items() if given.annotation is int}
    if strange := chances.keys() - (counted - {"seed"}):
        raise ValueError(f"no faults that happen by chance: {sorted(strange)}")
    return chances


class Faults(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    lose_webhook: Times = 0  # a webhook is never sent
    duplicate_webhook: Times = 0  # a webhook is sent twice
    forge_webhook: Times = 0  # somebody else calls the address, unsigned, before RunPod does
    late_webhook: Times = 0  # a webhook comes `late_seconds` after its job has ended
    late_seconds: Seconds = 60.0
    fail_next: str | None = Field(default=None, max_length=ERROR_MAX)  # the next job FAILED so
    time_out_next: Times = 0  # a job is TIMED_OUT as soon as a worker takes it
    stuck_runs: Times = 0  # a job stays IN_PROGRESS although its worker has handed it in
    answer_401: Times = 0  # a client's key is refused
    answer_404: Times = 0  # a client's endpoint is gone
    answer_429: Times = 0  # a client's call is refused as one too many
    answer_500: Times = 0  # a client's call fails before anything happened
    fail_accepted: Times = 0  # a job is accepted, and its client is told of an internal error
    truncate_answer: Times = 0  # a client's call is done, and half of its answer arrives
    unknown_state: Times = 0  # a status names a state that no documentation knows
    no_workers: bool = False  # health shows no worker: the endpoint starts cold
    hang_submit: Times = 0  # a job is accepted, and the caller never hears its id
    garbage_output: Times = 0  # a finished job's output is not what the handler returned
    others_output: Times = 0  # a finished job's output is about another attempt
    delay_seconds: Seconds = 0.0  # every job waits so long
    expire_job: str | None = None  # this job is gone at once
    seed: int = 0  # of the chances
    chances: Annotated[dict[str, Chance], AfterValidator(_countable)] = Field(default_factory=dict)

    _rng: random.Random = PrivateAttr(default_factory=random.Random)

    def happens(self, fault: str) -> bool:
        """Whether a fault is due now: a counted one is due once less then, or chance has it."""
        left: int = getattr(self, fault)
        if left > 0:
            setattr(self, fault, left - 1)
            return True
        chance = self.chances.get(fault, 0.0)
        return chance > 0 and self._rng.random() < chance

    def take_failure(self) -> str | None:
        failure, self.fail_next = self.fail_next, None
        return failure

    def set(self, wanted: "Faults") -> None:
        """Set what was named and leave the rest; chances begin anew from their seed."""
        for name in wanted.model_fields_set:
            setattr(self, name, getattr(wanted, name))
        if wanted.model_fields_set & {"seed", "chances"}:
            self._rng.seed(self.seed)
