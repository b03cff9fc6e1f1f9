"""Accounts that were erased."""

from alembic import op

from services.kit import erasures

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for statement in erasures.DDL:
        op.execute(statement)
