"""Between a photo and its result: light is mixed, and faces by a share of their own."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from services.processing import blending

Pixels = NDArray[np.uint8]
QUARTER, HALF_OF_WHITE = 25, 188
"""Half the light of white has the code 188 in sRGB, not 128."""


def _astronaut() -> Pixels:
    with Image.open(Path(data.__file__).parent / "astronaut.png") as image:
        return np.asarray(image.convert("RGB"))


def flat(tone: int) -> Pixels:
    return np.full((8, 8, 3), tone, np.uint8)


def test_light_is_mixed_and_not_its_code_values() -> None:
    assert (blending.blend(flat(0), flat(255), 0.5) == HALF_OF_WHITE).all()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_both_ends_are_the_pictures_themselves(share: float) -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    other = every[::-1, ::-1]

    mixed = blending.blend(every, other, share)

    assert np.abs(mixed.astype(int) - (other if share else every)).max() <= 1


def test_faces_have_a_share_of_their_own_with_a_soft_rim(tmp_path: Path) -> None:
    photo = _astronaut()
    before, after = tmp_path / "before", tmp_path / "after"
    Image.fromarray(photo).save(before, "JPEG", quality=95)
    Image.fromarray(255 - photo).save(after, "PNG")

    def off_the_photo(faces: int | None) -> NDArray[np.float64]:
        target = tmp_path / "target"
        made = blending.blend_files(before, after, target, strength=100, faces_strength=faces)
        assert made.faces == (0 if faces in (None, 100) else 1)
        with Image.open(target) as image:
            assert not image.getexif()
            off = np.abs(np.asarray(image).astype(float) - photo)
            return np.asarray(off.mean(axis=2), np.float64)

    face, corner = np.s_[100:140, 205:245], np.s_[-60:, :60]
    kept, given = off_the_photo(0), off_the_photo(None)

    assert kept[face].mean() < given[face].mean() / 4
    assert kept[corner] == pytest.approx(given[corner], abs=12)


def test_a_large_master_meets_a_smaller_result(tmp_path: Path) -> None:
    photo = _astronaut()
    before, after = tmp_path / "before", tmp_path / "after"
    Image.fromarray(cv2.resize(photo, (2048, 2048))).save(before, "JPEG")
    Image.fromarray(photo).save(after, "PNG")

    made = blending.blend_files(
        before, after, tmp_path / "target", strength=QUARTER, faces_strength=None
    )

    assert (made.width, made.height) == (512, 512)
    with Image.open(tmp_path / "target") as image:
        assert np.abs(np.asarray(image).astype(int) - photo).mean() < 6
