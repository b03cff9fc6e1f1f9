"""A result is shared: a stranger sees before and after, and nothing else, until it is revoked."""

import io
import re
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from sdk.rekindle.client import Rekindle
from tests.journeys import people, photos

JOB_WITHIN_S = 120.0
FILENAME = "Grandmother Emma 1936.jpg"


def browser(stack: dict[str, Any], **headers: str) -> httpx.AsyncClient:
    url = stack["gateway_url"]
    return httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30)


async def test_a_stranger_sees_before_and_after_until_it_is_revoked(
    stack: dict[str, Any], tmp_path: Path
) -> None:
    token = await people.access_token(stack)
    async with Rekindle(stack["gateway_url"], token) as user:
        photo = await user.photos.add(photos.jpeg(tmp_path / FILENAME, size=(800, 640)))
        job = await user.jobs.create("restore", [photo.id], note="her name was Emma")
        door = f"/v1/jobs/{job.id}/share"
        async with (
            browser(stack, authorization=f"Bearer {token}") as owner,
            browser(stack) as stranger,
        ):
            early = await owner.put(door, json={})
            await user.jobs.wait(job.id, timeout_s=JOB_WITHIN_S)
            shared = (await owner.put(door, json={"days": 7})).json()
            again = (await owner.get(door)).json()
            path = shared["address"].removeprefix(stack["gateway_url"])

            page = await stranger.get(path)
            names = ("before", "after", "card")
            seen = [await stranger.get(f"{path}/{name}.jpg") for name in names]

            await owner.delete(door)
            revoked = [await stranger.get(each) for each in (path, f"{path}/after.jpg")]
            anew = (await owner.put(door, json={})).json()["address"]
            await user.photos.delete(photo.id)
            deleted = await _until_gone(stranger, anew.removeprefix(stack["gateway_url"]))

    assert (early.status_code, early.json()["code"]) == (409, "nothing-to-share")
    assert again == shared
    assert page.status_code == 200
    assert f'property="og:image" content="{shared["address"]}/card.jpg"' in page.text
    for private in ("Emma", "1936", str(job.id), str(photo.id), "X-Amz"):
        assert private not in page.text
    assert [Image.open(io.BytesIO(one.content)).size for one in seen] == [
        (480, 600) if Image.open(io.BytesIO(seen[0].content)).height > 500 else (600, 480),
        Image.open(io.BytesIO(seen[0].content)).size,
        (1200, 630),
    ]
    assert all(not Image.open(io.BytesIO(one.content)).getexif() for one in seen)
    assert [answer.status_code for answer in revoked] == [410, 410]
    assert "not shared any more" in revoked[0].text
    assert anew != shared["address"]
    assert deleted
    assert re.fullmatch(r"/s/[\w-]{32}", path)


async def _until_gone(stranger: httpx.AsyncClient, path: str) -> bool:
    """Processing hears of a deleted photo a moment later."""
    for _ in range(100):
        if (await stranger.get(f"{path}/before.jpg")).status_code == 404:
            return True
    return False
