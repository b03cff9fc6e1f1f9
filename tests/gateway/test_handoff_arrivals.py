"""The desktop sees the phone come, and each of its photos arrive, in the event stream."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from faststream.rabbit import RabbitBroker
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.gateway.v1 import HandoffOpened, HandoffUsed
from contracts.message import Event
from contracts.uploads.v1 import PhotoAccepted, PhotoDeleted, PhotoReady, PhotoRejected
from services.gateway import handoffs
from services.kit.db import Connection
from tests.gateway.doors import Door, Heard, listening
from tests.gateway.phones import handed, phone_of, photo_of
from tests.gateway.test_events import account_of, consuming, news_of, say


def accepted(account_id: UUID, photo_id: UUID) -> PhotoAccepted:
    return PhotoAccepted(
        photo_id=photo_id,
        account_id=account_id,
        version=2,
        object_key=f"originals/{account_id}/{photo_id}",
        media_type="image/jpeg",
        size_bytes=1_000,
        width=300,
        height=200,
    )


def ready(account_id: UUID, photo_id: UUID) -> PhotoReady:
    return PhotoReady(photo_id=photo_id, account_id=account_id, version=3, width=300, height=200)


async def said_by_us(engine: AsyncEngine) -> list[dict[str, Any]]:
    async with engine.begin() as connection:
        rows = await connection.execute(text("select payload from outbox order by id"))
        said = [row.payload for row in rows]
    return [one for one in said if one["type"].startswith("gateway.handoff.")]


async def test_the_account_is_told_once_that_the_phone_is_there_and_of_each_photo(
    door: Door, engine: AsyncEngine
) -> None:
    async with door.visit() as desktop:
        account_id = str(await account_of(desktop))
        begun = await handed(desktop)
        async with phone_of(door, begun) as phone:
            await asyncio.gather(*(phone.get("/v1/handoffs/current") for _ in range(5)))
            photo_ids = [await photo_of(phone) for _ in range(2)]

    named = {"handoff_id": begun["handoff"]["id"], "account_id": account_id}
    assert [(one["type"], one["data"]) for one in await said_by_us(engine)] == [
        (HandoffOpened.type, named),
        (HandoffUsed.type, named | {"photo_id": photo_ids[0], "photos_left": 29}),
        (HandoffUsed.type, named | {"photo_id": photo_ids[1], "photos_left": 28}),
    ]


async def test_each_arrival_reaches_the_desktop_with_its_hand_off(
    door: Door, amqp_url: str, engine: AsyncEngine
) -> None:
    async with consuming(amqp_url, engine) as broker, door.visit() as desktop:
        account_id = await account_of(desktop)
        begun = await handed(desktop)
        handoff_id = begun["handoff"]["id"]
        async with phone_of(door, begun) as phone:
            photo_id = UUID(await photo_of(phone))
        own = UUID(await photo_of(desktop))
        async with listening(desktop) as events:
            heard = [
                await told(broker, events, event)
                for event in (
                    HandoffOpened(handoff_id=UUID(handoff_id), account_id=account_id),
                    accepted(account_id, photo_id),
                    ready(account_id, photo_id),
                    accepted(account_id, own),
                )
            ]
        shown = (await desktop.get(f"/v1/handoffs/{handoff_id}")).json()

    assert [(event.name, event.data["data"].get("handoff_id")) for event in heard] == [
        ("gateway.handoff.opened", handoff_id),
        ("uploads.photo.accepted", handoff_id),
        ("uploads.photo.ready", handoff_id),
        ("uploads.photo.accepted", None),
    ]
    assert heard[2].data["data"] == {
        "photo_id": str(photo_id),
        "version": 3,
        "width": 300,
        "height": 200,
        "blurhash": None,
        "quad": None,
        "outline": None,
        "handoff_id": handoff_id,
    }
    assert shown["photos"] == [{"id": str(photo_id), "state": "ready"}]


async def told(broker: RabbitBroker, events: AsyncIterator[Heard], event: Event) -> Heard:
    await say(broker, event)
    return await news_of(events)


async def handed_photo(connection: Connection) -> tuple[UUID, UUID, UUID]:
    """An account, a hand-off of it, and a photo that came by it."""
    account_id, photo_id = uuid4(), uuid4()
    await connection.execute(
        text("insert into accounts (id, issuer, subject) values (:id, 'issuer', 'somebody')"),
        {"id": account_id},
    )
    begun = await handoffs.begin(connection, account_id=account_id, secret="a secret")
    await handoffs.keep_photo(connection, begun.id, photo_id)
    return account_id, begun.id, photo_id


@pytest.mark.parametrize("ending", [PhotoRejected, PhotoDeleted])
async def test_an_older_event_does_not_undo_a_newer_one(
    engine: AsyncEngine, ending: type[PhotoRejected | PhotoDeleted]
) -> None:
    async with engine.begin() as connection:
        account_id, handoff_id, photo_id = await handed_photo(connection)
        said = {"photo_id": photo_id, "account_id": account_id, "version": 3}
        newer = ending.model_validate(said | {"code": "file-damaged", "detail": "It is cut off."})

        first = await handoffs.note_states(connection, [newer, accepted(account_id, photo_id)])
        late = await handoffs.note_states(connection, [accepted(account_id, photo_id)])
        shown = await handoffs.find(connection, account_id=account_id, handoff_id=handoff_id)

    assert first == late == {photo_id: handoff_id}
    assert [photo.state for photo in shown.photos] == [handoffs.STATES[ending]]
