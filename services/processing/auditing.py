"""Do the bucket and the results of jobs agree? `python -m services.processing audit`."""

import sys
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import objects
from services.kit.db import opened_engine
from services.kit.objects import Drift, Known
from services.kit.settings import ServiceSettings, load
from services.kit.storage import Storage, StorageSettings, open_storage
from services.kit.telemetry import configure_logs

FOLDERS = ("results",)

_ACCOUNTS = sa.text("select distinct account_id from jobs")
_SHOWN = sa.text(
    """
    select result_key from jobs where account_id = :account_id
        and state = 'COMPLETED' and result_key <> '' and finished_at < :began
    """
)
# What is not shown goes when its attempt is swept; until then it may be there.
_KEPT = sa.text(
    """
    select attempts.result_key from jobs join attempts on attempts.job_id = jobs.id
    where jobs.account_id = :account_id
        and (swept_at is null or jobs.result_key = attempts.result_key)
    """
)


class Settings(ServiceSettings, StorageSettings):
    """The database and the bucket."""


async def main(_: list[str]) -> None:
    """Print what differs; exit code 1 if anything does."""
    settings = load(Settings)
    configure_logs("processing", level=settings.log_level)
    url = settings.database_url.get_secret_value()
    async with (
        opened_engine(url, name="processing-audit", pool_size=1) as engine,
        open_storage(settings) as storage,
    ):
        drift = await audit(engine, storage)
    sys.stdout.write(f"{drift}\n")
    sys.exit(0 if drift.is_clean else 1)


async def audit(engine: AsyncEngine, storage: Storage) -> Drift:
    """Name the results that jobs lack, and those that belong to no job."""
    began = datetime.now(UTC)
    async with engine.connect() as connection:
        accounts = [str(account_id) for account_id in await connection.scalars(_ACCOUNTS)]

    async def known(account_id: UUID) -> Known:
        async with engine.connect() as connection:
            of_account = {"account_id": account_id}
            shown = await connection.scalars(_SHOWN, of_account | {"began": began})
            must = frozenset(shown)
            may = frozenset(await connection.scalars(_KEPT, of_account))
        return Known(must, may)

    return await objects.compare(storage, FOLDERS, accounts=accounts, known=known)
