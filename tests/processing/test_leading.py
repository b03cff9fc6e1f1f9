"""One leader at a time, and another as soon as it is gone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.client import ServiceClient
from services.kit.storage import Storage
from services.processing import dispatcher
from services.processing.dispatcher import Duties
from services.processing.holds import Holds
from services.processing.runpod import RunPod
from tests.processing.rows import add_job, attempts_of, execute, job, open_account
from tests.processing.serving import free_port

WITHIN_S = 10


@pytest.fixture(name="leaders")
async def _leaders(
    engine: AsyncEngine, database_url: Callable[[str], str], storage: Storage, runpod: RunPod
) -> AsyncIterator[None]:
    """Two dispatchers for the same endpoint; credits is away and must not matter."""
    away = f"http://127.0.0.1:{free_port()}"
    holds = Holds(ServiceClient(away, caller="processing", service="credits", secret="x" * 24))
    duties = Duties(engine, runpod, storage, holds, slots=10)
    leading = [
        asyncio.create_task(dispatcher.lead(database_url("processing"), duties)) for _ in range(2)
    ]
    yield
    for task in leading:
        task.cancel()
    await asyncio.gather(*leading, return_exceptions=True)
    await holds.close()


async def until_started(engine: AsyncEngine, job_id: UUID) -> None:
    async with asyncio.timeout(WITHIN_S):
        while (await job(engine, job_id)).state != "RUNNING":
            await asyncio.sleep(0.02)


async def test_two_leaders_start_a_job_once_and_survive_the_death_of_one(
    engine: AsyncEngine, leaders: None
) -> None:
    for _ in range(2):
        account_id = await open_account(engine)
        job_id = await add_job(engine, account_id)
        await until_started(engine, job_id)
        assert len(await attempts_of(engine, job_id)) == 1

        await execute(
            engine,
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'processing-leader' and datname = current_database()",
        )


async def test_only_one_session_holds_the_lock(engine: AsyncEngine, leaders: None) -> None:
    await until_started(engine, await add_job(engine, await open_account(engine)))
    await asyncio.sleep(1.5)

    async with engine.connect() as connection:
        held = await connection.exec_driver_sql(
            "select count(*) from pg_locks l join pg_stat_activity a using (pid)"
            " where l.locktype = 'advisory' and l.granted and a.application_name ="
            " 'processing-leader' and a.datname = current_database()"
        )
        assert held.scalar_one() == 1
