"""Which master an attempt was made of: its result is compared with that one."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("alter table attempts add column master_key text")
