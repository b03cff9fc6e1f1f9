"""An order whose answer never arrived, sent again when its photo is gone."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from sdk.rekindle.problems import RekindleProblem
from tests.journeys import people, photos


async def test_an_order_is_found_again_although_its_photo_is_gone(
    stack: dict[str, Any], tmp_path: Path
) -> None:
    async with await people.new_user(stack) as user:
        photo = await user.photos.add(photos.jpeg(tmp_path / "aunt.jpg", size=(200, 240)))
        key = str(uuid4())
        job = await user.jobs.create("restore", [photo.id], idempotency_key=key)
        await _forget_answers(stack, (await user.me()).account_id)
        await user.photos.delete(photo.id)

        again = await user.jobs.create("restore", [photo.id], idempotency_key=key)
        with pytest.raises(RekindleProblem) as refused:
            await user.jobs.create("restore", [photo.id])

    assert again.id == job.id
    assert refused.value.status == 404


async def _forget_answers(stack: dict[str, Any], account_id: Any) -> None:
    """As when the gateway died before it wrote down what it had said."""
    engine = people.engine_of(stack, "gateway")
    async with engine.begin() as connection:
        forgotten = text("delete from idempotency where account_id = :account_id")
        await connection.execute(forgotten, {"account_id": account_id})
    await engine.dispose()
