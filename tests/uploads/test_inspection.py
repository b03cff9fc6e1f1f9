"""What the two ends of a file tell, and what they must not."""

import random
import time
import tracemalloc
from collections.abc import Callable

import pytest

from services.kit.problems import Problem
from services.uploads import inspection
from services.uploads.errors import (
    FileDamaged,
    FormatNotSupported,
    NotAPhoto,
    PhotoTooLarge,
    TooManyPixels,
    TooSmall,
)
from services.uploads.facts import BYTES_MAX, JPEG_PIXELS_MAX, PIXELS_MAX, PhotoFacts
from tests.corpus import jpegs
from tests.corpus.boxes import coded, grid, heif
from tests.corpus.variant import noise
from tests.uploads import pictures

HEAD, TAIL = 256 * 1024, 64 * 1024
MUTATIONS = 1_500


def inspect(data: bytes, *, head: int = HEAD) -> PhotoFacts:
    return inspection.inspect(data[:head], data[-TAIL:], size=len(data))


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        ("image/jpeg", pictures.jpeg()),
        ("image/jpeg", pictures.jpeg(progressive=True)),
        ("image/jpeg", pictures.mpo()),
        ("image/jpeg", pictures.motion_photo()),
        ("image/jpeg", pictures.with_metadata(pictures.jpeg(), 100_000)),
        ("image/jpeg", pictures.jpeg() + b"\0" * 5000),
        ("image/png", pictures.png()),
        ("image/webp", pictures.webp()),
        ("image/webp", pictures.webp(lossless=True)),
        ("image/webp", pictures.webp(exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0")),
        ("image/heic", pictures.heic()),
    ],
    ids=[
        "JPEG",
        "progressive JPEG",
        "MPO",
        "motion photo",
        "JPEG with long metadata",
        "JPEG with padding",
        "PNG",
        "WebP",
        "lossless WebP",
        "extended WebP",
        "HEIC",
    ],
)
def test_a_photo_is_described(media_type: str, data: bytes) -> None:
    expected = PhotoFacts(media_type, len(data), pictures.WIDTH, pictures.HEIGHT)

    assert inspect(data) == expected


@pytest.mark.parametrize("make", [pictures.jpeg, pictures.png, pictures.webp, pictures.heic])
def test_the_middle_of_a_photo_is_not_needed(make: Callable[..., bytes]) -> None:
    photo = make(700, 500)

    found = inspection.inspect(photo[:4096], photo[-512:], size=len(photo))

    assert (found.width, found.height) == (700, 500)


def test_a_heic_says_the_size_of_the_whole_picture_and_not_of_a_tile() -> None:
    tile = coded(noise(512, 512))
    found = inspect(heif(tile, grid(6, 8, (4032, 3024), [1] * 48), primary=2))

    assert (found.width, found.height) == (4032, 3024)


@pytest.mark.parametrize("name", ["jpeg", "progressive", "png", "webp", "heic"])
@pytest.mark.parametrize("left", [0.5, 0.9, 0.999])
def test_a_photo_that_is_cut_off_is_damaged(name: str, left: float) -> None:
    makers: dict[str, bytes] = {
        "jpeg": pictures.jpeg(400, 300),
        "progressive": pictures.jpeg(400, 300, progressive=True),
        "png": pictures.png(400, 300),
        "webp": pictures.webp(400, 300),
        "heic": pictures.heic(400, 300),
    }
    photo = makers[name]

    with pytest.raises(FileDamaged):
        inspect(photo[: int(len(photo) * left)])


@pytest.mark.parametrize("length", [3, 12, 30, 200])
def test_a_photo_cut_off_in_its_header_is_refused(length: int) -> None:
    for photo in (pictures.jpeg(), pictures.png(), pictures.webp(), pictures.heic()):
        with pytest.raises((FileDamaged, NotAPhoto, FormatNotSupported)):
            inspect(photo[:length])


def test_a_header_longer_than_what_was_read_asks_for_more() -> None:
    photo = pictures.with_metadata(pictures.jpeg(), HEAD)

    with pytest.raises(inspection.HeaderIncomplete):
        inspect(photo)
    assert inspect(photo, head=8 * 2**20).width == pictures.WIDTH


@pytest.mark.parametrize(
    "data", [b"", b"Dear grandmother,", pictures.HTML, b"BM Dear grandmother", bytes(100)]
)
def test_what_is_no_picture_is_not_a_photo(data: bytes) -> None:
    with pytest.raises(NotAPhoto):
        inspect(data)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("GIF", pictures.encoded("GIF")),
        ("TIFF or camera raw", pictures.encoded("TIFF")),
        ("BMP", pictures.encoded("BMP")),
        ("AVIF", pictures.encoded("AVIF")),
        ("PDF", pictures.PDF),
        ("SVG", pictures.SVG),
        ("PostScript", pictures.EPS),
        ("video", pictures.VIDEO),
        ("video", b"RIFF\0\0\0\0AVI LIST"),
        ("JPEG 2000", pictures.encoded("JPEG2000")),
        ("moving HEIF", pictures.heic().replace(b"ftypheic", b"ftyphevc")),
    ],
)
def test_other_formats_are_named_and_told_what_to_do(name: str, data: bytes) -> None:
    with pytest.raises(FormatNotSupported) as refusal:
        inspect(data)

    assert refusal.value.facts == {"format": name}
    assert "upload that" in refusal.value.detail


def test_heic_is_hevc_whatever_the_brand_says() -> None:
    with pytest.raises(FormatNotSupported):
        inspect(pictures.heic().replace(b"hvc1\x00", b"av01\x00", 1))


@pytest.mark.parametrize(
    "data",
    [
        pictures.png_that_claims(60_000, 60_000),
        pictures.png_that_claims(10_000, 5_001),
        pictures.webp_that_claims(16_383, 16_383),
        pictures.heic_that_claims(60_000, 60_000),
        pictures.jpeg().replace(
            b"\x08" + pictures.HEIGHT.to_bytes(2, "big") + pictures.WIDTH.to_bytes(2, "big"),
            b"\x08\xea\x60\xea\x60",
        ),
    ],
    ids=["a bomb", "just over", "WebP", "HEIC", "JPEG"],
)
def test_too_many_pixels_are_refused_from_the_header(data: bytes) -> None:
    tracemalloc.start()
    began = time.perf_counter()
    with pytest.raises(TooManyPixels) as refusal:
        inspect(data)
    took, (_, memory) = time.perf_counter() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert refusal.value.facts["pixels"] > refusal.value.facts["pixels_max"]  # type: ignore[operator]
    assert took < 1
    assert memory < 10 * 2**20


def test_the_number_of_pixels_is_told_also_when_it_is_absurd() -> None:
    with pytest.raises(TooManyPixels) as refusal:
        inspect(pictures.png_that_claims(60_000, 60_000))

    assert refusal.value.facts == {"pixels": 3_600_000_000, "pixels_max": PIXELS_MAX}


def test_a_jpeg_may_have_more_pixels_than_others() -> None:
    def claims(width: int, height: int) -> bytes:
        size = pictures.HEIGHT.to_bytes(2, "big") + pictures.WIDTH.to_bytes(2, "big")
        claimed = height.to_bytes(2, "big") + width.to_bytes(2, "big")
        return pictures.jpeg().replace(b"\x08" + size, b"\x08" + claimed)

    assert inspect(claims(12_000, 10_000)).width == 12_000
    with pytest.raises(TooManyPixels) as refusal:
        inspect(claims(12_000, 10_001))
    assert refusal.value.facts["pixels_max"] == JPEG_PIXELS_MAX


@pytest.mark.parametrize(
    ("mode", "subsampling", "side", "fits"),
    [
        ("RGB", 0, 10_954, True),
        ("CMYK", 0, 10_000, True),
        ("CMYK", 0, 10_001, False),
        ("CMYK", 2, 10_954, True),
    ],
)
def test_a_progressive_jpeg_fits_into_the_memory_of_its_decoder(
    mode: str, subsampling: int, side: int, *, fits: bool
) -> None:
    photo = jpegs.that_claims(side, side, mode, progressive=True, subsampling=subsampling)

    if fits:
        assert inspect(photo).width == side
    else:
        with pytest.raises(FormatNotSupported, match="without"):
            inspect(photo)
    baseline = jpegs.that_claims(side, side, mode, progressive=False, subsampling=subsampling)
    assert inspect(baseline).width == side


@pytest.mark.parametrize("size", [(15, 64), (64, 15)])
def test_a_photo_has_sixteen_pixels_each_way(size: tuple[int, int]) -> None:
    with pytest.raises(TooSmall):
        inspect(pictures.png(*size))
    assert inspect(pictures.png(16, 16)).height == 16


def test_more_bytes_than_announced_are_refused() -> None:
    photo = pictures.jpeg()

    with pytest.raises(PhotoTooLarge):
        inspection.inspect(photo, photo, size=BYTES_MAX + 1)


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "heic", "mpo"])
def test_broken_headers_are_refused_and_never_an_error(name: str) -> None:
    photo = getattr(pictures, name)()
    header = min(len(photo), 700)
    chance = random.Random(name)
    for _ in range(MUTATIONS):
        mutant = bytearray(photo)
        for _ in range(chance.randint(1, 4)):
            mutant[chance.randrange(4, header)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        try:
            inspect(bytes(mutant))
        except (Problem, inspection.HeaderIncomplete):
            continue
