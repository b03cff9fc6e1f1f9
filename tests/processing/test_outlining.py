"""Corners proposed over HTTP: for one's own pictures, in bounded time, and without harm."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest

from services.kit.problems import NotFound, Unavailable
from services.kit.storage import Storage
from services.processing import outlining
from services.processing.outlining import Outliner
from services.processing.sandbox import Crashed, Sandbox
from tests.processing import pictures

ClientOf = Callable[[UUID], httpx.AsyncClient]


async def stored(
    storage: Storage, content: bytes, *, folder: str = "originals"
) -> tuple[UUID, str]:
    account_id = uuid4()
    key = f"{folder}/{account_id}/{uuid4()}"
    await storage._client.put_object(Bucket=storage._bucket, Key=key, Body=content)
    return account_id, key


async def test_the_corners_of_a_print_are_proposed_and_nobody_elses(
    storage: Storage, client_of: ClientOf
) -> None:
    seen, quad = pictures.seen_from_the_side(pictures.textured(600, 400))
    account_id, key = await stored(storage, pictures.png(seen))

    answer = await client_of(account_id).post("/v1/outlines", json={"object_key": key})
    stranger = await client_of(uuid4()).post("/v1/outlines", json={"object_key": key})
    page = await stored(storage, b"<html>")
    refused = await client_of(page[0]).post("/v1/outlines", json={"object_key": page[1]})

    assert answer.status_code == 200, answer.text
    proposed = answer.json()
    assert np.abs(np.array(proposed["quad"]) - quad).max() < 0.02
    assert 0 < proposed["confidence"] <= 1
    assert proposed["prints"] == []
    assert stranger.status_code == 404
    assert (refused.status_code, refused.json()["reason"]) == (422, "not-a-photo")


@pytest.mark.parametrize(
    "key",
    [
        "results/{account}/{photo}",
        "originals/{photo}/{account}",
        "originals/{account}/../{account}/{photo}",
        "originals/{account}/{photo}/x",
        "masters/{account}/{photo}.png",
        "",
    ],
)
async def test_only_pictures_of_the_account_are_looked_at(storage: Storage, key: str) -> None:
    account_id, named = uuid4(), key.format
    outliner = Outliner(storage, Sandbox(workers=1))

    with pytest.raises(NotFound):
        await outliner.propose(named(account=account_id, photo=uuid4()), account_id=account_id)


class Slow(Sandbox):
    """One that answers when it is told to, and then that its process died."""

    def __init__(self) -> None:
        super().__init__(workers=1)
        self.may_answer = asyncio.Event()

    async def run(self, *_: Any, **__: Any) -> dict[str, Any]:
        await self.may_answer.wait()
        raise Crashed("planned")


async def test_more_than_can_be_answered_soon_is_refused_at_once(storage: Storage) -> None:
    account_id, key = await stored(storage, b"a picture")
    box = Slow()
    outliner = Outliner(storage, box)

    async def ask() -> str:
        with pytest.raises(Unavailable) as busy:
            await outliner.propose(key, account_id=account_id)
        assert busy.value.facts["retry_after_s"]
        return "refused"

    waiting = [asyncio.create_task(ask()) for _ in range(outlining.WAITING_PER_ACCOUNT_MAX)]
    await asyncio.sleep(0)
    assert await ask() == "refused"
    assert not any(task.done() for task in waiting)

    box.may_answer.set()
    await asyncio.gather(*waiting)
    assert not outliner._waiting
    box.close()


async def test_who_waits_too_long_is_told_to_come_back(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlining, "ANSWERED_WITHIN_S", 0.2)
    account_id, key = await stored(storage, b"a picture")
    box = Slow()

    with pytest.raises(Unavailable):
        await Outliner(storage, box).propose(key, account_id=account_id)
    box.close()
