"""Results that their owners rejected, for operators to look at."""

from alembic import op

revision = "0009"
down_revision = "0008"

REVIEWS = """
    create table reviews (
        job_id uuid primary key references jobs,
        reason text not null,
        rejected_at timestamptz not null default now(),
        reviewed_at timestamptz
    )
"""


def upgrade() -> None:
    op.execute(REVIEWS)
