"""An album as one order, through the public API and the command of the whole running system."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from sdk.rekindle import RekindleProblem
from tests.journeys import people, photos
from tests.journeys.test_restore import feed, the_books_are_right

PHOTOS = 4
BATCH_WITHIN_S = 150.0
PRICE = 2


@pytest.mark.timeout(300)
async def test_an_album_is_one_order_and_what_fails_costs_nothing(
    stack: dict[str, Any], tmp_path: Path
) -> None:
    async with await people.new_user(stack, plan="remember") as user:
        before = (await user.credits.balance()).available
        added = []
        for number in range(PHOTOS):
            path = photos.jpeg(tmp_path / f"{number}.jpg", size=(240, 200 + number))
            added.append((await user.photos.add(path)).id)
        quote = await user.batches.quote("restore", PHOTOS)
        async with httpx.AsyncClient(trust_env=False) as client:
            planned = {"fail_next": json.dumps({"class": "input", "detail": "planned"})}
            await client.post(f"{stack['runpod_url']}/__faults", json=planned)

        order = await user.batches.create("restore", added)
        progress: list[int] = []
        order = await user.batches.wait(
            order.id,
            timeout_s=BATCH_WITHIN_S,
            on_change=lambda batch: progress.append(batch.done),
        )

        assert (quote.price, quote.available_after) == (PRICE * PHOTOS, before - PRICE * PHOTOS)
        assert (order.state, order.jobs) == ("finished", {"completed": PHOTOS - 1, "failed": 1})
        assert progress == sorted(progress)
        failed = [job async for job in user.batches.jobs(order.id) if job.state == "failed"]
        assert failed[0].problem
        assert failed[0].problem.code == "photo-not-workable"
        async for job in user.batches.jobs(order.id):
            assert await user.credits.settled(job.id)
        balance = await user.credits.balance()
        assert (balance.available, balance.held) == (before - PRICE * (PHOTOS - 1), 0)
        assert (order.spent, order.returned) == (PRICE * (PHOTOS - 1), PRICE)
        told = (await feed(user, until="processing.batch.finished"))[-1]
        assert (told.data["batch_id"], told.data["completed"]) == (str(order.id), PHOTOS - 1)
    await the_books_are_right(stack)


async def test_an_album_that_cannot_be_paid_holds_nothing(
    stack: dict[str, Any], tmp_path: Path
) -> None:
    async with await people.new_user(stack) as user:
        added = [
            (await user.photos.add(photos.jpeg(tmp_path / f"{n}.jpg", size=(220, 200 + n)))).id
            for n in range(2)
        ]
        with pytest.raises(RekindleProblem) as refused:
            await user.batches.create("restore", added)

        assert refused.value.code == "insufficient-credits"
        balance = await user.credits.balance()
        assert (balance.available, balance.held) == (3, 0)
