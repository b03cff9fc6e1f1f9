"""The state machine, on a clock that tests move."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from deploy.local.runpod import jobs
from deploy.local.runpod.jobs import Job, JobBook, Policy, QueueFull, State

POLICY = Policy(execution_seconds=600, ttl_seconds=24 * 3600)


@dataclass
class Day:
    """A job book, its clock, and the jobs that ended."""

    now: float = 1_000.0
    ended: list[Job] = field(default_factory=list)
    book: JobBook = field(init=False)

    def __post_init__(self) -> None:
        self.book = JobBook(lambda: self.now, self.ended.append)

    def submit(self, **changes: Any) -> Job:
        given: dict[str, Any] = {"webhook": None, "policy": POLICY}
        return self.book.submit({"n": 1}, **{**given, **changes})

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.book.sweep()


@pytest.fixture
def day() -> Day:
    return Day()


def test_jobs_are_taken_in_the_order_they_came(day: Day) -> None:
    first, second = day.submit(), day.submit()

    assert day.book.take("w") is first
    assert day.book.take("w") is second
    assert day.book.take("w") is None


def test_waiting_and_working_times_are_told_in_milliseconds(day: Day) -> None:
    job = day.submit()
    day.now += 1.5
    day.book.take("w")
    day.now += 0.25
    day.book.finish("w", job.id, output={"ok": True}, error=None)

    assert job.view() == {
        "id": job.id,
        "status": "COMPLETED",
        "workerId": "w",
        "delayTime": 1500,
        "executionTime": 250,
        "output": {"ok": True},
    }


def test_an_error_fails_a_job_and_hides_what_was_in_progress(day: Day) -> None:
    job = day.submit()
    day.book.take("w")
    day.book.progress("w", job.id, {"stage": "restore"})
    assert job.view()["output"] == {"stage": "restore"}

    day.book.finish("w", job.id, output=None, error="boom")

    assert job.state is State.FAILED
    assert job.view()["error"] == "boom"
    assert "output" not in job.view()


def test_a_terminal_state_never_changes(day: Day) -> None:
    job = day.submit()
    day.book.take("w")
    day.book.finish("w", job.id, output="first", error=None)

    day.book.finish("w", job.id, output=None, error="second")
    day.book.progress("w", job.id, "late news")
    day.book.cancel(job)

    assert (job.state, job.output) == (State.COMPLETED, "first")
    assert day.ended == [job]


def test_a_result_from_a_worker_that_lost_the_job_is_dropped(day: Day) -> None:
    job = day.submit()
    day.book.take("silent")
    day.pass_by(jobs.WORKER_SILENCE_SECONDS)
    assert day.book.take("other") is job

    day.book.finish("silent", job.id, output="late", error=None)
    day.book.finish("other", job.id, output="in time", error=None)

    assert job.output == "in time"


def test_a_waiting_job_is_cancelled_and_never_taken(day: Day) -> None:
    job = day.submit()

    day.book.cancel(job)

    assert job.state is State.CANCELLED
    assert day.book.take("w") is None
    assert day.book.stops_for("w") == []


def test_a_running_job_is_cancelled_and_its_worker_told_once(day: Day) -> None:
    job = day.submit()
    day.book.take("w")

    day.book.cancel(job)

    assert job.state is State.CANCELLED
    assert day.book.stops_for("w") == [job.id]
    assert day.book.stops_for("w") == []


def test_a_job_that_works_too_long_is_timed_out_and_stopped(day: Day) -> None:
    job = day.submit(policy=Policy(execution_seconds=10, ttl_seconds=3600))
    day.pass_by(100)  # waiting does not count
    day.book.take("w")
    day.pass_by(9.9)
    assert not day.ended

    day.pass_by(0.2)

    assert job.state is State.TIMED_OUT
    assert day.book.stops_for("w") == [job.id]
    assert day.ended == [job]


@pytest.mark.parametrize("taken", [False, True])
def test_a_job_past_its_ttl_is_gone_even_while_it_runs(day: Day, taken: bool) -> None:  # noqa: FBT001
    job = day.submit(policy=Policy(execution_seconds=3600, ttl_seconds=10))
    if taken:
        day.book.take("w")
    day.pass_by(9)
    day.book.heard("w", {job.id})
    assert day.book.find(job.id) is job

    day.pass_by(1)

    assert day.book.find(job.id) is None
    assert day.ended == []
    assert day.book.stops_for("w") == ([job.id] if taken else [])


@pytest.mark.parametrize(
    ("sync", "kept"), [(False, jobs.RESULT_KEPT_SECONDS), (True, jobs.SYNC_RESULT_KEPT_SECONDS)]
)
def test_a_result_is_kept_for_its_time_and_then_gone(day: Day, sync: bool, kept: float) -> None:  # noqa: FBT001
    job = day.submit(sync=sync)
    day.book.take("w")
    day.book.finish("w", job.id, output=1, error=None)
    day.pass_by(kept - 1)
    assert day.book.find(job.id) is job

    day.pass_by(1)

    assert day.book.find(job.id) is None


def test_a_worker_that_pings_keeps_its_job(day: Day) -> None:
    job = day.submit()
    day.book.take("w")

    for _ in range(10):
        day.pass_by(jobs.WORKER_SILENCE_SECONDS - 1)
        day.book.heard("w", {job.id})

    assert job.state is State.IN_PROGRESS


def test_a_silent_workers_job_waits_again(day: Day) -> None:
    job = day.submit()
    day.book.take("w")
    day.pass_by(jobs.WORKER_SILENCE_SECONDS - 1)
    day.book.heard("w", {"another"})

    day.pass_by(1)

    assert job.state is State.IN_QUEUE
    assert day.book.retried == 1


def test_a_worker_that_came_back_without_its_job_has_lost_it(day: Day) -> None:
    job = day.submit()
    day.book.take("w")

    day.book.lose_jobs_of("w")

    assert day.book.take("w") is job


def test_a_job_that_loses_every_worker_fails_at_last(day: Day) -> None:
    job = day.submit()
    for _ in range(jobs.REQUEUES_MAX + 1):
        assert day.book.take("w") is job
        day.pass_by(jobs.WORKER_SILENCE_SECONDS)

    assert job.state is State.FAILED
    assert job.error == "the worker was lost"


def test_a_failed_job_can_be_retried_under_its_id(day: Day) -> None:
    job = day.submit()
    day.book.take("w")
    day.book.finish("w", job.id, output=None, error="boom")

    assert day.book.retry(job)

    assert job.view() == {"id": job.id, "status": "IN_QUEUE"}
    assert not day.book.retry(job)


def test_purging_drops_what_waits_and_leaves_what_runs(day: Day) -> None:
    running, waiting = day.submit(), day.submit()
    day.book.take("w")

    assert day.book.purge() == 1

    assert day.book.find(running.id) is running
    assert day.book.find(waiting.id) is None


def test_a_delayed_job_is_not_taken_before_its_time(day: Day) -> None:
    job = day.submit(delay_seconds=5)
    assert day.book.take("w") is None

    day.now += 5

    assert day.book.take("w") is job


def test_the_number_of_jobs_is_bounded(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "JOBS_MAX", 2)
    old = day.submit()
    day.book.cancel(old)
    day.submit()
    day.submit()  # takes the place of the oldest result

    assert day.book.find(old.id) is None
    with pytest.raises(QueueFull):
        day.submit()
