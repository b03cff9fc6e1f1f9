"""Asking for a job over HTTP, with the real credits service behind it."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit import outbox
from services.kit.client import ServiceClient
from services.processing import jobs, orders, reconciling
from services.processing.holds import Holds
from tests.credits.bank import Bank
from tests.processing.conftest import CREDITS_SECRET, Credits
from tests.processing.rows import add_job, add_photo, execute, job, open_account, types_said

ClientOf = Callable[[UUID], httpx.AsyncClient]


@pytest.fixture(autouse=True)
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "PHOTO_HEARD_WITHIN_S", 0.3)


@pytest.fixture(name="holds")
async def _holds(credits_: Credits) -> Holds:
    return Holds(
        ServiceClient(
            credits_.address, caller="processing", service="credits", secret=CREDITS_SECRET
        )
    )


async def order(
    client: httpx.AsyncClient, photo_id: UUID, key: str = "k1", *, query: str = "", **body: Any
) -> httpx.Response:
    return await client.post(
        f"/v1/jobs{query}",
        json={"kind": "restore", "photo_ids": [str(photo_id)], **body},
        headers={"Idempotency-Key": key},
    )


async def test_an_order_holds_its_price_and_waits_in_line(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf
) -> None:
    account_id = await bank.open_account(amount=10)
    client = client_of(account_id)
    photo_id = await add_photo(engine, account_id)

    answer = await order(client, photo_id, note="  grandfather's coat was green ")

    shown = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{shown['id']}"
    assert (shown["state"], shown["position"], shown["price"]) == ("queued", 1, 2)
    assert shown["note"] == "grandfather's coat was green"
    assert shown["created_at"].endswith("Z")
    assert (await client.get(f"/v1/jobs/{shown['id']}")).json() == shown
    assert (await client.get("/v1/jobs")).json() == {"items": [shown], "next_cursor": None}
    balance = await bank.read(account_id)
    assert (balance.available, balance.held) == (8, 2)
    assert await types_said(engine, UUID(shown["id"])) == ["processing.job.queued.v1"]


async def test_the_same_order_sent_many_times_at_once_is_one_job(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf
) -> None:
    account_id = await bank.open_account(amount=10)
    client = client_of(account_id)
    photo_id = await add_photo(engine, account_id)

    answers = await asyncio.gather(*(order(client, photo_id) for _ in range(8)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (await bank.read(account_id)).held == 2
    assert await types_said(engine, UUID(answers[0].json()["id"])) == ["processing.job.queued.v1"]


async def test_a_key_that_meant_something_else_is_refused(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf
) -> None:
    account_id = await bank.open_account(amount=10)
    client = client_of(account_id)
    photo_id = await add_photo(engine, account_id)
    await order(client, photo_id)

    answer = await order(client, photo_id, note="different")

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert (await bank.read(account_id)).held == 2


async def test_too_few_credits_is_a_402_with_the_numbers_and_moves_nothing(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf
) -> None:
    account_id = await bank.open_account(amount=3)
    client = client_of(account_id)
    photo_id = await add_photo(engine, account_id)

    for _ in range(2):
        answer = await order(client, photo_id, kind="restore_colourize")
        told = answer.json()
        assert (answer.status_code, told["code"]) == (402, "insufficient-credits")
        assert (told["needed"], told["available"], told["missing"]) == (4, 3, 1)

    balance = await bank.read(account_id)
    assert (balance.available, balance.held) == (3, 0)
    (rejected,) = (await client.get("/v1/jobs")).json()["items"]
    assert (rejected["state"], rejected["problem"]["code"]) == ("rejected", "insufficient-credits")
    assert await types_said(engine, UUID(rejected["id"])) == ["processing.job.rejected.v1"]


async def test_an_order_while_credits_is_away_goes_on_when_it_is_back(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf, credits_: Credits
) -> None:
    account_id = await bank.open_account(amount=10)
    client = client_of(account_id)
    photo_id = await add_photo(engine, account_id)
    await credits_.go()

    away = await order(client, photo_id)
    (pending,) = (await client.get("/v1/jobs")).json()["items"]
    await credits_.come()
    back = await order(client, photo_id)

    assert (away.status_code, away.headers["retry-after"]) == (503, "5")
    assert pending["state"] == "pending_hold"
    assert (back.status_code, back.json()["state"]) == (202, "queued")
    assert back.json()["id"] == pending["id"]
    assert (await bank.read(account_id)).held == 2


async def test_the_reconciler_finishes_what_a_crash_left(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf, credits_: Credits, holds: Holds
) -> None:
    account_id = await bank.open_account(amount=10)
    client = client_of(account_id)
    photo_id = await add_photo(engine, account_id)
    await credits_.go()
    await order(client, photo_id, "young")
    await order(client, photo_id, "old")
    await execute(engine, "update jobs set hold_tried_at = now() - interval '31 s'")
    await execute(
        engine,
        "update jobs set created_at = now() - interval '3 min' where idempotency_key = 'old'",
    )

    await reconciling.settle_pending(engine, holds)
    states = {i["state"] for i in (await client.get("/v1/jobs")).json()["items"]}
    assert states == {"pending_hold"}, "nothing is known while credits is away"
    await execute(engine, "update jobs set hold_tried_at = now() - interval '31 s'")
    await credits_.come()
    await reconciling.settle_pending(engine, holds)
    await holds.close()

    old, young = (await client.get("/v1/jobs")).json()["items"]
    assert (young["state"], old["state"]) == ("queued", "rejected")
    assert old["problem"]["code"] == "abandoned"
    balance = await bank.read(account_id)
    assert (balance.available, balance.held) == (8, 2)


async def test_a_hold_that_arrives_after_the_job_ended_is_given_back(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf, credits_: Credits, holds: Holds
) -> None:
    account_id = await bank.open_account(amount=10)
    client = client_of(account_id)
    await credits_.go()
    await order(client, await add_photo(engine, account_id))
    (pending,) = (await client.get("/v1/jobs")).json()["items"]
    row = await job(engine, UUID(pending["id"]))
    assert (await client.post(f"/v1/jobs/{row.id}/cancel")).status_code == 202
    await credits_.come()

    await orders.settle(engine, holds, row)
    await holds.close()

    balance = await bank.read(account_id)
    assert (balance.available, balance.held) == (10, 0)
    assert (await job(engine, row.id)).state == "CANCELLED"


async def test_a_photo_that_broke_meanwhile_rejects_the_job(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf, credits_: Credits
) -> None:
    account_id = await bank.open_account(amount=10)
    client = client_of(account_id)
    photo_id = await add_photo(engine, account_id, "waiting")
    await credits_.go()
    await order(client, photo_id)
    await execute(engine, "update preparations set state='unusable', code='x', detail='Broken.'")
    await credits_.come()

    answer = await order(client, photo_id)

    (rejected,) = (await client.get("/v1/jobs")).json()["items"]
    assert (answer.status_code, answer.json()["code"]) == (409, "photo-unusable")
    assert await types_said(engine, UUID(rejected["id"])) == ["processing.job.rejected.v1"]


async def test_foreign_and_absent_photos_are_answered_alike(
    engine: AsyncEngine, client_of: ClientOf
) -> None:
    client = client_of(uuid4())
    foreign = await add_photo(engine, uuid4())

    answers = [await order(client, photo_id) for photo_id in (foreign, uuid4())]

    told = [answer.json() | {"trace_id": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert told[0] == told[1]
    assert (await client.get("/v1/jobs")).json()["items"] == []


async def test_who_is_patient_finds_a_photo_that_is_heard_of_a_moment_later(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf
) -> None:
    account_id = await bank.open_account(amount=10)
    client, photo_id = client_of(account_id), uuid4()

    assert (await order(client, photo_id)).status_code == 404
    ordering = asyncio.create_task(order(client, photo_id, query="?patient=true"))
    await asyncio.sleep(0.1)
    await add_photo(engine, account_id, "waiting")
    await execute(engine, "update preparations set photo_id = :id", id=photo_id)

    assert (await ordering).json()["state"] == "queued"


async def test_an_order_is_found_again_although_its_photo_is_gone(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf
) -> None:
    account_id = await bank.open_account(amount=10)
    client, photo_id = client_of(account_id), await add_photo(engine, account_id)
    first = await order(client, photo_id)
    await execute(engine, "update preparations set state = 'deleted'")

    again, another = await order(client, photo_id), await order(client, photo_id, "k2")

    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert another.status_code == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kind": "sharpen"}, "unknown-kind"),
        ({"kind": "animate"}, "kind-not-available"),
        ({"kind": "bring_together"}, "kind-not-available"),
        ({"photo_ids": []}, "invalid-request"),
        ({"photo_ids": [str(uuid4())] * 2}, "wrong-number-of-photos"),
        ({"photo_ids": ["x"]}, "invalid-request"),
        ({"note": "x" * 501}, "invalid-request"),
        ({"note": "a\0b"}, "invalid-request"),
        ({"note": 5}, "invalid-request"),
    ],
)
async def test_a_wrong_order_is_refused_before_anything_is_written(
    body: dict[str, Any], code: str, engine: AsyncEngine, client_of: ClientOf
) -> None:
    client = client_of(uuid4())

    answer = await order(client, uuid4(), **body)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (await client.get("/v1/jobs")).json()["items"] == []


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_an_order_needs_a_key(key: str, client_of: ClientOf) -> None:
    answer = await order(client_of(uuid4()), uuid4(), key)

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-required")


async def test_unusable_and_deleted_photos_are_refused(
    engine: AsyncEngine, client_of: ClientOf
) -> None:
    account_id = uuid4()
    client = client_of(account_id)

    unusable = await order(client, await add_photo(engine, account_id, "unusable"))
    deleted = await order(client, await add_photo(engine, account_id, "deleted"))

    assert (unusable.status_code, unusable.json()["code"]) == (409, "photo-unusable")
    assert deleted.status_code == 404


async def test_a_waiting_job_is_cancelled_at_once_and_only_once(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf
) -> None:
    account_id = await bank.open_account(amount=10)
    client = client_of(account_id)
    job_id = (await order(client, await add_photo(engine, account_id))).json()["id"]

    answers = await asyncio.gather(*(client.post(f"/v1/jobs/{job_id}/cancel") for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"job-ended"}
    assert (await types_said(engine, UUID(job_id)))[1:] == ["processing.job.cancelled.v1"]
    for path in (f"/v1/jobs/{job_id}", f"/v1/jobs/{job_id}/cancel"):
        method = "POST" if path.endswith("cancel") else "GET"
        stranger = await client_of(uuid4()).request(method, path)
        assert (stranger.status_code, stranger.json()["code"]) == (404, "not-found")


async def test_pages_follow_one_another_from_the_newest_on(
    engine: AsyncEngine, client_of: ClientOf
) -> None:
    account_id = await open_account(engine)
    photo_id = await add_photo(engine, account_id)
    ids = [str(await add_job(engine, account_id, photo_id=photo_id)) for _ in range(5)]
    client = client_of(account_id)

    first = (await client.get("/v1/jobs", params={"limit": 3})).json()
    second = (
        await client.get("/v1/jobs", params={"limit": 3, "cursor": first["next_cursor"]})
    ).json()

    assert [j["id"] for j in first["items"] + second["items"]] == ids[::-1]
    assert second["next_cursor"] is None
    assert [j["position"] for j in second["items"]] == [2, 1]


@pytest.mark.parametrize("query", ["cursor=zzz", "cursor=%00", "limit=0", "limit=101"])
async def test_wrong_pages_are_refused(query: str, client_of: ClientOf) -> None:
    answer = await client_of(uuid4()).get(f"/v1/jobs?{query}")

    assert answer.status_code == 422


async def test_a_result_is_shown_for_five_minutes_at_a_time(
    engine: AsyncEngine, client_of: ClientOf
) -> None:
    account_id = await open_account(engine)
    job_id = await add_job(engine, account_id)
    result = {
        "width": 640,
        "height": 480,
        "media_type": "image/png",
        "bytes": 1000,
        "sha256": "ab" * 32,
        "engine": "cpu",
        "gpu_seconds": 1.5,
    }
    async with engine.begin() as connection:
        await jobs.move(connection, job_id, to="CHECKING", among=("QUEUED",))
        await jobs.complete(connection, [jobs.Result(job_id, "results/x.png", result)])

    shown = (await client_of(account_id).get(f"/v1/jobs/{job_id}")).json()

    assert (shown["state"], shown["position"]) == ("completed", None)
    assert shown["result"].items() >= result.items()
    assert "results/x.png" in shown["result"]["url"]
    assert "X-Amz-Expires=300" in shown["result"]["url"]


async def test_a_broker_that_is_away_for_long_fills_the_outbox_only_so_far(
    engine: AsyncEngine, bank: Bank, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is published here; new orders are taken until the bound, and then refused kindly."""
    account_id = await bank.open_account(amount=10)
    client = client_of(account_id)
    photo_id = await add_photo(engine, account_id)
    taken = await order(client, photo_id)
    monkeypatch.setattr(outbox, "ROWS_MAX", 0)

    refused = await order(client, photo_id, "k2")
    again = await order(client, photo_id)

    assert (taken.status_code, refused.status_code) == (202, 503)
    assert refused.headers["retry-after"] == "60"
    assert again.json()["id"] == taken.json()["id"]
    assert await bank.balance(account_id) == (8, 2)
