"""The door for prints: one key, one set of photos, and nobody else's pictures."""

from typing import Any
from uuid import uuid4

import pytest

from tests.gateway.doors import Door

HALVES = [[[0, 0], [0.5, 0], [0.5, 1], [0, 1]], [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]]


async def begun(visitor: Any) -> str:
    answer = await visitor.post("/v1/photos", json={"filename": "page.jpg", "size": 20})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["photo"]["id"])


async def test_a_split_needs_a_key_and_is_not_another_one_under_the_same(door: Door) -> None:
    async with door.visit() as visitor:
        path, key = f"/v1/photos/{await begun(visitor)}/split", {"idempotency-key": str(uuid4())}

        without = await visitor.post(path, json={"quads": HALVES})
        first = await visitor.post(path, json={"quads": HALVES}, headers=key)
        again = await visitor.post(path, json={"quads": HALVES}, headers=key)
        other = await visitor.post(path, json={"quads": HALVES[:1]}, headers=key)

    assert (without.status_code, without.json()["code"]) == (400, "idempotency-key-required")
    assert (first.status_code, first.json()["code"]) == (409, "not-ready")
    assert again.headers["idempotent-replayed"] == "true"
    assert again.content == first.content
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    "body", [{"quads": []}, {"quads": HALVES * 5}, {"quads": "all"}, [1]], ids=str
)
async def test_what_is_no_split_is_refused_field_by_field(door: Door, body: Any) -> None:
    async with door.visit() as visitor:
        path = f"/v1/photos/{uuid4()}/split"
        refused = await visitor.post(path, json=body, headers={"idempotency-key": "k"})

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-request")


async def test_somebody_elses_photo_is_not_there(door: Door) -> None:
    async with door.visit() as owner, door.visit() as stranger:
        path = f"/v1/photos/{await begun(owner)}"

        asked = [
            await stranger.post(f"{path}/outline"),
            await stranger.put(f"{path}/quad", json={"quad": None}),
            await stranger.post(f"{path}/split", headers={"idempotency-key": "k"}),
        ]

    assert {(each.status_code, each.json()["code"]) for each in asked} == {(404, "not-found")}


async def test_an_outline_of_a_file_that_did_not_come_says_so(door: Door) -> None:
    async with door.visit() as visitor:
        refused = await visitor.post(f"/v1/photos/{await begun(visitor)}/outline")

    assert (refused.status_code, refused.json()["code"]) == (409, "upload-missing")
