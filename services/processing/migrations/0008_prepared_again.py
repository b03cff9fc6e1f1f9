"""A photo may be prepared again: which version is wanted, and what an attempt was given."""

from alembic import op

revision = "0008"
down_revision = "0007"

_STATEMENTS = (
    # What was accepted once has version 2 in uploads; a message that comes late must not begin it
    # again from an original that is gone.
    "alter table preparations add column version int not null default 2",
    "alter table preparations alter column version set default 0",
    # The size of the master an attempt was given: the photo's own may be another one by now.
    "alter table attempts add column master_width int, add column master_height int",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
