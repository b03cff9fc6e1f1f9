"""Bad input at the front door: a problem with a code and facts, nothing stored, nothing paid."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from sdk.rekindle.client import Rekindle
from sdk.rekindle.models import FormUpload, Job
from sdk.rekindle.problems import RekindleProblem
from services.kit.storage import NoSuchObject, StorageSettings, open_storage
from tests.journeys import people, photos

MB = 1024 * 1024


@pytest.fixture
async def user(stack: dict[str, Any]) -> AsyncIterator[Rekindle]:
    """On the free plan, with three credits."""
    async with await people.new_user(stack) as user:
        yield user
        balance = await user.credits.balance()
        assert (balance.available, balance.held) == (3, 0), "no credit may have moved"


async def refused(user: Rekindle, path: Path, stack: dict[str, Any]) -> RekindleProblem:
    """Upload what should be refused; nothing of it may stay."""
    begun = await user.photos.begin(path.name, path.stat().st_size)
    await user.photos.upload(begun.upload, path)
    with pytest.raises(RekindleProblem) as problem:
        await user.photos.complete(begun.photo.id)
    assert (await user.photos.get(begun.photo.id)).state == "rejected"
    key = f"originals/{(await user.me()).account_id}/{begun.photo.id}"
    environment = stack["environments"]["uploads"]
    settings = StorageSettings(**{k.lower(): v for k, v in environment.items() if "S3_" in k})
    async with open_storage(settings) as storage:
        with pytest.raises(NoSuchObject):
            await storage.size(key)
    return problem.value


async def test_a_file_of_51_mb_is_refused_before_and_by_the_storage_itself(
    user: Rekindle, tmp_path: Path
) -> None:
    with pytest.raises(RekindleProblem) as problem:
        await user.photos.begin("large.jpg", 51 * MB)
    assert (problem.value.status, problem.value.code) == (413, "photo-too-large")
    assert problem.value.facts["bytes_max"] == 50 * MB

    begun = await user.photos.begin("liar.jpg", 1000)
    assert isinstance(begun.upload, FormUpload)
    async with httpx.AsyncClient(timeout=60) as web:
        answer = await web.post(
            begun.upload.url, data=begun.upload.fields, files={"file": b"\xff" * (51 * MB)}
        )
    assert answer.status_code == 400
    with pytest.raises(RekindleProblem) as problem:
        await user.photos.complete(begun.photo.id)
    assert problem.value.code == "upload-missing"


async def test_an_empty_file_is_refused(user: Rekindle) -> None:
    with pytest.raises(RekindleProblem) as problem:
        await user.photos.begin("empty.jpg", 0)

    assert problem.value.status == 422


@pytest.mark.parametrize(
    ("name", "code", "status"),
    [
        ("page.jpg", "not-a-photo", 415),
        ("cut.jpg", "file-damaged", 422),
        ("flood.png", "too-many-pixels", 413),
    ],
)
async def test_a_file_that_is_no_good_photo_is_refused_and_removed(
    user: Rekindle, stack: dict[str, Any], tmp_path: Path, name: str, code: str, status: int
) -> None:
    path = tmp_path / name
    path.write_bytes(
        {
            "page.jpg": b"<!doctype html><script>alert(1)</script>" * 20,
            "cut.jpg": photos.jpeg(tmp_path / "whole.jpg").read_bytes()[:9_000],
            "flood.png": photos.png_that_claims(60_000, 60_000),
        }[name]
    )

    problem = await refused(user, path, stack)

    assert (problem.code, problem.status) == (code, status)
    assert problem.detail


async def test_a_kind_that_does_not_exist_is_named(user: Rekindle, tmp_path: Path) -> None:
    photo = await user.photos.add(photos.jpeg(tmp_path / "a.jpg"))

    with pytest.raises(RekindleProblem) as problem:
        await user.jobs.create("resurrect", [photo.id])

    assert (problem.value.status, problem.value.code) == (422, "unknown-kind")
    assert "restore" in problem.value.facts["kinds"]


async def test_somebody_elses_photo_looks_like_none_at_all(
    user: Rekindle, stack: dict[str, Any], tmp_path: Path
) -> None:
    async with await people.new_user(stack) as other:
        theirs = await other.photos.add(photos.jpeg(tmp_path / "a.jpg"))

    async def order(photo_id: UUID) -> Job:
        return await user.jobs.create("restore", [photo_id])

    attempts: tuple[Callable[[UUID], Awaitable[object]], ...] = (
        user.photos.get,
        user.photos.delete,
        user.photos.complete,
        order,
    )
    for attempt in attempts:
        answers = []
        for photo_id in (theirs.id, uuid4()):
            with pytest.raises(RekindleProblem) as problem:
                await attempt(photo_id)
            answers.append((problem.value.status, problem.value.code, problem.value.detail))
        assert answers[0] == answers[1]
        assert answers[0][:2] == (404, "not-found")


async def test_a_key_used_again_with_another_body_is_refused_and_with_the_same_one_replayed(
    stack: dict[str, Any], tmp_path: Path
) -> None:
    async with await people.new_user(stack) as user:
        photo = await user.photos.add(photos.jpeg(tmp_path / "a.jpg"))
        key = str(uuid4())
        first = await user.jobs.create("restore", [photo.id], idempotency_key=key)

        again = await user.jobs.create("restore", [photo.id], idempotency_key=key)
        with pytest.raises(RekindleProblem) as problem:
            await user.jobs.create("colourize", [photo.id], idempotency_key=key)

        assert again.id == first.id
        assert (problem.value.status, problem.value.code) == (422, "idempotency-key-reused")
        await user.jobs.wait(first.id, timeout_s=120)
        assert (await user.credits.balance()).available == 1


async def test_too_few_credits_say_how_many_are_missing(user: Rekindle, tmp_path: Path) -> None:
    photo = await user.photos.add(photos.jpeg(tmp_path / "a.jpg"))

    with pytest.raises(RekindleProblem) as problem:
        await user.jobs.create("restore_colourize", [photo.id])

    assert (problem.value.status, problem.value.code) == (402, "insufficient-credits")
    facts = problem.value.facts
    assert (facts["needed"], facts["available"], facts["missing"]) == (4, 3, 1)


async def test_tokens_that_are_not_ours_are_refused_alike(stack: dict[str, Any]) -> None:
    good = await people.access_token(stack)
    header, payload, signature = good.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    unsigned = f"{_part({'alg': 'none', 'typ': 'JWT'})}.{payload}."
    expired = f"{header}.{_part({**claims, 'exp': 1})}.{signature}"

    answers = []
    async with httpx.AsyncClient(base_url=stack["gateway_url"]) as web:
        for token in (unsigned, expired, good[:-8], "x", "x" * 10_000):
            answer = await web.get("/v1/photos", headers={"authorization": f"Bearer {token}"})
            answers.append((answer.status_code, answer.json()["code"], answer.json()["detail"]))
        assert (await web.get("/v1/photos")).status_code == 401

    assert set(answers) == {answers[0]}
    assert answers[0][0] == 401


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
