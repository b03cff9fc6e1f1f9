"""A result is shown only if it is the file that was reported, whole, of the right size."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from services.processing import checking
from services.processing.checking import Refused
from tests.processing import pictures


def check(path: Path, **expected: Any) -> checking.Result:
    """Check a result of a photo like those of `result`."""
    master = pictures.saved(path.with_name("master"), pictures.textured(1200, 900), "JPEG")
    facts: dict[str, Any] = {
        "master": master,
        "colours_are_new": False,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "master_width": 1200,
        "master_height": 900,
        "short_side_max": 480,
    }
    return checking.check(path, **facts | expected)


def result(folder: Path, width: int = 640, height: int = 480) -> Path:
    return pictures.saved(folder / "result", pictures.textured(width, height))


def test_a_good_result_passes_with_its_facts(tmp_path: Path) -> None:
    path = result(tmp_path)

    passed = check(path)

    assert (passed.width, passed.height, passed.bytes) == (640, 480, path.stat().st_size)
    assert check(path, sha256=None).sha256 == passed.sha256


@pytest.mark.parametrize(("width", "height"), [(644, 476), (624, 464)])
def test_a_model_may_round_the_size_down_a_little(width: int, height: int, tmp_path: Path) -> None:
    assert check(result(tmp_path, width, height)).width == width


@pytest.mark.parametrize(
    ("width", "height"), [(642, 482), (480, 480), (500, 480), (480, 640), (400, 300), (1200, 900)]
)
def test_another_size_or_shape_is_refused(width: int, height: int, tmp_path: Path) -> None:
    with pytest.raises(Refused):
        check(result(tmp_path, width, height))


def test_a_small_photo_is_never_enlarged(tmp_path: Path) -> None:
    small = {"master_width": 320, "master_height": 240}

    assert check(result(tmp_path, 320, 240), **small).width == 320
    with pytest.raises(Refused):
        check(result(tmp_path, 640, 480), **small)


def test_another_file_than_the_reported_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not the one"):
        check(result(tmp_path), sha256="0" * 64)


@pytest.mark.parametrize("tone", [0, 127, 255])
def test_a_blank_result_is_refused(tone: int, tmp_path: Path) -> None:
    path = pictures.saved(tmp_path / "result", Image.new("RGB", (640, 480), (tone, tone, tone)))

    with pytest.raises(Refused, match="not true to the photo: blank"):
        check(path)


def test_a_result_of_another_photo_is_refused(tmp_path: Path) -> None:
    path = pictures.saved(tmp_path / "result", pictures.textured(640, 480, seed=2))

    with pytest.raises(Refused, match="structure"):
        check(path)


def test_what_is_no_whole_png_is_refused(tmp_path: Path) -> None:
    path = result(tmp_path)
    whole = path.read_bytes()
    jpeg = pictures.saved(tmp_path / "jpeg", pictures.textured(640, 480), "JPEG").read_bytes()

    for content in (b"", b"<html>", jpeg, whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(Refused, match="decode"):
            check(path)
