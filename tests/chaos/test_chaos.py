"""A short chaos run with a fixed seed, and what the checker says of worlds that are wrong."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos.__main__ import run
from tests.chaos.checker import World, doubled, lost, stuck, wrongly_charged
from tests.chaos.history import Record

FAULTS_S = 15.0
JOB, OTHER, PHOTO, ACCOUNT, KEY = "job", "other", "photo", "account", "key"


@pytest.mark.stack
@pytest.mark.timeout(420)
def test_under_faults_nothing_is_lost_doubled_stuck_or_wrongly_charged() -> None:
    verdict = run(seed=7, faults_s=FAULTS_S)

    assert verdict["anomalies"] == 0, verdict
    assert verdict["settled_after_s"] is not None
    assert verdict["faults"] >= 5
    assert verdict["jobs"]["COMPLETED"] >= 5


def world(*jobs: Any, captured: int = 2, held: int = 0) -> World:
    return World(
        jobs={job.id: job for job in jobs},
        captured={ACCOUNT: captured},
        held={ACCOUNT: held},
        photos={PHOTO: "ready"},
    )


def job(job_id: str = JOB, *, state: str = "COMPLETED", key: str = KEY) -> Any:
    return SimpleNamespace(id=job_id, state=state, idempotency_key=key, account_id=ACCOUNT, price=2)


def record(call: str = "order", **facts: str) -> Record:
    return Record(ACCOUNT, call, "ok", 0.0, 0.0, facts)


def ordered(job_id: str = JOB) -> Record:
    return record(key=KEY, job=job_id)


def test_a_good_world_has_no_anomaly() -> None:
    good = world(job())

    assert not lost(good, [ordered(), record("upload", photo=PHOTO)])
    assert not doubled(good, [ordered(), ordered()])
    assert not stuck(good)
    assert not wrongly_charged(good, {ACCOUNT})


def test_an_acknowledged_order_that_is_gone_is_seen() -> None:
    assert lost(world(), [ordered()]) == [f"job {JOB}"]


def test_an_acknowledged_upload_that_is_gone_is_seen() -> None:
    assert lost(world(job()), [record("upload", photo="another")]) == ["photo another"]


def test_a_cancelled_job_that_went_on_is_seen() -> None:
    assert lost(world(job()), [record("cancel", job=JOB)]) == [f"cancel {JOB}"]


def test_one_key_answered_with_two_jobs_is_seen() -> None:
    assert len(doubled(world(job()), [ordered(), ordered(OTHER)])) == 1


def test_one_key_stored_as_two_jobs_is_seen() -> None:
    assert len(doubled(world(job(), job(OTHER)), [])) == 1


def test_a_job_that_never_ended_is_seen() -> None:
    assert stuck(world(job(state="RUNNING"))) == [JOB]


@pytest.mark.parametrize(
    ("state", "captured", "held"),
    [("COMPLETED", 4, 0), ("COMPLETED", 0, 0), ("FAILED", 2, 0), ("COMPLETED", 2, 2)],
    ids=["charged-twice", "not-charged", "charged-for-a-failure", "hold-left-open"],
)
def test_a_wrong_charge_is_seen(state: str, captured: int, held: int) -> None:
    wrong = world(job(state=state), captured=captured, held=held)

    assert len(wrongly_charged(wrong, {ACCOUNT})) == 1
