"""What waits in the outbox because something before it failed is found without reading it all."""

from alembic import op

from services.kit import outbox

revision = "0002"
down_revision = "gateway_0001"


def upgrade() -> None:
    op.execute(outbox.FAILED_INDEX)
