"""Bring one service's schema up to date: `python -m services.kit.migrations credits`.

Each service keeps its migrations in `services/<service>/migrations`; the role that runs them owns
its schema and nothing else. The address comes from DATABASE_URL.
"""

import asyncio
import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from services.kit import failpoints
from services.kit.db import create_unpooled_engine

SERVICES = Path(__file__).parents[1]


async def upgrade(service: str, url: str) -> None:
    """Run what is missing, in order; nothing at all when the schema is current."""
    engine = create_unpooled_engine(url, name=f"{service}-migrations")
    async with engine.connect() as connection:
        await connection.run_sync(_upgrade, service)
    await engine.dispose()


def _upgrade(connection: Connection, service: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(SERVICES / "kit" / "alembic"))
    config.set_main_option("version_locations", str(SERVICES / service / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["schema"] = service
    if _current(connection, service) == ScriptDirectory.from_config(config).get_current_head():
        return
    connection.commit()  # looking began a transaction, and its level cannot be changed inside
    connection.execution_options(isolation_level="READ COMMITTED")
    command.upgrade(config, "head")
    connection.commit()


def _current(connection: Connection, service: str) -> str | None:
    if not inspect(connection).has_table("alembic_version", schema=service):
        return None
    found = connection.execute(text(f'select version_num from "{service}".alembic_version'))  # noqa: S608
    return found.scalar_one_or_none()


if __name__ == "__main__":
    failpoints.arm()
    asyncio.run(upgrade(sys.argv[1], os.environ["DATABASE_URL"]))
