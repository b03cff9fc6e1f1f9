"""What becomes of a photo: the right way up, the right tones, and nothing private left."""

import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFilter
from skimage import data

from deploy.local.ageing import age
from services.processing import imaging, tones
from services.processing.decoding import Unusable
from tests.corpus.jpegs import UNTURN
from tests.processing import pictures
from tests.processing.pictures import BLUE, GREEN, GREY, RED, Pixels, at

CLOSE = 6
WHOLE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
INNER = [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)]
"""Nobody looks for corners here; what comes of that, test_proposing.py says."""


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    return tmp_path


def master_of(
    source: Path, quad: list[tuple[float, float]] | None = WHOLE, *, enhanced: bool = True
) -> tuple[Pixels, Image.Image]:
    master, thumbnail = source.parent / "master", source.parent / "thumbnail"
    made = imaging.prepare(source, quad=quad, master=master, thumbnail=thumbnail, enhanced=enhanced)
    with Image.open(master) as image:
        image.load()
        assert image.format == "JPEG"
        assert image.mode == "RGB"
        assert image.size == (made.width, made.height)
        return np.asarray(image), image


def is_close(seen: tuple[int, int, int], wanted: tuple[int, int, int], by: int = CLOSE) -> bool:
    return max(abs(a - b) for a, b in zip(seen, wanted, strict=True)) <= by


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_stands_upright_however_the_camera_was_held(orientation: int, folder: Path) -> None:
    turn = UNTURN.get(orientation)
    stored = pictures.corners().transpose(turn) if turn is not None else pictures.corners()
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = pictures.saved(folder / "a", stored, "JPEG", quality=95, subsampling=0, exif=exif)

    pixels, _ = master_of(source)

    assert pixels.shape == (240, 320, 3)
    quarters = {(0.25, 0.25): RED, (0.75, 0.25): GREEN, (0.75, 0.75): BLUE, (0.25, 0.75): GREY}
    for place, colour in quarters.items():
        assert is_close(at(pixels, *place), colour), (orientation, place)


def test_sixteen_bit_grey_keeps_its_tones(folder: Path) -> None:
    ramp = np.linspace(16 * 257, 232 * 257, 256).astype(np.uint16)
    source = pictures.deep_grey_png(folder / "a", np.tile(ramp, (64, 1)))

    pixels, _ = master_of(source)

    assert is_close(at(pixels, 0.01, 0.5), (18, 18, 18))
    assert is_close(at(pixels, 0.5, 0.5), (124, 124, 124))
    assert is_close(at(pixels, 0.99, 0.5), (230, 230, 230))


@pytest.mark.parametrize("mode", ["CMYK", "P", "L", "1", "YCbCr"])
def test_every_mode_shows_the_same_picture(mode: str, folder: Path) -> None:
    kind = {"CMYK": "JPEG", "YCbCr": "JPEG"}.get(mode, "PNG")
    picture = pictures.corners()
    picture.paste((0, 0, 0), (0, 0, 20, 20))
    picture.paste((255, 255, 255), (300, 0, 320, 20))
    given = picture.convert(mode)
    wanted = np.asarray(given.convert("RGB"))

    pixels, _ = master_of(pictures.saved(folder / "a", given, kind))

    assert np.abs(pixels.astype(int) - wanted).mean() < 4


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_lies_on_white_paper(mode: str, folder: Path) -> None:
    picture = pictures.corners().convert("RGBA")
    alpha = Image.new("L", picture.size, 255)
    alpha.paste(0, (0, 0, 160, 120))
    picture.putalpha(alpha)
    given = picture.quantize() if mode == "P" else picture.convert(mode)

    pixels, _ = master_of(pictures.saved(folder / "a", given))

    assert is_close(at(pixels, 0.2, 0.2), (255, 255, 255))
    assert not is_close(at(pixels, 0.8, 0.8), (255, 255, 255))


def test_colours_of_another_profile_come_out_as_srgb(folder: Path) -> None:
    lab = Image.new("LAB", (64, 64), (150, 200, 128))
    to_srgb = ImageCms.createProfile("sRGB")
    wanted = ImageCms.profileToProfile(
        lab, ImageCms.createProfile("LAB"), to_srgb, outputMode="RGB"
    )
    assert wanted is not None
    lab.info["icc_profile"] = pictures.lab_profile()

    assert tones.to_srgb(lab).getpixel((5, 5)) == wanted.getpixel((5, 5))


@pytest.mark.parametrize("profile", [b"nonsense", b"\0" * 500])
def test_a_broken_profile_is_no_reason_to_refuse_a_photo(profile: bytes, folder: Path) -> None:
    source = pictures.saved(folder / "a", pictures.corners(), "PNG", icc_profile=profile)

    pixels, _ = master_of(source)

    assert is_close(at(pixels, 0.25, 0.25), RED)


@pytest.mark.parametrize("kind", ["HEIF", "WEBP", "PNG", "MPO"])
def test_every_accepted_format_is_read(kind: str, folder: Path) -> None:
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    options |= {"quality": 95} if kind in ("HEIF", "MPO") else {}

    pixels, _ = master_of(pictures.saved(folder / "a", pictures.corners(), kind, **options))

    assert is_close(at(pixels, 0.25, 0.25), RED, by=12)
    assert is_close(at(pixels, 0.75, 0.75), BLUE, by=12)


def test_a_heic_that_was_turned_is_turned_once(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    source = pictures.saved(
        folder / "a", pictures.corners(), "HEIF", quality=95, exif=exif.tobytes()
    )
    assert b"irot" in source.read_bytes()

    pixels, _ = master_of(source)

    assert pixels.shape == (320, 240, 3)
    assert is_close(at(pixels, 0.75, 0.25), RED, by=12)


def test_a_master_says_when_and_what_but_not_where(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x8298], exif[0x010F] = "Grandmother, 1931", "Keller", "CameraMaker"
    exif.get_ifd(0x8769)[0x9003] = "1931:05:01 12:00:00"
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0secret comment"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (48.0, 8.0, 1.0)
    source = pictures.saved(
        folder / "a", pictures.corners(), "JPEG", exif=exif, comment=b"secret too"
    )

    _, image = master_of(source)

    kept = image.getexif()
    assert kept[0x010E] == "Grandmother, 1931"
    assert kept[0x8298] == "Keller"
    assert kept.get_ifd(0x8769) == {0x9003: "1931:05:01 12:00:00"}
    assert not kept.get_ifd(0x8825)
    written = (folder / "master").read_bytes()
    assert not any(word in written for word in (b"secret", b"CameraMaker"))
    assert ImageCms.getProfileDescription(
        ImageCms.ImageCmsProfile(BytesIO(image.info["icc_profile"]))
    ).startswith("sRGB")


def test_junk_in_metadata_is_no_reason_to_refuse_a_photo(folder: Path) -> None:
    source = pictures.saved(folder / "a", pictures.corners(), "JPEG", exif=b"Exif\0\0MM\0*junk")

    pixels, _ = master_of(source)

    assert pixels.shape == (240, 320, 3)


def test_a_print_seen_from_the_side_becomes_flat_and_keeps_its_true_shape(folder: Path) -> None:
    seen, quad = pictures.seen_from_the_side(pictures.corners(600, 400))

    pixels, _ = master_of(pictures.saved(folder / "a", seen), quad)

    height, width = pixels.shape[:2]
    assert width / height == pytest.approx(1.5, rel=0.01)
    assert is_close(at(pixels, 0.02, 0.02), RED)
    assert is_close(at(pixels, 0.98, 0.02), GREEN)
    assert is_close(at(pixels, 0.98, 0.98), BLUE)
    assert is_close(at(pixels, 0.02, 0.98), GREY)


def test_corners_that_cut_a_rectangle_out_keep_every_pixel(folder: Path) -> None:
    picture = pictures.textured(400, 300)
    quad = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]

    pixels, _ = master_of(pictures.saved(folder / "a", picture), quad)

    wanted = np.asarray(picture)[75:225, 100:300]
    assert pixels.shape == wanted.shape
    assert np.abs(pixels.astype(int) - wanted).mean() < 2


@pytest.mark.parametrize(
    "quad",
    [
        [(0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9)],
        [(0.1, 0.1), (0.1, 0.9), (0.9, 0.9), (0.9, 0.1)],
        [(0.5, 0.5), (0.51, 0.5), (0.51, 0.51), (0.5, 0.51)],
        [(0.5, 0.5)] * 4,
    ],
    ids=["crossed", "counter-clockwise", "tiny", "a point"],
)
def test_corners_that_enclose_no_print_are_refused(
    quad: list[tuple[float, float]], folder: Path
) -> None:
    with pytest.raises(Unusable) as refused:
        master_of(pictures.saved(folder / "a", pictures.corners()), quad)

    assert refused.value.code == "corners-unusable"


@pytest.mark.parametrize(
    ("told", "quad", "stands"),
    [
        pytest.param(None, None, True, id="nobody told"),
        pytest.param(1, None, False, id="the camera told"),
        pytest.param(None, [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)], False, id="the owner"),
    ],
)
def test_people_are_put_on_their_feet_if_nobody_told_which_way_is_up(
    told: int | None, quad: list[tuple[float, float]] | None, *, stands: bool, folder: Path
) -> None:
    upright = Image.open(Path(data.__file__).parent / "astronaut.png").convert("RGB")
    exif = Image.Exif()
    if told:
        exif[0x0112] = told
    turned = upright.transpose(Image.Transpose.ROTATE_180)

    pixels, _ = master_of(pictures.saved(folder / "a", turned, "JPEG", exif=exif), quad)

    wanted = np.asarray(upright if stands else turned)
    assert np.abs(pixels.astype(int) - wanted).mean() < 5


def test_a_large_photo_shrinks_to_the_limit_and_a_small_one_never_grows(folder: Path) -> None:
    large, _ = master_of(pictures.saved(folder / "a", pictures.textured(8400, 400), "JPEG"))
    small, _ = master_of(pictures.saved(folder / "b", pictures.textured(100, 80), "JPEG"))

    assert large.shape == (195, 4096, 3)
    assert small.shape == (80, 100, 3)


def test_the_thumbnail_is_small_and_carries_nothing(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "Grandmother"
    master_of(pictures.saved(folder / "a", pictures.textured(800, 600), "JPEG", exif=exif))

    with Image.open(folder / "thumbnail") as thumbnail:
        assert thumbnail.format == "WEBP"
        assert thumbnail.size == (320, 240)
        assert not thumbnail.getexif()


def test_a_master_is_enhanced_unless_it_is_asked_not_to_be(folder: Path) -> None:
    aged = age(np.asarray(pictures.textured(400, 300)), 1, steps=("faded",))
    faded = pictures.saved(folder / "a", Image.fromarray(aged[..., ::-1]))

    pixels, _ = master_of(faded)
    plain, _ = master_of(faded, enhanced=False)

    assert np.abs(plain.astype(int) - aged[..., ::-1]).mean() < 2
    assert float(pixels.std()) > 1.1 * float(plain.std())


def test_what_was_enhanced_is_not_enhanced_once_more(folder: Path) -> None:
    """A page's parts, and a photo that is cut again, are made of a master."""
    aged = age(np.asarray(pictures.textured(400, 300)), 1, steps=("faded",))
    caption = Image.Exif()
    caption[0x010E] = "Großmutter"
    faded = Image.fromarray(aged[..., ::-1])
    master_of(pictures.saved(folder / "a", faded, "JPEG", quality=95, exif=caption))
    page = (folder / "master").rename(folder / "page")
    with Image.open(page) as image:
        softened, exif = image.filter(ImageFilter.BoxBlur(2)), image.getexif()
    softened.save(page, "JPEG", quality=95, exif=exif)  # it asks for sharpening

    again, _ = master_of(page)
    plain, _ = master_of(page, enhanced=False)

    assert np.array_equal(again, plain)
    part = folder / "part"
    imaging.prepare(page, quad=INNER, master=part, thumbnail=folder / "t", frame=folder / "whole")
    for made in (part, folder / "whole"):
        with Image.open(made) as image:
            assert image.getexif()[0x000B] == "Rekindle"


def test_the_frame_of_a_photo_is_as_it_was(folder: Path) -> None:
    source = pictures.saved(folder / "a", pictures.textured(400, 300))

    imaging.prepare(
        source, quad=INNER, master=folder / "m", thumbnail=folder / "t", frame=folder / "whole"
    )

    with Image.open(folder / "whole") as whole, Image.open(folder / "m") as master:
        assert 0x000B not in whole.getexif()
        assert master.getexif()[0x000B] == "Rekindle"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_a_truncated_file_is_damaged(kind: str, folder: Path) -> None:
    source = pictures.saved(folder / "a", pictures.textured(300, 300), kind)
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])

    with pytest.raises(Unusable) as refused:
        master_of(source)

    assert refused.value.code in ("file-damaged", "not-a-photo")


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"GIF89a" + b"\0" * 50, b"\xff\xd8"])
def test_what_is_no_photo_is_refused(content: bytes, folder: Path) -> None:
    source = folder / "a"
    source.write_bytes(content)

    with pytest.raises(Unusable) as refused:
        master_of(source)

    assert refused.value.code in ("not-a-photo", "file-damaged")


def test_too_many_pixels_are_refused_from_the_header(folder: Path) -> None:
    source = pictures.deep_grey_png(folder / "a", np.zeros((2, 2), np.uint16))
    content = bytearray(source.read_bytes())
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    source.write_bytes(content)

    with pytest.raises(Unusable) as refused:
        master_of(source)

    assert refused.value.code == "too-many-pixels"
