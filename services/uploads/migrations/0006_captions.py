"""Captions: what somebody wrote about a photo."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("alter table photos add column caption text check (char_length(caption) <= 200)")
