"""What RunPod and a worker say is input: believed only as far as it makes sense."""

import json
from typing import Any
from uuid import uuid4

import pytest

from services.processing.outcomes import (
    WORDS_LENGTH_MAX,
    WORDS_MAX,
    Failed,
    Finished,
    Running,
    outcome_of,
)
from services.processing.runpod import Status

ATTEMPT = uuid4()
OUTPUT = {
    "attempt_id": str(ATTEMPT),
    "engine": "cpu",
    "engine_version": "1",
    "gpu": "cpu",
    "width": 640,
    "height": 480,
    "bytes": 1000,
    "sha256": "ab" * 32,
    "media_type": "image/png",
    "seconds": 1.5,
    "stages": {"denoise": 0.3},
}


def status(name: str, **facts: Any) -> Status:
    return Status.model_validate({"id": "x", "status": name, "executionTime": 1500, **facts})


def test_a_finished_run_has_its_facts_and_its_cost() -> None:
    outcome = outcome_of(status("COMPLETED", output=OUTPUT), ATTEMPT)

    assert isinstance(outcome, Finished)
    assert (outcome.output.width, outcome.gpu_seconds) == (640, 1.5)


@pytest.mark.parametrize(
    ("said", "applied"),
    [
        ({"applied": ["coat: grün"], "ignored": []}, ["coat: grün"]),
        ({"applied": ["a\0b", 7, None, "x" * 500]}, ["x" * WORDS_LENGTH_MAX]),
        ({"applied": ["x"] * 1000}, ["x"] * WORDS_MAX),
        ({"applied": "everything"}, []),
        (["coat"], []),
        (None, []),
    ],
)
def test_a_workers_words_are_kept_as_far_as_they_make_sense(said: Any, applied: list[str]) -> None:
    outcome = outcome_of(status("COMPLETED", output=OUTPUT | {"hints": said}), ATTEMPT)

    assert isinstance(outcome, Finished)
    assert outcome.output.hints.applied == applied


@pytest.mark.parametrize("name", ["IN_QUEUE", "IN_PROGRESS", "RUNNING", "SOMETHING_NEW", ""])
def test_a_state_we_do_not_know_is_not_an_end(name: str) -> None:
    assert isinstance(outcome_of(status(name), ATTEMPT), Running)


@pytest.mark.parametrize(
    "output",
    [
        None,
        [],
        "done",
        {},
        OUTPUT | {"attempt_id": str(uuid4())},
        OUTPUT | {"sha256": "../../etc/passwd"},
        OUTPUT | {"width": "wide"},
        OUTPUT | {"width": float("nan")},
        OUTPUT | {"height": float("inf")},
        OUTPUT | {"media_type": "text/html"},
        OUTPUT | {"engine": "a\0b"},
        {"error": "none of these"},
    ],
)
def test_an_answer_that_makes_no_sense_is_a_fault_of_the_machine(output: Any) -> None:
    outcome = outcome_of(status("COMPLETED", output=output), ATTEMPT)

    assert isinstance(outcome, Failed)
    assert outcome.fault == "infra"


@pytest.mark.parametrize("fault", ["input", "oom", "infra", "model"])
def test_a_worker_names_its_fault(fault: str) -> None:
    error = json.dumps({"class": fault, "detail": "so\0 it is"})

    outcome = outcome_of(status("FAILED", error=error), ATTEMPT)

    assert outcome == Failed(fault, "so it is", 1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [None, "Traceback …", '{"class": "input"}', '{"class": ["input"], "detail": 1}', "[" * 9],
)
def test_any_other_failure_is_a_fault_of_the_machine(error: Any) -> None:
    outcome = outcome_of(status("FAILED", error=error), ATTEMPT)

    assert isinstance(outcome, Failed)
    assert outcome.fault == "infra"


def test_time_outs_and_cancellations_have_their_names() -> None:
    timed_out, cancelled = (
        outcome_of(status(name), ATTEMPT) for name in ("TIMED_OUT", "CANCELLED")
    )

    assert isinstance(timed_out, Failed)
    assert isinstance(cancelled, Failed)
    assert (timed_out.fault, cancelled.fault) == ("timed-out", "cancelled")
