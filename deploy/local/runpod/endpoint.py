"""One serverless endpoint: its jobs, faults, limits, and whoever waits for something to change."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import uuid4

from deploy.local.runpod.faults import Faults
from deploy.local.runpod.jobs import Job, JobBook, Policy, State
from deploy.local.runpod.limits import RateLimits
from deploy.local.runpod.runs import Runs
from deploy.local.runpod.webhooks import WebhookSender

SWEEP_SECONDS = 0.25
WORKERS_MAX = 100
WORKER_GONE_SECONDS = 30.0
GARBAGE = {"attempt_id": None, "width": "wide", "nonsense": ["\u0000", -1]}

Found = TypeVar("Found")


class Endpoint:
    def __init__(
        self,
        endpoint_id: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        webhooks: WebhookSender | None = None,
    ) -> None:
        self.id = endpoint_id
        self.faults = Faults()
        self.limits = RateLimits(clock)
        self.runs = Runs()
        self.jobs = JobBook(clock, self._ended)
        self._clock = clock
        self._webhooks = webhooks or WebhookSender()
        self._changed = asyncio.Event()
        self._workers: dict[str, float] = {}

    def submit(
        self, job_input: Any, *, webhook: str | None, policy: Policy, sync: bool = False
    ) -> Job:
        job = self.jobs.submit(
            job_input,
            webhook=webhook,
            policy=policy,
            sync=sync,
            delay_seconds=self.faults.delay_seconds,
        )
        self.runs.submitted(job)
        if failure := self.faults.take_failure():
            job.ordained, job.error = State.FAILED, failure
        elif self.faults.happens("time_out_next"):
            job.ordained, job.error = State.TIMED_OUT, "job timed out after its execution time"
        self.change()
        return job

    def finish(self, worker_id: str, job_id: str, *, output: Any, error: str | None) -> None:
        if self.faults.happens("stuck_runs"):
            return
        if error is None and self.faults.happens("garbage_output"):
            output = GARBAGE
        if error is None and isinstance(output, dict) and self.faults.happens("others_output"):
            output = {**output, "attempt_id": str(uuid4())}
        self.jobs.finish(worker_id, job_id, output=output, error=error)

    def see_worker(self, worker_id: str) -> None:
        now = self._clock()
        self._workers[worker_id] = now
        alive = {w: at for w, at in self._workers.items() if now - at < WORKER_GONE_SECONDS}
        newest = sorted(alive, key=alive.__getitem__)[-WORKERS_MAX:]
        self._workers = {worker: alive[worker] for worker in newest}

    def health(self) -> dict[str, dict[str, int]]:
        self.jobs.sweep()
        now = self._clock()
        alive = (
            0
            if self.faults.no_workers
            else sum(now - at < WORKER_GONE_SECONDS for at in self._workers.values())
        )
        running = min(alive, self.jobs.count(State.IN_PROGRESS))
        return {
            "jobs": {
                "completed": self.jobs.count(State.COMPLETED),
                "failed": self.jobs.count(State.FAILED),
                "inProgress": self.jobs.count(State.IN_PROGRESS),
                "inQueue": self.jobs.count(State.IN_QUEUE),
                "retried": self.jobs.retried,
            },
            "workers": {
                "idle": alive - running,
                "initializing": 0,
                "ready": alive,
                "running": running,
                "throttled": 0,
                "unhealthy": 0,
            },
        }

    def change(self) -> None:
        """Wake whoever waits."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for(self, look: Callable[[], Found | None], seconds: float) -> Found | None:
        """Look now and after every change, until there is something or time is up."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            changed = self._changed
            if (found := look()) is not None:
                return found
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return None
            # A delayed job becomes takeable without any change, hence the short naps.
            try:
                async with asyncio.timeout(min(left, SWEEP_SECONDS)):
                    await changed.wait()
            except TimeoutError:
                continue

    async def sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.jobs.sweep()

    async def close(self) -> None:
        await self._webhooks.close()

    def _ended(self, job: Job) -> None:
        self.runs.ended(job)
        self.change()
        if job.webhook is None:
            return
        if self.faults.happens("forge_webhook"):
            forged = {**job.view(), "id": str(uuid4()), "status": State.COMPLETED.value}
            self._webhooks.send(job.webhook.partition("?")[0], forged)
        if self.faults.happens("lose_webhook"):
            return
        late_s = self.faults.late_seconds if self.faults.happens("late_webhook") else 0.0
        for _ in range(2 if self.faults.happens("duplicate_webhook") else 1):
            self._webhooks.send(job.webhook, job.view(), after_seconds=late_s)
