"""Files of the corpus, uploaded for real: their bytes decide, and refused ones leave nothing."""

import httpx
import pytest
import structlog

from services.kit.storage import NoSuchObject, Storage
from tests.corpus import ACCEPTED, Variant, heics, jpegs, pngs, variants, webps
from tests.uploads.conftest import Uploader

JPEG, PNG, WEBP, HEIC = jpegs.jpeg(), pngs.animated(), webps.webp(), heics.of_tiles()


def one_of_each_refusal() -> list[Variant]:
    """One file for each code, and everything that would run or tell something."""
    refused = [variant for variant in variants() if variant.expected != ACCEPTED]
    by_code = {variant.expected: variant for variant in refused if not variant.late}
    telling = {"HTML", "EPS", "SVG", "a letter", "Adobe DNG"}
    return [*by_code.values(), *(v for v in refused if v.name in telling)]


@pytest.mark.parametrize(
    ("filename", "declared", "data", "media_type"),
    [
        ("GRANDMOTHER.JPG", "", JPEG, "image/jpeg"),
        ("Großmutter 祖母 👵.jpeg", "image/jpeg", PNG, "image/png"),
        ("scan.pdf", "application/pdf", WEBP, "image/webp"),
        ("photo", "application/octet-stream", HEIC, "image/heic"),
        ("page.html", "text/html", HEIC, "image/heic"),
    ],
)
async def test_the_bytes_decide_whatever_name_and_type_say(
    uploader: Uploader, filename: str, declared: str, data: bytes, media_type: str
) -> None:
    begun = await uploader.begin(filename, len(data))
    form = begun["upload"]
    async with httpx.AsyncClient(timeout=60) as browser:
        file = ("photo", data, declared)
        sent = await browser.post(form["url"], data=form["fields"], files={"file": file})
    assert sent.is_success, sent.text

    answer = await uploader.complete(begun["photo"]["id"])

    assert answer.status_code == 202, answer.text
    assert answer.json()["media_type"] == media_type


@pytest.mark.parametrize("variant", one_of_each_refusal(), ids=lambda v: f"{v.family}: {v.name}")
async def test_a_refused_file_leaves_nothing_and_is_told_of_by_nobody(
    uploader: Uploader, storage: Storage, variant: Variant
) -> None:
    photo_id = await uploader.uploaded(variant.data, "my secret diary.jpg")

    with structlog.testing.capture_logs() as logs:
        answer = await uploader.complete(photo_id)

    assert answer.json()["type"].endswith(f"/{variant.expected}")
    assert answer.status_code in (413, 415, 422)
    with pytest.raises(NoSuchObject):
        await storage.size(uploader.original_key(photo_id))
    assert logs
    told = repr(logs)
    for private in ("diary", "alert(", "private", "grandmother", "X-Amz"):
        assert private not in told
