"""Faults that a test may ask RunPod's emulator for."""

from pydantic import Field

from deploy.local.faults import FaultsOnDemand, Seconds, Times

ERROR_MAX = 2_000


class Faults(FaultsOnDemand):
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

    def take_failure(self) -> str | None:
        failure, self.fail_next = self.fail_next, None
        return failure
