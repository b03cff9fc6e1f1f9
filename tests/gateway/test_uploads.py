"""Where a file goes, as the gateway's visitors are told."""

from uuid import uuid4

from tests.gateway.doors import Door

PART_BYTES = 5 * 2**20
LARGE = {"filename": "aunt.png", "size": 3 * PART_BYTES, "sha256": "ab" * 32}


async def test_a_large_file_is_announced_once_and_its_upload_can_be_resumed(door: Door) -> None:
    async with door.visit() as visitor:
        begun = await visitor.post("/v1/photos", json=LARGE)
        again = await visitor.post("/v1/photos", json=LARGE)
        photo_id = begun.json()["photo"]["id"]
        resumed = await visitor.get(f"/v1/photos/{photo_id}/upload")
        await visitor.delete(f"/v1/photos/{photo_id}")

    assert [begun.status_code, again.status_code, resumed.status_code] == [201, 200, 200]
    assert begun.headers["location"] == again.headers["location"] == f"/v1/photos/{photo_id}"
    assert begun.json()["photo"] == again.json()["photo"]
    for upload in (begun.json()["upload"], again.json()["upload"], resumed.json()):
        assert (upload["method"], upload["part_bytes"], upload["stored"]) == ("PUT", PART_BYTES, [])
        assert [part["number"] for part in upload["parts"]] == [1, 2, 3]


async def test_somebody_elses_upload_and_none_get_the_same_answer(door: Door) -> None:
    async with door.visit() as visitor, door.visit() as owner:
        begun = (await owner.post("/v1/photos", json=LARGE)).json()
        theirs = await visitor.get(f"/v1/photos/{begun['photo']['id']}/upload")
        nobodys = await visitor.get(f"/v1/photos/{uuid4()}/upload")
        mine = await visitor.post("/v1/photos", json=LARGE)
        for person, photo in ((owner, begun), (visitor, mine.json())):
            await person.delete(f"/v1/photos/{photo['photo']['id']}")

    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.json()["code"] == nobodys.json()["code"] == "not-found"
    assert mine.status_code == 201, "what others have announced nobody learns"


async def test_without_a_token_no_address_is_given(door: Door) -> None:
    async with door.browse() as stranger:
        answer = await stranger.get(f"/v1/photos/{uuid4()}/upload")

    assert answer.status_code == 401
