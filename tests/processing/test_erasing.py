"""An account is erased while a job of it runs (F17): it ends, and no result of it stays."""

from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import AccountErased
from services.kit.client import ServiceClient
from services.kit.problems import Unavailable
from services.kit.storage import Storage
from services.processing import erasing, orders
from services.processing.holds import Holds
from services.processing.runpod import RunPod
from tests.processing import rows
from tests.processing.conftest import Emulator
from tests.processing.desk import Desk, open_desk

CANCELLED, CLEARED = "processing.job.cancelled.v1", "processing.account.cleared.v1"


@pytest.fixture(name="desk")
async def _desk(engine: AsyncEngine, storage: Storage, emulator: Emulator, runpod: RunPod) -> Desk:
    return await open_desk(engine, storage, emulator, runpod)


async def erase(desk: Desk) -> None:
    async with desk.engine.begin() as connection:
        await erasing.begin(connection, AccountErased(account_id=desk.account_id))


async def test_a_job_that_runs_is_stopped_and_its_result_goes(desk: Desk) -> None:
    await desk.submit()
    await desk.work()
    await rows.execute(desk.engine, "update jobs set note = 'Aunt Emma'")
    key = (await desk.attempt()).result_key
    assert await desk.stored(key)

    await erase(desk)
    await erasing.sweep(desk.engine, desk.storage)
    await erasing.sweep(desk.engine, desk.storage)

    job = await desk.job()
    assert (job.state, job.note, job.result_key) == ("CANCELLED", None, None)
    assert job.idempotency_key == str(job.id)
    assert not await desk.stored(key)
    assert (await rows.types_said(desk.engine, desk.job_id)).count(CANCELLED) == 1
    assert await rows.types_said(desk.engine, desk.account_id) == [CLEARED]


async def test_the_result_of_a_job_that_is_done_goes_and_its_row_stays_for_the_costs(
    desk: Desk,
) -> None:
    await desk.submit()
    await desk.work()
    await desk.look()
    key = (await desk.attempt()).result_key
    await rows.execute(
        desk.engine,
        "update jobs set state = 'COMPLETED', finished_at = now(), result = '{\"sha256\": \"x\"}',"
        " result_key = :key",
        key=key,
    )

    await erase(desk)
    await erasing.sweep(desk.engine, desk.storage)

    job = await desk.job()
    assert (job.state, job.result_key, job.result) == ("COMPLETED", "", {})
    assert not await desk.stored(key)
    assert (await desk.attempt()).swept_at is None, "a late write is looked for once more"


async def test_nothing_is_ordered_any_more(desk: Desk, engine: AsyncEngine) -> None:
    photo_id = await rows.add_photo(engine, desk.account_id, "prepared")
    await erase(desk)
    credits_ = ServiceClient("http://127.0.0.1:9", caller="tests", service="credits", secret="x")
    unasked = Holds(credits_)
    order = orders.Order(kind="restore", photo_ids=(photo_id,), note=None)

    with pytest.raises(Unavailable) as refused:
        await orders.place(
            engine, unasked, order, account_id=desk.account_id, idempotency_key=str(uuid4())
        )
    await credits_.close()

    assert refused.value.detail.startswith("Something changed while the order was placed")
