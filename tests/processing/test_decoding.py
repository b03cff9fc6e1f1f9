"""Every file of the corpus in the decoder: the right picture, or the right refusal."""

import contextlib
import time
from pathlib import Path

import numpy as np
import pytest

from services.processing.decoding import Unusable, decode
from tests.corpus import ACCEPTED, Variant, variants
from tests.corpus.table import PAGE, page

SIDE_NEEDED = 4096
ACCEPTABLE = [variant for variant in variants() if variant.expected == ACCEPTED]
REFUSED = [variant for variant in variants() if variant.expected != ACCEPTED]


def name_of(variant: Variant) -> str:
    return f"{variant.family}: {variant.name}"


def stored(variant: Variant, folder: Path) -> Path:
    source = folder / "source"
    source.write_bytes(variant.data)
    return source


@pytest.mark.parametrize("variant", ACCEPTABLE, ids=name_of)
def test_a_file_shows_its_picture_upright_in_its_colours(variant: Variant, tmp_path: Path) -> None:
    pixels = decode(stored(variant, tmp_path), side_needed=SIDE_NEEDED).pixels

    height, width = pixels.shape[:2]
    assert (width, height) == variant.size
    middles = [
        (height // 4, width // 4),
        (height // 4, width * 3 // 4),
        (height * 3 // 4, width * 3 // 4),
        (height * 3 // 4, width // 4),
    ]
    for place, colour in zip(middles, variant.shows, strict=False):
        assert np.abs(pixels[place].astype(int) - colour).max() <= variant.by, (place, colour)


@pytest.mark.parametrize("variant", [v for v in REFUSED if v.late], ids=name_of)
def test_what_no_header_tells_is_refused_while_it_is_decoded(
    variant: Variant, tmp_path: Path
) -> None:
    with pytest.raises(Unusable) as refused:
        decode(stored(variant, tmp_path), side_needed=SIDE_NEEDED)

    assert refused.value.code == variant.expected


@pytest.mark.parametrize("variant", [v for v in REFUSED if not v.late], ids=name_of)
def test_what_got_past_the_door_is_no_error_of_ours(variant: Variant, tmp_path: Path) -> None:
    with contextlib.suppress(Unusable):
        decode(stored(variant, tmp_path), side_needed=SIDE_NEEDED)


@pytest.mark.parametrize("variant", [v for v in REFUSED if "scans" in v.name], ids=name_of)
def test_a_bomb_of_scans_is_refused_before_it_goes_off(variant: Variant, tmp_path: Path) -> None:
    began = time.process_time()

    with pytest.raises(Unusable) as refused:
        decode(stored(variant, tmp_path), side_needed=SIDE_NEEDED)

    assert refused.value.code == "format-not-supported"
    assert time.process_time() - began < 1


def test_the_page_of_formats_says_what_happens() -> None:
    assert page() == PAGE.read_text(), "run `make formats` and read the difference"
