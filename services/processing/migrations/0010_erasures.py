"""Accounts that were erased."""

from alembic import op

from services.kit import erasures

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    for statement in erasures.DDL:
        op.execute(statement)
