"""An order whose answer never arrived, sent again when its photo is gone."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from sdk.rekindle.problems import RekindleProblem
from tests.journeys import people, photos

HEARD_WITHIN_S = 10


async def test_an_order_is_found_again_although_its_photo_is_gone(
    stack: dict[str, Any], tmp_path: Path
) -> None:
    async with await people.new_user(stack) as user:
        photo = await user.photos.add(photos.jpeg(tmp_path / "aunt.jpg", size=(200, 240)))
        key = str(uuid4())
        job = await user.jobs.create("restore", [photo.id], idempotency_key=key)
        await _forget_answers(stack, (await user.me()).account_id)
        await user.photos.delete(photo.id)
        await _heard_of_deletion(stack, photo.id)

        again = await user.jobs.create("restore", [photo.id], idempotency_key=key)
        with pytest.raises(RekindleProblem) as refused:
            await user.jobs.create("restore", [photo.id])

    assert again.id == job.id
    assert refused.value.status == 404


async def _heard_of_deletion(stack: dict[str, Any], photo_id: UUID) -> None:
    engine = people.engine_of(stack, "processing")
    query = text("select state from preparations where photo_id = :photo_id")
    async with asyncio.timeout(HEARD_WITHIN_S), engine.connect() as connection:
        while (await connection.scalar(query, {"photo_id": photo_id})) != "deleted":
            await asyncio.sleep(0.05)
    await engine.dispose()


async def _forget_answers(stack: dict[str, Any], account_id: Any) -> None:
    """As when the gateway died before it wrote down what it had said."""
    engine = people.engine_of(stack, "gateway")
    async with engine.begin() as connection:
        forgotten = text("delete from idempotency where account_id = :account_id")
        await connection.execute(forgotten, {"account_id": account_id})
    await engine.dispose()
