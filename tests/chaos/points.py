"""Which process passes each failpoint, and what somebody has to do so that it does.

Runs of different programs share a wave, so that what has to be waited for is waited for once. The
points whose recovery takes longest (a lease, an unclear submit) come first in their program's row,
and so into the same waves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.kit.failpoints import HOWS

AT_ONCE = 6
"""Runs of one wave: more would only wait for the two processors."""

OPERATOR = "operator"
"""Not a program that always runs, but a command: it is started armed."""


@dataclass(frozen=True, slots=True)
class Case:
    """One point: who is armed, what is done before and after that, and what must go wrong first."""

    point: str
    program: str
    scene: str
    before: str = ""
    first: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One point, made to happen in one way."""

    case: Case
    how: str

    @property
    def name(self) -> str:
        return f"{self.case.point}:{self.how}"

    @property
    def armed(self) -> str:
        """What the process is told by its environment."""
        return ",".join(filter(None, (self.case.first, self.name)))


def _row(program: str, **scenes: str) -> list[Case]:
    return [Case(point, program, scene) for point, scene in scenes.items()]


CASES = (
    *_row(
        "processing-consumer",
        before_runpod_submit="order",
        after_runpod_submit_before_save="order",
        after_original_get_before_master="upload",
        after_master_before_put="upload",
        after_master_put_before_thumbnail="upload",
        after_master_put_before_row="upload",
        mid_forget="delete",
        after_check_before_complete="order",
        after_row_before_capture="order",
        mid_batch_end="batch",
    ),
    *_row(
        "dispatcher",
        after_poll_lease="order",
        after_result_put_before_row="order",
        mid_finish="order",
        mid_attempt_failure="failing",
        on_leader_change="order",
        after_reserve_before_start="order",
        after_start_before_commit="batch",
    ),
    *_row(
        "processing",
        after_job_insert="order",
        after_hold_commit="order",
        after_batch_insert="batch",
        after_batch_hold_commit="batch",
        mid_cancel="cancel",
        mid_batch_cancel="cancel_batch",
        before_hint="order",
    ),
    *_row(
        "credits-consumer",
        after_inbox_insert="order",
        after_effects_before_commit="order",
        after_capture_before_event="batch",
        mid_release="cancel",
        mid_plan_change="change_plan",
        on_sweeper_tick="order",
    ),
    *_row("credits", mid_hold="order", mid_batch_hold="batch", mid_grant="arrive"),
    *_row(
        "gateway",
        after_claim_before_order="order",
        after_order_before_keep="order",
        after_keep_before_answer="batch",
        mid_account_open="arrive",
    ),
    *_row("gateway-consumer", before_nudge="order", after_commit_before_ack="batch"),
    Case("before_retry_copy", "gateway-consumer", "order", first="after_inbox_insert:raise"),
    Case("after_retry_copy", "gateway-consumer", "order", first="after_inbox_insert:raise"),
    *_row(
        "relay",
        before_publish="order",
        after_publish_before_mark="batch",
        after_confirm_before_commit="order",
        on_relay_leads="order",
    ),
    *_row(
        "uploads",
        after_look_before_accept="upload",
        after_parts_before_copy="split",
        after_copy_before_accept="split",
        after_outbox_insert="upload",
        after_original_delete="delete",
        after_upload_start_before_row="upload_in_parts",
        after_join_before_look="upload_in_parts",
    ),
    *_row(
        "uploads-consumer",
        mid_ready="upload",
        before_original_delete="upload",
        after_effect_before_commit="upload",
    ),
    Case("on_uploads_sweep", "uploads-consumer", "upload", before="abandon"),
    *_row("billing", after_stripe_insert_before_200="webhook"),
    *_row("billing-consumer", before_outbox_insert="arrive"),
    *_row(OPERATOR, in_migration="command_migration", mid_plan_give="command_plan"),
)


def waves(cases: Sequence[Case] = CASES, *, hows: Sequence[str] = HOWS) -> Iterator[list[Run]]:
    """Every point in every way, always in the same order; no program twice in one wave."""
    for how in hows:
        rows: dict[str, list[Case]] = {}
        for case in cases:
            rows.setdefault(case.program, []).append(case)
        while any(rows.values()):
            longest = sorted(rows.values(), key=len, reverse=True)[:AT_ONCE]
            yield [Run(row.pop(0), how) for row in longest if row]
