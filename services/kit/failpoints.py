"""Failpoints: named lines at which a test can make this process die, stop or fail, once.

    REKINDLE_FAILPOINT=after_inbox_insert:exit      as kill -9 exactly there would
    REKINDLE_FAILPOINT=after_inbox_insert:hang      this coroutine goes on `HANG_S` later, too late
    REKINDLE_FAILPOINT=after_inbox_insert:raise     what is called there has gone away

Several are separated by commas. Random kills miss small windows; each name below is a window
between two steps that a crash must not separate for good. A point that is not armed costs 80 ns
(measured: one coroutine that looks into an empty dict), next to nothing beside the statement to the
database that every one of them follows or precedes. Production refuses to start with one armed.
"""

import asyncio
import os
import sys

import structlog

VARIABLE = "REKINDLE_FAILPOINT"
HANG_S = 5.0
"""Longer than a leader may be silent, and than anybody waits before the first repetition."""

EXIT_CODE = 86
HOWS = ("exit", "hang", "raise")

POINTS = {
    # The kit: what every service does.
    "before_outbox_insert": "a change is written, the message about it is not",
    "after_outbox_insert": "change and message are written, and nothing is committed",
    "before_publish": "the relay has read a message, the broker has not got it",
    "after_publish_before_mark": "the broker has one message, the rest of its lane is unpublished",
    "after_confirm_before_commit": "the broker has a whole batch, its rows are still there",
    "on_relay_leads": "a relay has locked its shards and published nothing",
    "after_inbox_insert": "a message is claimed, nothing was done for it",
    "after_effect_before_commit": "a message's whole effect is written, and nothing is committed",
    "after_effects_before_commit": "so is that of several messages heard together",
    "after_commit_before_ack": "a message's effect is there, the broker does not know",
    "before_retry_copy": "handling failed, the copy to try again later is not published",
    "after_retry_copy": "the copy to try again later is there, and so is the message",
    "in_migration": "a migration has changed the schema, and is not committed",
    # The gateway.
    "mid_account_open": "an account is opened, nobody was told",
    "after_claim_before_order": "an Idempotency-Key is claimed, the order is not passed on",
    "after_order_before_keep": "the order was answered, the answer is not kept",
    "after_keep_before_answer": "the answer is kept, the caller has not got it",
    "before_nudge": "an event is in the feed, open streams were not told",
    # Billing.
    "mid_plan_give": "an account's plan has changed, nobody was told",
    "after_stripe_insert_before_200": "an event of Stripe's is written down, and not committed",
    # Credits.
    "mid_hold": "credits are set aside, the answer is not committed",
    "mid_batch_hold": "a batch's credits are set aside, the answer is not committed",
    "after_capture_before_event": "captured credits have moved, nobody was told",
    "mid_release": "a hold is closed as released, its credits have not moved",
    "mid_grant": "credits are granted, nobody was told",
    "mid_plan_change": "an account's plan is written down, its period's credits are not granted",
    "on_sweeper_tick": "the sweep of credits begins, and nothing of it is done",
    # Uploads.
    "after_upload_start_before_row": "an upload in parts is open at S3, its photo has no id of it",
    "after_join_before_look": "the parts of a file are one object, and nobody has looked at it",
    "after_look_before_accept": "an upload was looked at, its photo is not accepted",
    "after_parts_before_copy": "the parts of a page are begun, no picture is there for them",
    "after_copy_before_accept": "a part has its picture, and is not accepted",
    "mid_ready": "a photo is ready, nobody was told",
    "before_original_delete": "a photo's state forbids its original, which is still there",
    "after_original_delete": "an original is gone, its photo does not know",
    "on_uploads_sweep": "the sweep of uploads has found what is due, and removed nothing",
    # Processing, from an order to its hold.
    "after_original_get_before_master": "an original was fetched, nothing is made of it",
    "after_master_before_put": "a master is made, nothing is stored",
    "after_master_put_before_thumbnail": "a master is stored, what belongs to it is not",
    "after_master_put_before_row": "master and thumbnail are stored, no row says so",
    "mid_forget": "a photo is known to be deleted, jobs that wait for it have not ended",
    "after_job_insert": "a job is written down, credits was not asked",
    "after_hold_commit": "credits holds what a job costs, the job is not queued",
    "after_batch_insert": "a batch and its jobs are written down, credits was not asked",
    "after_batch_hold_commit": "credits holds what a batch costs, no job of it is queued",
    "mid_cancel": "a job is cancelled, nobody was told",
    "mid_batch_cancel": "one job of a batch is cancelled, the others are not",
    "mid_batch_end": "a batch's last job has ended, and the batch says nothing",
    # Processing, on the GPU.
    "on_leader_change": "a dispatcher leads and has done nothing",
    "after_reserve_before_start": "a job's cost is reserved, its attempt does not exist",
    "after_start_before_commit": "an attempt is released, and nothing is committed",
    "before_runpod_submit": "an attempt counts as being submitted, RunPod was not asked",
    "after_runpod_submit_before_save": "RunPod has an attempt, its id is not saved",
    "before_hint": "RunPod's webhook has come, nobody was told to look",
    "after_poll_lease": "attempts are leased to be looked at, none was looked at",
    "after_result_put_before_row": "a result is stored, its attempt is not finished",
    "mid_finish": "an attempt is finished, its check is not ordered",
    "after_check_before_complete": "a result is good, its job is not completed",
    "after_row_before_capture": "a job is completed, its credits are not captured",
    "mid_attempt_failure": "an attempt has failed, its job does not go on",
}
"""Every failpoint, and what is and what is not so at that moment."""

log = structlog.get_logger()

_armed: dict[str, str] = {}


class Reached(ConnectionError):  # noqa: N818  # it says what happened
    """A failpoint raised: as if what is called there had gone away."""


async def reach(name: str) -> None:
    """Pass the point `name`, unless it is armed: then what was asked for happens, once."""
    if name in _armed:
        await _happen(name, _armed.pop(name))


def arm() -> None:
    """Arm what the environment names; end the process if it may not, or names no such point."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    if os.environ.get("REKINDLE_ENV") != "local":
        sys.exit(f"Cannot start: {VARIABLE} is for tests on a local stack (REKINDLE_ENV=local).")
    for one in wanted.split(","):
        name, _, how = one.partition(":")
        if name not in POINTS or how not in HOWS:
            sys.exit(f"Cannot start: {VARIABLE} is <name>:{'|'.join(HOWS)}, which {one} is not.")
        _armed[name] = how
    log.warning("failpoint.armed", points=wanted)


async def _happen(name: str, how: str) -> None:
    log.warning("failpoint.reached", point=name, how=how)
    if how == "exit":
        os._exit(EXIT_CODE)
    if how == "raise":
        raise Reached(name)
    await asyncio.sleep(HANG_S)
