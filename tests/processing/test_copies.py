"""Copies for strangers: small, without metadata, of the same size, and of finished jobs only."""

import io
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from PIL import Image
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.storage import Storage
from services.processing import copies, copy_names, copying
from services.processing.models import jobs, preparations
from tests.processing import rows

ClientOf = Callable[[UUID], httpx.AsyncClient]
WHERE, SAID = b"Emma's house", b"a caption"
GREY, BROWN = (120, 120, 120), (150, 90, 40)


def master(folder: Path, size: tuple[int, int] = (2400, 1800)) -> Path:
    """As processing makes them: with a caption and a date."""
    path, exif = folder / "before", Image.Exif()
    exif[0x010E] = SAID.decode()
    Image.new("RGB", size, GREY).save(path, "JPEG", exif=exif, comment=WHERE)
    return path


def result(folder: Path, size: tuple[int, int] = (960, 720)) -> Path:
    path = folder / "after"
    Image.new("RGB", size, BROWN).save(path, "PNG")
    return path


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content), formats=["JPEG"])


def is_like(pixel: object, colour: tuple[int, int, int]) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= 4 for a, b in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("name", copy_names.NAMES)
def test_a_copy_carries_pixels_and_nothing_else(tmp_path: Path, name: copy_names.Name) -> None:
    before, after, target = master(tmp_path), result(tmp_path), tmp_path / "target"

    made = copies.copy(name, before=before, after=after, target=target)

    content = target.read_bytes()
    assert SAID in before.read_bytes()
    assert SAID not in content
    assert WHERE not in content
    picture = opened(content)
    assert not picture.getexif()
    assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert picture.size == (made.width, made.height)
    assert picture.size == (copies.CARD if name == "card" else (960, 720))


def test_a_large_result_is_made_smaller_and_the_card_shows_both(tmp_path: Path) -> None:
    before, after = master(tmp_path), result(tmp_path, (1200, 3200))
    small = copies.copy("before", before=before, after=after, target=tmp_path / "small")
    copies.copy("card", before=before, after=after, target=tmp_path / "card")

    card = opened((tmp_path / "card").read_bytes())
    width, height = copies.CARD
    assert (small.width, small.height) == (600, 1600)
    assert is_like(card.getpixel((width // 4, height // 2)), GREY)
    assert is_like(card.getpixel((width * 3 // 4, height // 2)), BROWN)
    assert is_like(card.getpixel((width // 2, height // 2)), copies.PAPER)


def test_what_its_owner_saves_has_the_size_of_the_result(tmp_path: Path) -> None:
    after, target = result(tmp_path, (2400, 1800)), tmp_path / "target"
    copies.copy("jpeg", before=tmp_path / "none", after=after, target=target)

    assert opened(target.read_bytes()).size == (2400, 1800)


def test_an_original_of_another_shape_shows_whole_on_paper(tmp_path: Path) -> None:
    before, after = master(tmp_path, (1000, 2000)), result(tmp_path, (960, 720))
    copies.copy("before", before=before, after=after, target=tmp_path / "target")

    shown = opened((tmp_path / "target").read_bytes())
    assert shown.size == (960, 720)
    assert is_like(shown.getpixel((480, 360)), GREY)
    assert is_like(shown.getpixel((50, 360)), copies.PAPER)


async def finished(engine: AsyncEngine, storage: Storage, folder: Path) -> tuple[UUID, UUID, UUID]:
    """A finished job with its pictures: account, job, photo."""
    account_id = await rows.open_account(engine)
    photo_id = await rows.add_photo(engine, account_id)
    job_id = await rows.add_job(engine, account_id, photo_id=photo_id)
    key = f"results/{account_id}/{job_id}"
    await storage.upload(result(folder), key, media_type="image/png")
    master_key = f"masters/{account_id}/{photo_id}-2.jpg"
    await storage.upload(master(folder), master_key, media_type="image/jpeg")
    async with engine.begin() as connection:
        done = {"state": "COMPLETED", "result_key": key, "result": {}}
        await connection.execute(
            jobs.update().where(jobs.c.id == job_id).values(**done, finished_at=jobs.c.created_at)
        )
    return account_id, job_id, photo_id


async def test_the_owners_gateway_gets_copies_and_nobody_elses(
    engine: AsyncEngine, storage: Storage, client_of: ClientOf, tmp_path: Path
) -> None:
    account_id, job_id, photo_id = await finished(engine, storage, tmp_path)
    path = f"/v1/jobs/{job_id}/copies"

    mine = [await client_of(account_id).get(f"{path}/{name}") for name in copy_names.NAMES]
    theirs = await client_of(uuid4()).get(f"{path}/after")
    unknown = await client_of(account_id).get(f"{path}/original")
    async with engine.begin() as connection:
        gone = preparations.update().where(preparations.c.photo_id == photo_id)
        await connection.execute(gone.values(state="deleted"))
    deleted = await client_of(account_id).get(f"{path}/after")
    kept = await client_of(account_id).get(f"{path}/jpeg")

    sizes = [(960, 720), (960, 720), copies.CARD, (960, 720)]
    assert [answer.status_code for answer in (*mine, kept)] == [200] * 5
    assert [opened(answer.content).size for answer in mine] == sizes
    assert (theirs.status_code, unknown.status_code, deleted.status_code) == (404, 422, 404)


@pytest.mark.parametrize(
    ("bound", "said"),
    [("WAITING_MAX", 503), ("WAITING_PER_ACCOUNT_MAX", 503), ("PICTURE_BYTES_MAX", 404)],
)
async def test_what_would_be_too_much_is_not_begun(
    engine: AsyncEngine,
    storage: Storage,
    client_of: ClientOf,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    said: int,
) -> None:
    account_id, job_id, _ = await finished(engine, storage, tmp_path)
    monkeypatch.setattr(copying, bound, 0)

    answer = await client_of(account_id).get(f"/v1/jobs/{job_id}/copies/after")

    assert answer.status_code == said


async def test_a_job_without_a_result_has_no_copies(
    engine: AsyncEngine, client_of: ClientOf
) -> None:
    account_id = await rows.open_account(engine)
    job_id = await rows.add_job(engine, account_id)

    answer = await client_of(account_id).get(f"/v1/jobs/{job_id}/copies/after")

    assert answer.status_code == 404


async def test_the_owners_gateway_gets_blends_and_nobody_elses(
    engine: AsyncEngine, storage: Storage, client_of: ClientOf, tmp_path: Path
) -> None:
    account_id, job_id, photo_id = await finished(engine, storage, tmp_path)
    path, owner = f"/v1/jobs/{job_id}/blend", client_of(account_id)

    photo = await owner.get(path, params={"strength": 0})
    restored = await owner.get(path, params={"strength": 100, "faces": 30})
    refused = [await owner.get(path, params=asked) for asked in ({"strength": 101}, {"faces": -1})]
    theirs = await client_of(uuid4()).get(path)
    async with engine.begin() as connection:
        gone = preparations.update().where(preparations.c.photo_id == photo_id)
        await connection.execute(gone.values(state="deleted"))
    deleted = await owner.get(path)

    for answer, colour in ((photo, GREY), (restored, BROWN)):
        assert answer.status_code == 200
        assert opened(answer.content).size == (960, 720)
        assert is_like(opened(answer.content).getpixel((480, 360)), colour)
    assert [answer.status_code for answer in refused] == [422, 422]
    assert (theirs.status_code, deleted.status_code) == (404, 404)
