"""Alembic's entry: run the migrations of one service on the connection it was given."""

from alembic import context
from sqlalchemy.util import await_only

from services.kit import failpoints

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    version_table_schema=context.config.attributes["schema"],
    transaction_per_migration=True,
    on_version_apply=lambda **_: await_only(failpoints.reach("in_migration")),
)
with context.begin_transaction():
    context.run_migrations()
