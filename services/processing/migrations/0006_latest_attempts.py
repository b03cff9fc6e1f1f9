"""The latest attempts, by the database's clock: their ids are of whoever made them."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("create index attempts_latest on attempts (created_at)")
