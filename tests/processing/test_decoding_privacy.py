"""What of a photo's metadata gets out: when, what and whose, and not a word more."""

from pathlib import Path

import pytest
from PIL import Image, ImageCms

from services.processing import imaging, tones
from services.processing.keeping import TEXT_LENGTH_MAX
from tests.corpus import Variant, jpegs, metadata, variants
from tests.corpus.metadata import CAPTION, COPYRIGHT, SECRET, TAKEN

METADATA = [variant for variant in variants() if variant.family == "Metadata"]
TALKING = [variant for variant in METADATA if "secret everywhere" in variant.name]


def outputs_of(data: bytes, folder: Path) -> list[Path]:
    """The master first, then whatever else was written."""
    source, master = folder / "source", folder / "made" / "master"
    master.parent.mkdir()
    source.write_bytes(data)
    imaging.prepare(source, quad=None, master=master, thumbnail=master.parent / "thumbnail")
    return [master, *(path for path in master.parent.iterdir() if path != master)]


def exif_of(master: Path) -> Image.Exif:
    with Image.open(master) as image:
        return image.getexif()


def secrets_in(data: bytes) -> bool:
    return any(SECRET.encode(code) in data for code in ("ascii", "utf-16-le", "utf-16-be"))


@pytest.mark.parametrize("variant", TALKING, ids=lambda variant: variant.name)
def test_a_photo_with_a_secret_in_every_place_has_one(variant: Variant) -> None:
    assert variant.data.count(SECRET.encode()) > 5
    assert b"canary-thumbnail" in variant.data


@pytest.mark.parametrize("variant", METADATA, ids=lambda variant: variant.name)
def test_no_secret_gets_out(variant: Variant, tmp_path: Path) -> None:
    outputs = outputs_of(variant.data, tmp_path)

    assert len(outputs) > 1
    for path in outputs:
        assert not secrets_in(path.read_bytes()), path.name


@pytest.mark.parametrize("variant", TALKING, ids=lambda variant: variant.name)
def test_date_caption_and_copyright_are_kept_and_nothing_else(
    variant: Variant, tmp_path: Path
) -> None:
    kept = exif_of(outputs_of(variant.data, tmp_path)[0])

    assert kept[0x010E] == CAPTION
    assert kept[0x8298] == COPYRIGHT
    assert kept.get_ifd(0x8769) == {0x9003: TAKEN}
    assert kept[0x000B] == "Rekindle"
    assert set(kept) == {0x000B, 0x010E, 0x8298, 0x8769}
    assert not kept.get_ifd(0x8825)


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("a caption of IPTC", CAPTION),
        ("a caption of XMP", "Grandmother & I"),
        ("a caption of PNG", CAPTION),
    ],
)
def test_captions_of_other_places_are_kept(name: str, caption: str, tmp_path: Path) -> None:
    (variant,) = [variant for variant in METADATA if variant.name == name]

    assert exif_of(outputs_of(variant.data, tmp_path)[0])[0x010E] == caption


def test_a_caption_keeps_its_letters_whatever_the_language(tmp_path: Path) -> None:
    said = "Großmutter in Łódź, 祖母"
    photo = jpegs.jpeg(exif=metadata.exif(caption=said.encode()))

    master = outputs_of(photo, tmp_path)[0]

    assert said.encode() in master.read_bytes()


def test_a_caption_is_bounded_and_printable(tmp_path: Path) -> None:
    photo = jpegs.jpeg(exif=metadata.exif(caption="\x07\x1b[2J" + "long " * 2000))

    caption = exif_of(outputs_of(photo, tmp_path)[0])[0x010E]

    assert caption.startswith("[2Jlong long")
    assert len(caption) <= TEXT_LENGTH_MAX


def test_a_master_says_that_it_is_srgb(tmp_path: Path) -> None:
    master = outputs_of(jpegs.jpeg(), tmp_path)[0]

    with Image.open(master) as image:
        assert image.info["icc_profile"] == tones.srgb_profile()
    described = ImageCms.getProfileDescription(ImageCms.getOpenProfile(_saved_profile(tmp_path)))
    assert described.startswith("sRGB")


def _saved_profile(folder: Path) -> str:
    path = folder / "profile.icc"
    path.write_bytes(tones.srgb_profile())
    return str(path)
