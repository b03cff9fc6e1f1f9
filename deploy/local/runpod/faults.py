"""Faults that a test may ask for: how often each is still to happen."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

TIMES_MAX = 1_000
DELAY_SECONDS_MAX = 600.0
ERROR_MAX = 2_000

Times = Annotated[int, Field(ge=0, le=TIMES_MAX)]


class Faults(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    lose_webhook: Times = 0  # a webhook is never sent
    duplicate_webhook: Times = 0  # a webhook is sent twice
    fail_next: str | None = Field(default=None, max_length=ERROR_MAX)  # the next job FAILED so
    time_out_next: Times = 0  # a job is TIMED_OUT as soon as a worker takes it
    answer_401: Times = 0  # a client's key is refused
    answer_404: Times = 0  # a client's endpoint is gone
    answer_429: Times = 0  # a client's call is refused as one too many
    answer_500: Times = 0  # a client's call fails before anything happened
    truncate_answer: Times = 0  # a client's call is done, and half of its answer arrives
    unknown_state: Times = 0  # a status names a state that no documentation knows
    no_workers: bool = False  # health shows no worker: the endpoint starts cold
    hang_submit: Times = 0  # a job is accepted, and the caller never hears its id
    garbage_output: Times = 0  # a finished job's output is not what the handler returned
    delay_seconds: float = Field(default=0.0, ge=0, le=DELAY_SECONDS_MAX)  # every job waits so long
    expire_job: str | None = None  # this job is gone at once

    def happens(self, fault: str) -> bool:
        """Whether a counted fault is due now; each time it is, it is due once less."""
        left: int = getattr(self, fault)
        if left > 0:
            setattr(self, fault, left - 1)
        return left > 0

    def take_failure(self) -> str | None:
        failure, self.fail_next = self.fail_next, None
        return failure

    def set(self, wanted: "Faults") -> None:
        """Set what was named and leave the rest."""
        for name in wanted.model_fields_set:
            setattr(self, name, getattr(wanted, name))
