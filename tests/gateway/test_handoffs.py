"""Hand-offs: a phone adds photos to an account, sees nothing else of it, and can be stopped."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.gateway import consumers
from tests.gateway.conftest import OpenDoor
from tests.gateway.doors import Door
from tests.gateway.phones import announce, begin, handed, phone_of, photo_of, token_in

VARYING = ("instance", "trace_id")


async def age(engine: AsyncEngine, minutes: int) -> None:
    """Let time pass for every hand-off."""
    async with engine.begin() as connection:
        past = "update handoffs set expires_at = expires_at - make_interval(mins => :minutes)"
        await connection.execute(text(past), {"minutes": minutes})


def said(answer: httpx.Response) -> tuple[int, dict[str, Any]]:
    document = answer.json()
    return answer.status_code, {k: v for k, v in document.items() if k not in VARYING}


async def test_a_phone_learns_what_it_may_do_and_adds_a_photo(door: Door) -> None:
    async with door.visit() as desktop:
        begun = await handed(desktop)
        async with phone_of(door, begun) as phone:
            first = (await phone.get("/v1/handoffs/current")).json()
            photo_id = await photo_of(phone)
            then = (await phone.get("/v1/handoffs/current")).json()
        theirs = (await desktop.get(f"/v1/photos/{photo_id}")).json()

    assert (first["state"], first["photos_max"], first["photos_left"]) == ("open", 30, 30)
    assert first["id"] == begun["handoff"]["id"]
    assert then["photos_left"] == 29
    assert then["photos"] == [{"id": photo_id, "state": "begun"}]
    assert theirs["state"] == "begun"


async def test_the_token_is_in_the_fragment_and_stored_as_a_hash_only(
    door: Door, engine: AsyncEngine, logs: list[Any]
) -> None:
    async with door.visit() as desktop:
        begun = await handed(desktop)
        token = token_in(begun)
        async with phone_of(door, begun) as phone:
            await phone.get("/v1/handoffs/current")
            await phone.get("/v1/me")

    assert begun["address"] == f"{door.url}/handoff#{token}"
    async with engine.begin() as connection:
        tables = ("handoffs", "idempotency", "outbox", "user_events")
        rows = [str((await connection.execute(text(f"select * from {t}"))).all()) for t in tables]
    assert token not in "".join(rows)
    assert token not in str(logs)


async def test_the_same_wish_gets_the_same_hand_off(door: Door) -> None:
    async with door.visit() as desktop:
        first = await begin(desktop, key="one click")
        again = await begin(desktop, key="one click")
        other = await begin(desktop, key="another")
        keyless = await desktop.post("/v1/handoffs")

    assert again.headers["idempotent-replayed"] == "true"
    assert (again.content, again.headers["location"]) == (first.content, first.headers["location"])
    assert token_in(other.json()) != token_in(first.json())
    assert (keyless.status_code, keyless.json()["code"]) == (400, "idempotency-key-required")


async def test_of_forty_photos_at_once_thirty_are_begun(door: Door) -> None:
    async with door.visit() as desktop:
        begun = await handed(desktop)
        async with phone_of(door, begun) as phone:
            answers = await asyncio.gather(*(announce(phone) for _ in range(40)))
            full = (await phone.get("/v1/handoffs/current")).json()
        photos = (await desktop.get("/v1/photos", params={"limit": 100})).json()["items"]

    codes = sorted(answer.status_code for answer in answers)
    assert codes == [201] * 30 + [403] * 10
    refusal = next(answer for answer in answers if answer.status_code == 403)
    assert (refusal.json()["code"], refusal.json()["photos_max"]) == ("handoff-closed", 30)
    assert (full["state"], full["photos_left"], len(full["photos"])) == ("full", 0, 30)
    assert {photo["id"] for photo in photos} == {photo["id"] for photo in full["photos"]}


async def test_a_photo_that_uploads_refuses_takes_no_place(door: Door) -> None:
    async with door.visit() as desktop, phone_of(door, await handed(desktop)) as phone:
        refused = await announce(phone, size=60 * 2**20)
        left = (await phone.get("/v1/handoffs/current")).json()["photos_left"]

    assert (refused.status_code, refused.json()["code"]) == (413, "photo-too-large")
    assert left == 30


async def test_a_phone_cannot_ask_by_hash_for_what_the_account_has(door: Door) -> None:
    known = {"filename": "aunt.jpg", "size": 1_000, "sha256": "a" * 64}
    async with door.visit() as desktop, phone_of(door, await handed(desktop)) as phone:
        own = (await desktop.post("/v1/photos", json=known)).json()["photo"]["id"]
        by_phone = await phone.post("/v1/photos", json=known)
        nested = [await who.post("/v1/photos", content=b"[" * 5_000) for who in (desktop, phone)]

    assert by_phone.status_code == 201
    assert by_phone.json()["photo"]["id"] != own
    assert said(nested[0]) == said(nested[1])


async def test_a_service_that_is_away_takes_no_place(open_door: OpenDoor) -> None:
    door = open_door(uploads_url="http://127.0.0.1:9")
    async with door.visit() as desktop, phone_of(door, await handed(desktop)) as phone:
        refused = await announce(phone)
        left = (await phone.get("/v1/handoffs/current")).json()["photos_left"]

    assert refused.status_code == 503
    assert left == 30


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
async def test_a_photo_that_did_not_come_by_this_hand_off_is_as_good_as_none(
    door: Door, method: str
) -> None:
    async with door.visit() as desktop, door.visit() as stranger:
        own = await photo_of(desktop)
        foreign = await photo_of(stranger)
        async with phone_of(door, await handed(desktop)) as other:
            by_another = await photo_of(other)
        path = "/v1/photos/{}" + ("/complete" if method == "POST" else "")
        async with phone_of(door, await handed(desktop)) as phone:
            answers = [
                said(await phone.request(method, path.format(photo_id)))
                for photo_id in (uuid4(), own, foreign, by_another, "no-id")
            ]
            usual = said(await stranger.request(method, path.format(uuid4())))
        kept = await desktop.get(f"/v1/photos/{own}")

    assert answers == [usual] * 5
    assert usual[0] == 404
    assert kept.status_code == 200


async def test_a_photo_of_this_hand_off_is_read_and_deleted(door: Door) -> None:
    async with door.visit() as desktop, phone_of(door, await handed(desktop)) as phone:
        photo_id = await photo_of(phone)
        unsent = await phone.post(f"/v1/photos/{photo_id}/complete")
        seen = await phone.get(f"/v1/photos/{photo_id}")
        gone = await phone.delete(f"/v1/photos/{photo_id}")
        after = await desktop.get(f"/v1/photos/{photo_id}")

    assert (unsent.status_code, unsent.json()["code"]) == (409, "upload-missing")
    assert seen.json()["id"] == photo_id
    assert (gone.status_code, after.status_code) == (204, 404)


async def test_revocation_stops_a_phone_in_the_middle(door: Door) -> None:
    async with door.visit() as desktop:
        begun = await handed(desktop)
        place = f"/v1/handoffs/{begun['handoff']['id']}"
        async with phone_of(door, begun) as phone:
            photo_id = await photo_of(phone)
            revoked = await desktop.delete(place)
            answers = [
                await announce(phone),
                await phone.post(f"/v1/photos/{photo_id}/complete"),
                await phone.get(f"/v1/photos/{photo_id}"),
                await phone.get("/v1/handoffs/current"),
            ]
        again = await desktop.delete(place)
        after = (await desktop.get(place)).json()
        still_open = (await desktop.get("/v1/handoffs")).json()["items"]

    assert (revoked.status_code, again.status_code) == (204, 204)
    assert {answer.status_code for answer in answers} == {401}
    assert (after["state"], [photo["id"] for photo in after["photos"]]) == ("revoked", [photo_id])
    assert still_open == []


async def test_an_expired_hand_off_lets_a_photo_be_finished_and_none_begun(
    door: Door, engine: AsyncEngine
) -> None:
    async with door.visit() as desktop, phone_of(door, await handed(desktop)) as phone:
        photo_id = await photo_of(phone)
        await age(engine, minutes=16)
        late = await announce(phone)
        shown = (await phone.get("/v1/handoffs/current")).json()
        finished = await phone.post(f"/v1/photos/{photo_id}/complete")
        await age(engine, minutes=5)
        over = await phone.post(f"/v1/photos/{photo_id}/complete")

    assert (late.status_code, late.json()["code"]) == (403, "handoff-closed")
    assert shown["state"] == "expired"
    assert finished.json()["code"] == "upload-missing"
    assert over.status_code == 401


async def test_an_account_has_five_open_ones_and_then_revokes_one(door: Door) -> None:
    async with door.visit() as desktop, door.visit() as somebody_else:
        answers = await asyncio.gather(*(begin(desktop) for _ in range(8)))
        codes = sorted(answer.status_code for answer in answers)
        refusal = next(answer.json() for answer in answers if answer.status_code == 409)
        listed = (await desktop.get("/v1/handoffs")).json()["items"]
        await desktop.delete(f"/v1/handoffs/{listed[0]['id']}")
        room = await begin(desktop)
        other = await begin(somebody_else)

    assert codes == [201] * 5 + [409] * 3
    assert (refusal["code"], refusal["open_max"]) == ("too-many-handoffs", 5)
    assert len(listed) == 5
    assert (room.status_code, other.status_code) == (201, 201)


async def test_somebody_elses_hand_off_is_as_good_as_none(door: Door) -> None:
    async with door.visit() as desktop, door.visit() as stranger:
        theirs = (await handed(desktop))["handoff"]["id"]
        answers = [
            said(await stranger.request(method, f"/v1/handoffs/{handoff_id}"))
            for method in ("GET", "DELETE")
            for handoff_id in (theirs, uuid4())
        ]
        current = said(await stranger.get("/v1/handoffs/current"))
        open_still = (await desktop.get(f"/v1/handoffs/{theirs}")).json()["state"]

    assert answers == [current] * 4
    assert current[0] == 404
    assert open_still == "open"


@pytest.mark.parametrize(
    "token", ["rkh_", "rkh_" + "a" * 32, "rkh_" + "é" * 32, "rkh_" + "a" * 9000]
)
async def test_a_token_of_nobody_is_refused(door: Door, token: str) -> None:
    async with door.browse() as visitor:
        header = [(b"authorization", f"Bearer {token}".encode())]
        answer = await visitor.get("/v1/handoffs/current", headers=header)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_what_ended_a_day_ago_is_forgotten(door: Door, engine: AsyncEngine) -> None:
    async with door.visit() as desktop:
        begun = await handed(desktop)
        async with phone_of(door, begun) as phone:
            photo_id = await photo_of(phone)
        place = f"/v1/handoffs/{begun['handoff']['id']}"
        await age(engine, minutes=24 * 60)
        await consumers.sweep(engine)
        kept = await desktop.get(place)
        await age(engine, minutes=16)
        await consumers.sweep(engine)
        forgotten = await desktop.get(place)
        photo = await desktop.get(f"/v1/photos/{photo_id}")

    assert (kept.status_code, forgotten.status_code, photo.status_code) == (200, 404, 200)


async def test_an_account_that_goes_takes_its_hand_offs_along(
    door: Door, engine: AsyncEngine
) -> None:
    async with door.visit() as desktop, phone_of(door, await handed(desktop)) as phone:
        await photo_of(phone)
        async with engine.begin() as connection:
            await connection.execute(text("delete from accounts"))
            rows = "select (select count(*) from handoffs), (select count(*) from handoff_photos)"
            left = (await connection.execute(text(rows))).one()
        answer = await phone.get("/v1/handoffs/current")

    assert left == (0, 0)
    assert answer.status_code == 401


async def test_a_phone_does_not_use_up_what_its_account_may_ask_for(open_door: OpenDoor) -> None:
    door = open_door(rate_limit_factor=5 / 600)
    async with door.visit() as desktop, phone_of(door, await handed(desktop)) as phone:
        answers = [await phone.get("/v1/handoffs/current") for _ in range(6)]
        account = await desktop.get("/v1/me")

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert account.status_code == 200
