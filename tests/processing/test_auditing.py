"""Results that a restored backup lacks, or does not know, are listed (F15)."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import objects
from services.kit.storage import Storage
from services.processing import auditing
from services.processing.runpod import RunPod
from tests.processing import rows
from tests.processing.conftest import Emulator
from tests.processing.desk import Desk, open_desk


@pytest.fixture(name="desk")
async def _desk(engine: AsyncEngine, storage: Storage, emulator: Emulator, runpod: RunPod) -> Desk:
    return await open_desk(engine, storage, emulator, runpod)


@pytest.fixture(autouse=True)
async def _old_and_empty(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "NEW_FOR", timedelta(minutes=-1))
    while left := (await storage.ask("list_objects_v2", Prefix="results/")).get("Contents"):
        await storage.delete(*(entry["Key"] for entry in left))


async def completed(desk: Desk) -> str:
    await desk.submit()
    await desk.work()
    await desk.look()
    key: str = (await desk.attempt()).result_key
    await rows.execute(
        desk.engine,
        "update jobs set state = 'COMPLETED', finished_at = now(), result = '{}',"
        " result_key = :key",
        key=key,
    )
    return key


async def test_a_result_that_is_shown_is_there(desk: Desk) -> None:
    key = await completed(desk)
    agreed = await auditing.audit(desk.engine, desk.storage)

    await desk.storage.delete(key)
    lost = await auditing.audit(desk.engine, desk.storage)

    assert str(agreed) == "1 objects: 0 missing, 0 unknown."
    assert lost.shown == [f"missing: {key}"]


async def test_a_result_that_nobody_shows_goes_or_is_named(desk: Desk) -> None:
    await completed(desk)
    await rows.execute(desk.engine, "update jobs set result_key = 'another'")
    waiting = await auditing.audit(desk.engine, desk.storage)

    await rows.execute(desk.engine, "update attempts set swept_at = now()")
    swept = await auditing.audit(desk.engine, desk.storage)

    assert (waiting.unknown, swept.unknown) == (0, 1)


async def test_a_result_of_nobody_is_named_whatever_its_folder_is_called(desk: Desk) -> None:
    strange = [f"results/{uuid4()}/{uuid4()}/{uuid4()}.png", "results/odd/x.png"]
    for key in strange:
        await desk.storage.ask("put_object", Key=key, Body=b"x")

    drift = await auditing.audit(desk.engine, desk.storage)

    assert set(drift.shown) == {f"unknown: {key}" for key in strange}
