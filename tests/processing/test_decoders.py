"""The decoders in use are as new as they must be, and an old one is noticed."""

import json
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sdk.rekindle import doctor
from services.processing import decoders, tasks

WALLS = {"limits": True, "files": True}


def versions(**others: str | None) -> dict[str, str | None]:
    return {one.name: one.at_least for one in decoders.judged({})} | others


def told(**others: str | None) -> dict[str, Any]:
    return dict(json.loads(decoders._as_json(decoders.judged(versions(**others)), WALLS)))


def test_every_decoder_that_is_installed_is_safe() -> None:
    found = decoders.judged(tasks.look().versions)

    assert [decoder for decoder in found if not decoder.is_safe] == []
    assert {decoder.name for decoder in found} == set(tasks.look().versions)


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        *(("1.3.1", False), ("0.9.9", False), ("1.3.2", True), ("1.10", True), ("2.0", True)),
        *(("1.3.2.dev1", True), ("1.3", False), ("", False), (None, False), ("?", False)),
    ],
)
def test_a_version_is_compared_by_its_numbers(version: str | None, safe: bool) -> None:  # noqa: FBT001
    webp = {one.name: one for one in decoders.judged(versions(libwebp=version))}["libwebp"]

    assert webp.at_least == "1.3.2"
    assert webp.is_safe == safe


def test_an_advisory_says_what_and_where() -> None:
    known = tomllib.loads(decoders.ADVISORIES.read_text())

    assert isinstance(known.pop("looked_up"), date)
    for name, one in known.items():
        assert one["ids"], name
        assert one["why"], name
        assert one["source"], name


def test_the_role_shows_decoders_and_walls() -> None:
    asked = [sys.executable, "-m", "services.processing", "decoders", "--json"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=True)

    seen = json.loads(answer.stdout)
    assert {one["name"] for one in seen["decoders"]} == set(versions())
    assert all(one["safe"] for one in seen["decoders"])
    assert set(seen["walls"].values()) == {True}


def test_the_doctor_is_content_with_new_decoders() -> None:
    assert "libwebp 1.3.2" in doctor._judged(told())
    assert "all walls stand" in doctor._judged(told())


def test_the_doctor_tells_of_an_old_decoder() -> None:
    with pytest.raises(
        doctor.Broken, match=r"libwebp 1\.3\.1 instead of 1\.3\.2 \(CVE-2023-4863\)"
    ):
        doctor._judged(told(libwebp="1.3.1"))


def test_the_doctor_tells_of_a_missing_wall() -> None:
    seen = told() | {"walls": {"limits": True, "files": False}}

    assert "walls missing here: files" in doctor._judged(seen)


def test_the_runbook_that_the_doctor_names_exists() -> None:
    parts = doctor._local_parts({"environments": {"gateway": {"DATABASE_URL": ""}}})
    mend = next(part.mend for part in parts if part.name == "decoders")

    assert Path(mend.removeprefix("See ").removesuffix(".")).exists()
