"""A short chaos run with a fixed seed, and what the checker says of worlds that are wrong."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos import checker, schedule
from tests.chaos.checker import doubled, lost, stuck, wrongly_charged
from tests.chaos.history import Record, ServerError
from tests.chaos.run import SHORT, run
from tests.chaos.world import World, owners_of

FAULTS_S = 45.0
JOB, OTHER, PHOTO, ACCOUNT, KEY = "job", "other", "photo", "account", "key"
BATCH, ATTEMPT, RESULT = "batch", "attempt", "results/account/job/attempt.png"
COMPLETED = "processing.job.completed"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.stack
@pytest.mark.timeout(480)
def test_under_faults_nothing_is_lost_doubled_stuck_or_wrongly_charged() -> None:
    verdict = run(seed=7, faults_s=FAULTS_S, scale=SHORT)

    assert verdict["anomalies"] == 0, verdict
    assert verdict["settled_after_s"] is not None
    assert verdict["faults"] >= 50
    assert verdict["kinds"] >= 25
    assert verdict["jobs_by_state"]["COMPLETED"] >= 50


def test_a_seed_replays_its_schedule() -> None:
    plans = [schedule.plan(seed, for_s=600, pause_s=(0.4, 2.4)) for seed in (1, 1, 2)]

    assert plans[0] == plans[1]
    assert plans[0] != plans[2]
    assert len(plans[0]) >= 300
    assert {fault.kind for fault in plans[0]} == {card.kind for card in schedule.DECK}


def test_a_run_may_have_the_wished_faults_only() -> None:
    wishes = ["kill relay", "cut link@credits"]
    faults = schedule.plan(1, for_s=60, pause_s=(0.4, 2.4), wishes=wishes)

    hit = {(fault.kind, fault.target) for fault in faults}
    assert hit == {("kill relay", "relay"), ("kill relay", "relay-2"), ("cut link", "credits")}


def world(*jobs: Any, captured: int = 2, held: int = 0, **known: Any) -> World:
    return World(
        jobs={job.id: job for job in jobs},
        captured={ACCOUNT: captured},
        held={ACCOUNT: held},
        photos={PHOTO: "ready"},
        **known,
    )


def job(job_id: str = JOB, *, state: str = "COMPLETED", key: str = KEY, **known: Any) -> Any:
    return SimpleNamespace(
        id=job_id, state=state, idempotency_key=key, account_id=ACCOUNT, price=2, **known
    )


def batch(state: str = "PLACED", *, finished_at: Any = LONG_AGO) -> Any:
    return SimpleNamespace(
        id=BATCH, state=state, idempotency_key=KEY, account_id=ACCOUNT, jobs=1,
        finished_at=finished_at,
    )  # fmt: skip


def attempt(attempt_id: str = ATTEMPT, *, state: str = "FINISHED") -> Any:
    return SimpleNamespace(id=attempt_id, state=state, job_id=JOB)


def event(seq: int, kind: str = COMPLETED) -> Any:
    return SimpleNamespace(seq=seq, type=kind, payload={"job_id": JOB})


def feed(*events: Any) -> dict[str, Sequence[Any]]:
    return {ACCOUNT: events}


def record(call: str = "order", outcome: Any = "ok", **facts: str) -> Record:
    return Record(ACCOUNT, call, outcome, 0.0, 0.0, facts)


def ordered(job_id: str = JOB, *, said: str = "a story") -> Record:
    return record(key=KEY, job=job_id, said=said)


def test_a_good_world_has_no_anomaly() -> None:
    good = world(
        job(batch_id=None, result_key=RESULT),
        feeds=feed(event(1)),
        attempts=[attempt()],
        runs={ATTEMPT: {"submits": 1, "ends": ["COMPLETED"]}},
        owners={RESULT: "needed"},
        objects={RESULT},
        plans={ACCOUNT: 2},
        granted={ACCOUNT: 3 + 150 + 60},
    )
    told = [ordered(), ordered(), record("upload", photo=PHOTO)]

    assert not {kind: found for kind, found in checker.judge(good, told).items() if found}
    assert not checker.misheard(good, feed(event(1)))


def test_an_acknowledged_order_that_is_gone_is_seen() -> None:
    assert lost(world(), [ordered()]) == [f"job {JOB}"]


def test_an_acknowledged_upload_that_is_gone_is_seen() -> None:
    assert lost(world(job()), [record("upload", photo="another")]) == ["photo another"]


def test_an_acknowledged_batch_that_is_gone_is_seen() -> None:
    assert lost(world(), [record("batch", key=KEY, batch=BATCH)]) == [f"batch {BATCH}"]


def test_a_batch_that_lacks_a_job_is_seen() -> None:
    assert lost(world(batches={BATCH: batch()}), []) == [f"batch {BATCH} has 0 of 1 jobs"]


def test_a_cancelled_job_that_went_on_is_seen() -> None:
    assert lost(world(job()), [record("cancel", job=JOB)]) == [f"cancel {JOB}"]


def test_a_deleted_photo_that_is_still_there_is_seen() -> None:
    assert lost(world(), [record("delete", photo=PHOTO)]) == [f"deletion of photo {PHOTO}"]


def test_one_key_answered_with_two_jobs_is_seen() -> None:
    assert len(doubled(world(job()), [ordered(), ordered(OTHER)])) == 1


def test_one_key_stored_as_two_jobs_is_seen() -> None:
    assert len(doubled(world(job(), job(OTHER)), [])) == 1


def test_a_job_under_a_key_that_nobody_sent_is_seen() -> None:
    assert checker.unasked(world(job()), []) == [f"nobody ordered {JOB}"]
    assert checker.unasked(world(batches={BATCH: batch()}), []) == [f"nobody ordered {BATCH}"]
    assert not checker.unasked(world(job()), [record(outcome="unknown", key=KEY)])


def test_an_attempt_that_was_submitted_twice_is_seen() -> None:
    assert checker.run_twice(world(runs={ATTEMPT: {"submits": 2, "ends": []}}))


def test_a_job_with_two_results_is_seen() -> None:
    assert checker.run_twice(world(job(), attempts=[attempt(), attempt(OTHER)]))


def test_one_key_told_two_stories_is_seen() -> None:
    assert checker.disagreeing(world(job()), [ordered(), ordered(said="another")])


def test_one_key_refused_and_accepted_is_seen() -> None:
    refused = record(outcome="refused", key=KEY, code="insufficient-credits")

    assert checker.disagreeing(world(), [ordered(), refused])
    assert checker.disagreeing(world(job()), [refused])
    assert not checker.disagreeing(world(job(state="REJECTED")), [refused])


def test_a_refusal_that_promises_nothing_may_be_followed_by_a_job() -> None:
    busy = record(outcome="refused", key=KEY, code="unavailable")

    assert not checker.disagreeing(world(job()), [busy, ordered()])


def test_a_job_that_never_ended_is_seen() -> None:
    assert stuck(world(job(state="RUNNING"))) == [JOB]


@pytest.mark.parametrize("unended", [batch("PENDING_HOLD"), batch(finished_at=None)])
def test_a_batch_that_never_ended_is_seen(unended: Any) -> None:
    assert stuck(world(batches={BATCH: unended})) == [f"batch {BATCH}"]


@pytest.mark.parametrize(
    ("state", "captured", "held"),
    [("COMPLETED", 4, 0), ("COMPLETED", 0, 0), ("FAILED", 2, 0), ("COMPLETED", 2, 2)],
    ids=["charged-twice", "not-charged", "charged-for-a-failure", "hold-left-open"],
)
def test_a_wrong_charge_is_seen(state: str, captured: int, held: int) -> None:
    wrong = world(job(state=state), captured=captured, held=held)

    assert len(wrongly_charged(wrong, {ACCOUNT})) == 1


@pytest.mark.parametrize("granted", [3, 3 + 150 + 150, 0])
def test_credits_granted_for_nothing_or_not_at_all_are_seen(granted: int) -> None:
    wrong = world(plans={ACCOUNT: 1}, granted={ACCOUNT: granted})

    assert len(checker.wrongly_granted(wrong, {ACCOUNT})) == 1


def test_orphans_missing_objects_and_open_uploads_are_seen() -> None:
    wrong = world(owners={RESULT: "needed"}, objects={"strange"}, open_uploads=["half"])

    assert checker.wrong_objects(wrong) == [
        "orphan strange",
        f"missing {RESULT}",
        "open upload half",
    ]


@pytest.mark.parametrize(
    ("swept_s", "stored_s", "may_lie"),
    [(30, -1, True), (1200, -1, False), (1200, 5, True), (None, -1, False)],
    ids=["not-removed-yet", "left-behind", "came-late", "forgotten"],
)
def test_an_original_may_lie_only_until_it_is_removed(
    swept_s: float | None, stored_s: float, *, may_lie: bool
) -> None:
    photo = SimpleNamespace(
        id=PHOTO, account_id=ACCOUNT, state="ready", master_key="master", thumbnail_key="small",
        preview_key="middle", frame_key=None,
        updated_at=LONG_AGO, sweep_at=swept_s and LONG_AGO + timedelta(seconds=swept_s),
    )  # fmt: skip
    original = f"originals/{ACCOUNT}/{PHOTO}"
    stored = {original: LONG_AGO + timedelta(seconds=stored_s)}

    assert (original in owners_of([], [], [photo], stored=stored)) == may_lie


@pytest.mark.parametrize(
    "events",
    [
        [event(1), event(3, "other")],
        [event(1, "other")],
        [event(1), event(2)],
        [event(1), event(2, "processing.job.cancelled")],
    ],
    ids=["gap", "no-end", "end-twice", "two-ends"],
)
def test_a_wrong_feed_is_seen(events: list[Any]) -> None:
    assert checker.wrong_feeds(world(job(), feeds=feed(*events)))


def test_an_open_stream_that_missed_an_event_is_seen() -> None:
    true = world(job(), feeds=feed(event(1, "other"), event(2)))

    assert checker.misheard(true, feed(event(2)))
    assert checker.misheard(true, feed(event(1, "other"), event(2), event(2)))


def test_a_server_error_that_no_fault_excuses_is_seen() -> None:
    errors = [
        ServerError(at_s, 500, "/v1/jobs", says_when=says_when)
        for at_s, says_when in ((10.0, False), (45.0, True), (46.0, False))
    ]

    assert checker.bare_errors(errors, quiet_since_s=10.0) == ["500 for /v1/jobs at 46.0 s"]


def test_runs_for_nothing_are_seen() -> None:
    runs = {str(n): {"submits": 1, "ends": ["COMPLETED"]} for n in range(10)}
    useful = [attempt(str(n)) for n in range(7)]

    assert checker.too_much_waste(world(job(), runs=runs, attempts=useful)) == ["3 of 10 runs"]
