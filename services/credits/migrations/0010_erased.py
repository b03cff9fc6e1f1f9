"""Accounts that were erased get nothing any more."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("alter table accounts add column erased_at timestamptz")
