"""Jobs and what may happen to them.

    IN_QUEUE ──take──▶ IN_PROGRESS ──done──▶ COMPLETED | FAILED
        │ ▲                │ │
        │ └──worker lost───┘ └──execution time-out──▶ TIMED_OUT
        └──cancel──▶ CANCELLED ◀──cancel──┘

A job past its ttl is gone, in whatever state. A result is kept for a while, then it is gone too.
Nothing here waits or talks: time comes from a clock that tests can move.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import uuid4

JOBS_MAX = 10_000
STREAM_CHUNKS_MAX = 1_000
RESULT_KEPT_SECONDS = 30 * 60.0
SYNC_RESULT_KEPT_SECONDS = 60.0
WORKER_SILENCE_SECONDS = 15.0
REQUEUES_MAX = 2

Clock = Callable[[], float]


class State(StrEnum):
    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"


TERMINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.TIMED_OUT})
RETRIABLE = frozenset({State.FAILED, State.TIMED_OUT})


@dataclass(frozen=True, slots=True)
class Policy:
    execution_seconds: float = 600.0
    ttl_seconds: float = 24 * 3600.0
    low_priority: bool = False  # it would not make RunPod start another worker


@dataclass(slots=True)
class Job:
    id: str
    input: Any
    webhook: str | None
    policy: Policy
    submitted_at: float
    kept_seconds: float
    takeable_at: float
    state: State = State.IN_QUEUE
    worker_id: str | None = None
    taken_at: float | None = None
    heard_at: float = 0.0  # when its worker last showed that it has the job
    ended_at: float | None = None
    output: Any = None
    error: str | None = None
    requeued: int = 0
    ordained: State | None = None  # a fault: how it ends as soon as it is taken
    chunks: deque[Any] = field(default_factory=lambda: deque(maxlen=STREAM_CHUNKS_MAX))

    def view(self) -> dict[str, Any]:
        """The body of `/status`, and of the webhook."""
        body: dict[str, Any] = {"id": self.id, "status": self.state.value}
        if self.taken_at is not None:
            body["delayTime"] = _milliseconds(self.taken_at - self.submitted_at)
            body["workerId"] = self.worker_id
        if self.taken_at is not None and self.ended_at is not None:
            body["executionTime"] = _milliseconds(self.ended_at - self.taken_at)
        if self.output is not None:
            body["output"] = self.output
        if self.error is not None:
            body["error"] = self.error
        return body


class QueueFull(Exception):  # noqa: N818 - a state, in the words of this module
    """The emulator holds as many live jobs as it can."""


class JobBook:
    """Every job of one endpoint, and the workers that were heard of."""

    def __init__(self, clock: Clock, on_end: Callable[[Job], None]) -> None:
        self._clock = clock
        self._on_end = on_end
        self._jobs: dict[str, Job] = {}
        self._stops: dict[str, list[str]] = {}
        self.retried = 0
        self.charged_seconds = 0.0

    def submit(
        self,
        job_input: Any,
        *,
        webhook: str | None,
        policy: Policy,
        sync: bool = False,
        delay_seconds: float = 0.0,
    ) -> Job:
        self.sweep()
        if len(self._jobs) >= JOBS_MAX:
            self._forget_oldest_result()
        now = self._clock()
        job = Job(
            id=f"sync-{uuid4()}-u1" if sync else f"{uuid4()}-u1",
            input=job_input,
            webhook=webhook,
            policy=policy,
            submitted_at=now,
            kept_seconds=SYNC_RESULT_KEPT_SECONDS if sync else RESULT_KEPT_SECONDS,
            takeable_at=now + delay_seconds,
        )
        self._jobs[job.id] = job
        return job

    def find(self, job_id: str) -> Job | None:
        self.sweep()
        return self._jobs.get(job_id)

    def take(self, worker_id: str) -> Job | None:
        """Give the oldest waiting job to a worker."""
        self.sweep()
        now = self._clock()
        for job in self._jobs.values():
            if job.state is State.IN_QUEUE and job.takeable_at <= now:
                job.state, job.worker_id = State.IN_PROGRESS, worker_id
                job.taken_at = job.heard_at = now
                if job.ordained is None:
                    return job
                self._end(job, job.ordained)
        return None

    def progress(self, worker_id: str, job_id: str, output: Any) -> None:
        if job := self._running(worker_id, job_id):
            job.output = output

    def stream(self, worker_id: str, job_id: str, chunk: Any) -> None:
        if job := self._running(worker_id, job_id):
            job.chunks.append(chunk)

    def finish(self, worker_id: str, job_id: str, *, output: Any, error: str | None) -> None:
        """Hear a worker's result. One that comes too late, or for another's job, is dropped."""
        if job := self._running(worker_id, job_id):
            job.output, job.error = output, error
            self._end(job, State.COMPLETED if error is None else State.FAILED)

    def cancel(self, job: Job) -> None:
        if job.state not in TERMINAL:
            self._stop(job)
            self._end(job, State.CANCELLED)

    def retry(self, job: Job) -> bool:
        """Run a failed job again under its old id, forgetting what it left."""
        if job.state not in RETRIABLE:
            return False
        job.output = job.error = job.ordained = None
        self._requeue(job)
        return True

    def purge(self) -> int:
        """Drop what waits; what runs goes on."""
        waiting = [job.id for job in self._jobs.values() if job.state is State.IN_QUEUE]
        for job_id in waiting:
            del self._jobs[job_id]
        return len(waiting)

    def expire(self, job_id: str) -> None:
        """Let a job vanish, as one past its ttl does."""
        if job := self._jobs.pop(job_id, None):
            self._stop(job)

    def heard(self, worker_id: str, job_ids: set[str]) -> None:
        """A worker says which jobs it has."""
        now = self._clock()
        for job in self._of(worker_id):
            if job.id in job_ids:
                job.heard_at = now

    def lose_jobs_of(self, worker_id: str) -> None:
        """A worker asks for work and says that it has none: what it had is lost."""
        for job in list(self._of(worker_id)):
            self._lose(job)

    def stops_for(self, worker_id: str) -> list[str]:
        return self._stops.pop(worker_id, [])

    def count(self, state: State) -> int:
        return sum(job.state is state for job in self._jobs.values())

    def sweep(self) -> None:
        """Let time do its work: ttl, time-outs, silent workers, old results."""
        now = self._clock()
        for job in list(self._jobs.values()):
            if job.ended_at is not None:
                if now - job.ended_at >= job.kept_seconds:
                    del self._jobs[job.id]
            elif now - job.submitted_at >= job.policy.ttl_seconds:
                self.expire(job.id)
            elif job.taken_at is not None and job.state is State.IN_PROGRESS:
                if now - job.taken_at >= job.policy.execution_seconds:
                    self._stop(job)
                    self._end(job, State.TIMED_OUT, "job timed out after its execution time")
                elif now - job.heard_at >= WORKER_SILENCE_SECONDS:
                    self._lose(job)

    def _of(self, worker_id: str) -> Iterator[Job]:
        return (
            job
            for job in self._jobs.values()
            if job.state is State.IN_PROGRESS and job.worker_id == worker_id
        )

    def _running(self, worker_id: str, job_id: str) -> Job | None:
        self.sweep()
        job = self._jobs.get(job_id)
        ours = job and job.state is State.IN_PROGRESS and job.worker_id == worker_id
        return job if ours else None

    def _lose(self, job: Job) -> None:
        if job.requeued >= REQUEUES_MAX:
            self._end(job, State.FAILED, "the worker was lost")
            return
        job.requeued += 1
        self._requeue(job)

    def _requeue(self, job: Job) -> None:
        self.retried += 1
        self._charge(job)
        job.state, job.worker_id = State.IN_QUEUE, None
        job.taken_at = job.ended_at = None

    def _stop(self, job: Job) -> None:
        if job.state is State.IN_PROGRESS and job.worker_id is not None:
            self._stops.setdefault(job.worker_id, []).append(job.id)

    def _end(self, job: Job, state: State, error: str | None = None) -> None:
        self._charge(job)
        job.state, job.ended_at = state, self._clock()
        job.error = error or job.error
        if state is not State.COMPLETED:
            job.output = None
        self._on_end(job)

    def _charge(self, job: Job) -> None:
        """A worker was busy with it until now, whatever came of that."""
        if job.state is State.IN_PROGRESS and job.taken_at is not None:
            self.charged_seconds += self._clock() - job.taken_at

    def _forget_oldest_result(self) -> None:
        ended = next((job.id for job in self._jobs.values() if job.state in TERMINAL), None)
        if ended is None:
            raise QueueFull
        del self._jobs[ended]


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))
