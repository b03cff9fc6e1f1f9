"""Batches: one order for many photos, whatever becomes of each."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.client import ServiceClient
from services.processing import batches, jobs, reconciling
from services.processing.holds import Holds
from tests.credits.bank import Bank
from tests.processing import rows
from tests.processing.conftest import CREDITS_SECRET, Credits

ClientOf = Callable[[UUID], httpx.AsyncClient]
PHOTOS = 5


@pytest.fixture(name="account_id")
async def _account_id(bank: Bank) -> UUID:
    return await bank.open_account(amount=2 * PHOTOS)


@pytest.fixture(name="photos")
async def _photos(engine: AsyncEngine, account_id: UUID) -> list[UUID]:
    return [await rows.add_photo(engine, account_id) for _ in range(PHOTOS)]


async def ask(client: httpx.AsyncClient, photos: list[UUID], key: str = "k") -> httpx.Response:
    body = {"kind": "restore", "photo_ids": [str(photo) for photo in photos]}
    return await client.post("/v1/batches", json=body, headers={"idempotency-key": key})


async def jobs_of(engine: AsyncEngine, batch: dict[str, Any]) -> list[UUID]:
    async with engine.connect() as connection:
        found = await connection.exec_driver_sql(
            f"select id from jobs where batch_id = '{batch['id']}' order by id"
        )
        return list(found.scalars())


async def test_one_order_is_many_jobs_and_one_hold(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf, account_id: UUID, photos: list[UUID]
) -> None:
    client = client_of(account_id)
    answer = await ask(client, photos)
    batch = answer.json()

    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/batches/{batch['id']}")
    assert batch["jobs"] == {"queued": PHOTOS}
    assert (batch["state"], batch["photos"], batch["price"]) == ("placed", PHOTOS, 2 * PHOTOS)
    assert await bank.balance(account_id) == (0, 2 * PHOTOS)
    page = (await client.get("/v1/jobs", params={"batch": batch["id"]})).json()
    assert sorted(job["photo_ids"][0] for job in page["items"]) == sorted(map(str, photos))
    assert sorted(job["position"] for job in page["items"]) == list(range(1, PHOTOS + 1))
    assert (await client.get("/v1/batches")).json()["items"] == [batch]
    stranger = client_of(uuid4())
    assert (await stranger.get(f"/v1/batches/{batch['id']}")).status_code == 404


async def test_an_order_sent_often_at_once_is_one_batch(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf, account_id: UUID, photos: list[UUID]
) -> None:
    client = client_of(account_id)
    answers = await asyncio.gather(*(ask(client, photos) for _ in range(6)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await bank.balance(account_id) == (0, 2 * PHOTOS)
    assert (await ask(client, photos[:2])).json()["code"] == "idempotency-key-reused"


async def test_too_few_credits_hold_nothing_and_start_nothing(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf, account_id: UUID, photos: list[UUID]
) -> None:
    photos = [*photos, await rows.add_photo(engine, account_id)]
    client = client_of(account_id)
    refused = await ask(client, photos)

    assert refused.status_code == 402
    assert refused.json()["missing"] == 2
    assert await bank.balance(account_id) == (2 * PHOTOS, 0)
    (batch,) = (await client.get("/v1/batches")).json()["items"]
    assert (batch["state"], batch["jobs"]) == ("rejected", {"rejected": PHOTOS + 1})
    assert (await ask(client, photos)).status_code == 402


@pytest.mark.parametrize("count", [0, 201])
async def test_a_batch_has_its_size(client_of: ClientOf, account_id: UUID, count: int) -> None:
    refused = await ask(client_of(account_id), [uuid4() for _ in range(count)])
    assert refused.status_code == 422


async def test_a_photo_named_twice_or_not_theirs_is_refused(
    client_of: ClientOf, account_id: UUID, photos: list[UUID]
) -> None:
    client = client_of(account_id)
    assert (await ask(client, [*photos, photos[0]])).json()["code"] == "wrong-number-of-photos"
    assert (await ask(client, [*photos, uuid4()])).status_code == 404


async def test_what_fails_gives_its_part_back_and_the_last_one_ends_the_batch(
    engine: AsyncEngine, client_of: ClientOf, account_id: UUID, photos: list[UUID]
) -> None:
    client = client_of(account_id)
    batch = (await ask(client, photos)).json()
    first, *others, last = await jobs_of(engine, batch)
    async with engine.begin() as connection:
        await jobs.fail(connection, first, code="quality", detail="no")
        for job_id in others:
            await jobs.cancel(connection, job_id, account_id=account_id)
    unfinished = (await client.get(f"/v1/batches/{batch['id']}")).json()
    async with engine.begin() as connection:
        await jobs.move(connection, last, to="CHECKING", among=("QUEUED",))
        facts = {"sha256": "0" * 64, "width": 1, "height": 1, "engine": "x", "gpu_seconds": 1.0}
        await jobs.complete(connection, [jobs.Result(last, "x", facts)])
        await jobs.fail(connection, last, code="late", detail="it has ended")
    finished = (await client.get(f"/v1/batches/{batch['id']}")).json()

    assert (unfinished["state"], unfinished["finished_at"]) == ("placed", None)
    assert finished["state"] == "finished"
    assert finished["jobs"] == {"cancelled": PHOTOS - 2, "completed": 1, "failed": 1}
    assert (finished["spent"], finished["returned"]) == (2, 2 * (PHOTOS - 1))
    ended = await rows.said(engine, UUID(batch["id"]))
    assert [m["type"] for m in ended] == ["processing.batch.finished.v1"]
    assert (ended[0]["data"]["completed"], ended[0]["data"]["spent"]) == (1, 2)


async def test_cancelling_a_batch_stops_what_has_not_ended(
    engine: AsyncEngine, client_of: ClientOf, account_id: UUID, photos: list[UUID]
) -> None:
    client = client_of(account_id)
    batch = (await ask(client, photos)).json()
    first, *_ = await jobs_of(engine, batch)
    async with engine.begin() as connection:
        await jobs.fail(connection, first, code="quality", detail="no")

    path = f"/v1/batches/{batch['id']}/cancel"
    answers = await asyncio.gather(*(client.post(path) for _ in range(4)))

    assert {answer.status_code for answer in answers} == {202}
    assert answers[0].json()["jobs"] == {"cancelled": PHOTOS - 1, "failed": 1}


async def test_an_unusable_photo_is_refused_before_the_rest_is_paid(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf, account_id: UUID, photos: list[UUID]
) -> None:
    await rows.execute(
        engine,
        "update preparations set state = 'unusable', code = 'file-damaged', detail = 'x'"
        " where photo_id = :id",
        id=photos[0],
    )
    assert (await ask(client_of(account_id), photos)).json()["code"] == "photo-unusable"
    assert await bank.balance(account_id) == (2 * PHOTOS, 0)


async def test_a_photo_that_turns_out_unusable_costs_only_its_own_job(
    engine: AsyncEngine, client_of: ClientOf, credits_: Credits, account_id: UUID,
    photos: list[UUID],
) -> None:  # fmt: skip
    client = client_of(account_id)
    await credits_.go()
    assert (await ask(client, photos)).status_code == 503
    await rows.execute(
        engine,
        "update preparations set state = 'unusable', code = 'file-damaged', detail = 'x'"
        " where photo_id = :id",
        id=photos[0],
    )
    await credits_.come()
    batch = (await ask(client, photos)).json()

    assert batch["jobs"] == {"queued": PHOTOS - 1, "rejected": 1}


@pytest.mark.parametrize("is_too_old", [False, True])
async def test_a_batch_whose_order_died_is_settled_or_given_up(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf, credits_: Credits, account_id: UUID,
    photos: list[UUID], *, is_too_old: bool,
) -> None:  # fmt: skip
    client = client_of(account_id)
    await credits_.go()
    await ask(client, photos)
    await rows.execute(
        engine,
        "update batches set hold_tried_at = now() - interval '1 min',"
        " created_at = now() - cast(:age as interval)",
        age=reconciling.ABANDONED_AFTER * (2 if is_too_old else 0.5),
    )
    await credits_.come()
    holds = Holds(
        ServiceClient(
            credits_.address, caller="processing", service="credits", secret=CREDITS_SECRET
        )
    )
    await reconciling.settle_pending(engine, holds)
    await holds.close()

    (batch,) = (await client.get("/v1/batches")).json()["items"]
    assert batch["state"] == ("rejected" if is_too_old else "placed")
    assert set(batch["jobs"]) == {"rejected" if is_too_old else "queued"}
    assert await bank.balance(account_id) == ((10, 0) if is_too_old else (0, 10))


async def test_a_job_cancelled_while_credits_was_asked_gives_its_part_back(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf, credits_: Credits, account_id: UUID,
    photos: list[UUID],
) -> None:  # fmt: skip
    client = client_of(account_id)
    await credits_.go()
    await ask(client, photos)
    (pending,) = (await client.get("/v1/batches")).json()["items"]
    first, *_ = await jobs_of(engine, pending)
    await client.post(f"/v1/jobs/{first}/cancel")
    await credits_.come()

    placed = (await ask(client, photos)).json()

    assert placed["jobs"] == {"cancelled": 1, "queued": PHOTOS - 1}
    assert await bank.balance(account_id) == (2, 2 * (PHOTOS - 1))


def test_the_bound_is_the_public_one() -> None:
    from services.gateway.schemas import PHOTOS_PER_BATCH_MAX  # noqa: PLC0415

    assert batches.PHOTOS_MAX == PHOTOS_PER_BATCH_MAX
