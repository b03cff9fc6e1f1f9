"""Tables of processing. The migrations make them; a test keeps both equal.

    job       PENDING_HOLD → QUEUED → RUNNING → CHECKING → COMPLETED
              side exits: REJECTED, FAILED, CANCELLED; a failed attempt leads back to QUEUED
    attempt   RELEASED → SUBMITTING → RUNNING → FINISHED | FAILED | LOST | QC_FAILED
    photo     waiting → prepared | unusable, and deleted from any of them; other corners for it
              lead back to waiting, and the master stays what it was until there is another

A state only ever changes by `update … where id = … and state in (…)`: no row means that the message
which asked for it is stale.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, UUID

UNDONE = ("PENDING_HOLD", "QUEUED", "RUNNING", "CHECKING")
ENDED = ("COMPLETED", "REJECTED", "FAILED", "CANCELLED")
ON_GPU = ("RELEASED", "SUBMITTING", "RUNNING")
"""States of an attempt that take one of the GPU slots."""

_moment = TIMESTAMP(timezone=True)
_metadata = sa.MetaData(schema="processing")

accounts = sa.Table(
    "accounts",
    _metadata,
    sa.Column("account_id", UUID(), primary_key=True),
    sa.Column("plan", sa.Text),
    sa.Column("tier", sa.Text),
    sa.Column("short_side_max", sa.Integer),
    sa.Column("plan_version", sa.Integer),
)

preparations = sa.Table(
    "preparations",
    _metadata,
    sa.Column("photo_id", UUID(), primary_key=True),
    sa.Column("account_id", UUID()),
    sa.Column("state", sa.Text),
    sa.Column("version", sa.Integer),
    sa.Column("object_key", sa.Text),
    sa.Column("media_type", sa.Text),
    sa.Column("quad", JSONB),
    sa.Column("crashes", sa.Integer),
    sa.Column("master_key", sa.Text),
    sa.Column("thumbnail_key", sa.Text),
    sa.Column("width", sa.Integer),
    sa.Column("height", sa.Integer),
    sa.Column("code", sa.Text),
    sa.Column("detail", sa.Text),
    sa.Column("created_at", _moment),
    sa.Column("updated_at", _moment),
)

jobs = sa.Table(
    "jobs",
    _metadata,
    sa.Column("id", UUID(), primary_key=True),
    sa.Column("account_id", UUID()),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("body_sha256", sa.LargeBinary),
    sa.Column("kind", sa.Text),
    sa.Column("photo_ids", ARRAY(UUID())),
    sa.Column("note", sa.Text),
    sa.Column("price", sa.Integer),
    sa.Column("tier", sa.Text),
    sa.Column("short_side_max", sa.Integer),
    sa.Column("state", sa.Text),
    sa.Column("seed", sa.BigInteger),
    sa.Column("attempts", sa.Integer),
    sa.Column("result_key", sa.Text),
    sa.Column("result", JSONB),
    sa.Column("problem_code", sa.Text),
    sa.Column("problem_detail", sa.Text),
    sa.Column("problem_facts", JSONB),
    sa.Column("created_at", _moment),
    sa.Column("hold_tried_at", _moment),
    sa.Column("queued_at", _moment),
    sa.Column("ready_at", _moment),
    sa.Column("started_at", _moment),
    sa.Column("finished_at", _moment),
    sa.Column("version", sa.Integer),
    sa.Column("avoid_endpoint", sa.Text),
    sa.Column("batch_id", UUID()),
)

batches = sa.Table(
    "batches",
    _metadata,
    sa.Column("id", UUID(), primary_key=True),
    sa.Column("account_id", UUID()),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("body_sha256", sa.LargeBinary),
    sa.Column("kind", sa.Text),
    sa.Column("note", sa.Text),
    sa.Column("jobs", sa.Integer),
    sa.Column("price", sa.Integer),
    sa.Column("state", sa.Text),
    sa.Column("unfinished", sa.Integer),
    sa.Column("problem_code", sa.Text),
    sa.Column("problem_facts", JSONB),
    sa.Column("created_at", _moment),
    sa.Column("hold_tried_at", _moment),
    sa.Column("finished_at", _moment),
)

attempts = sa.Table(
    "attempts",
    _metadata,
    sa.Column("id", UUID(), primary_key=True),
    sa.Column("job_id", UUID()),
    sa.Column("account_id", UUID()),
    sa.Column("tier", sa.Text),
    sa.Column("number", sa.Integer),
    sa.Column("state", sa.Text),
    sa.Column("endpoint", sa.Text),
    sa.Column("runpod_job_id", sa.Text),
    sa.Column("seed", sa.BigInteger),
    sa.Column("short_side_max", sa.Integer),
    sa.Column("runs_at_most_s", sa.Integer),
    sa.Column("result_key", sa.Text),
    sa.Column("polls", sa.Integer),
    sa.Column("next_poll_at", _moment),
    sa.Column("hint_at", _moment),
    sa.Column("deadline", _moment),
    sa.Column("created_at", _moment),
    sa.Column("submitted_at", _moment),
    sa.Column("finished_at", _moment),
    sa.Column("gpu_seconds", sa.Double),
    sa.Column("output", JSONB),
    sa.Column("crashes", sa.Integer),
    sa.Column("error", sa.Text),
    sa.Column("swept_at", _moment),
    sa.Column("gpu", sa.Text),
    sa.Column("cost_day", sa.Date),
    sa.Column("reserved_usd", sa.Numeric),
    sa.Column("cost_usd", sa.Numeric),
    sa.Column("cost_factor", sa.Numeric),
    sa.Column("master_key", sa.Text),
    sa.Column("master_width", sa.Integer),
    sa.Column("master_height", sa.Integer),
)

endpoints = sa.Table(
    "endpoints",
    _metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("slots", sa.Integer),
    sa.Column("led_at", _moment),
    sa.Column("paused_at", _moment),
    sa.Column("reason", sa.Text),
    sa.Column("gpu", sa.Text),
)

lanes = sa.Table(
    "lanes",
    _metadata,
    sa.Column("tier", sa.Text, primary_key=True),
    sa.Column("account_id", UUID(), primary_key=True),
    sa.Column("is_waiting", sa.Boolean),
    sa.Column("turn_at", _moment),
)
"""One per account and tier that ever waited; `turn_at` is when it joined, or was served last."""

reviews = sa.Table(
    "reviews",
    _metadata,
    sa.Column("job_id", UUID(), primary_key=True),
    sa.Column("reason", sa.Text),
    sa.Column("rejected_at", _moment),
    sa.Column("reviewed_at", _moment),
)
