from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.worker.storage import Picture
from worker import pictures
from worker.failures import AttemptError


def encoded(image: Image.Image, image_format: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_our_formats_are_decoded(image_format: str) -> None:
    picture = pictures.decode(
        encoded(Image.new("RGB", (40, 30), "red"), image_format), short_side_max=480
    )

    assert picture.shape == (30, 40, 3)
    blue, green, red = picture[15, 20]
    assert red > 240
    assert max(blue, green) < 15


@pytest.mark.parametrize("size", [(2000, 1000), (1000, 2000)])
def test_the_shorter_side_is_bounded_whichever_it_is(size: tuple[int, int]) -> None:
    picture = pictures.decode(encoded(Image.new("RGB", size), "JPEG"), short_side_max=480)

    assert min(picture.shape[:2]) == 480
    assert max(picture.shape[:2]) == 960


def test_a_small_photo_is_not_enlarged() -> None:
    picture = pictures.decode(encoded(Image.new("RGB", (100, 50))), short_side_max=720)

    assert picture.shape == (50, 100, 3)


def test_a_panorama_is_bounded_by_its_longer_side() -> None:
    picture = pictures.decode(encoded(Image.new("L", (9_000, 300))), short_side_max=720)

    assert picture.shape[1] == pictures.LONG_SIDE_MAX


def test_a_photo_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6

    picture = pictures.decode(
        encoded(Image.new("RGB", (60, 40)), "JPEG", exif=exif), short_side_max=480
    )

    assert picture.shape == (60, 40, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_three_bytes_a_pixel(mode: str) -> None:
    image_format = "JPEG" if mode == "CMYK" else "PNG"

    picture = pictures.decode(encoded(Image.new(mode, (40, 30)), image_format), short_side_max=480)

    assert picture.shape == (30, 40, 3)
    assert picture.dtype == np.uint8


def test_sixteen_bits_keep_their_tones() -> None:
    values = np.linspace(0, 65_535, 1200).reshape(30, 40).astype(np.uint16)

    picture = pictures.decode(encoded(Image.fromarray(values)), short_side_max=480)

    assert picture[0, 0, 0] == 0
    assert picture[-1, -1, 0] == 255
    assert abs(int(picture[15, 0, 0]) - 128) < 4


def test_what_is_transparent_becomes_paper() -> None:
    picture = pictures.decode(
        encoded(Image.new("RGBA", (40, 30), (0, 0, 0, 0))), short_side_max=480
    )

    assert picture.min() == 255


def test_too_many_pixels_are_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "PIXELS_MAX", 1_000)

    with pytest.raises(AttemptError) as refused:
        pictures.decode(encoded(Image.new("L", (40, 30))), short_side_max=480)

    assert refused.value.failure_class == "input"


@pytest.mark.parametrize("size", [(15, 400), (400, 15)])
def test_a_sliver_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(AttemptError):
        pictures.decode(encoded(Image.new("L", size)), short_side_max=480)


def test_a_blank_photo_may_stay_blank(portrait: Picture) -> None:
    white = np.full_like(portrait, 255)

    pictures.check_result(white, white)
    with pytest.raises(AttemptError):
        pictures.check_result(portrait, white)
