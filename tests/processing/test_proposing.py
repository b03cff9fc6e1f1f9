"""What we cut without being asked, what we leave whole, and that the whole is never lost."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from services.processing import imaging, proposing
from services.processing.proposing import UNSURE, Print, Proposal
from tests.processing import pictures

ALMOST_WHOLE = [(0.005, 0.0), (1.0, 0.008), (0.995, 1.0), (0.0, 0.999)]
INNER = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)]


def prepared(
    source: Path, quad: list[tuple[float, float]] | None = None, *, frame: bool = True
) -> tuple[imaging.Prepared, Path]:
    names = ("master", "preview", "thumbnail", *(("frame",) if frame else ()))
    places: Any = {name: source.parent / name for name in names}
    return imaging.prepare(source, quad=quad, **places), source.parent


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path, formats=["JPEG", "WEBP"]) as image:
        return image.size


def test_a_print_on_a_table_is_cut_out_and_the_whole_picture_is_kept(tmp_path: Path) -> None:
    seen, quad = pictures.seen_from_the_side(pictures.textured(600, 400))

    made, folder = prepared(pictures.saved(tmp_path / "a", seen, "JPEG", quality=95))

    assert made.outline
    assert made.outline.applied
    assert made.quad == made.outline.quad
    assert np.abs(np.array(made.quad) - quad).max() < 0.02
    assert made.width / made.height == pytest.approx(1.5, rel=0.05)
    assert size_of(folder / "frame") == seen.size


def test_a_scan_is_left_whole_and_no_second_one_is_kept(tmp_path: Path) -> None:
    made, folder = prepared(pictures.saved(tmp_path / "a", pictures.textured(800, 600), "JPEG"))

    assert (made.width, made.height, made.quad) == (800, 600, None)
    assert made.outline
    assert not made.outline.applied
    assert not (folder / "frame").exists()


def test_whoever_gives_corners_is_not_corrected(tmp_path: Path) -> None:
    seen, _ = pictures.seen_from_the_side(pictures.textured(600, 400))
    source = pictures.saved(tmp_path / "a", seen, "JPEG")

    cut, _ = prepared(source, INNER)
    whole, folder = prepared(source, UNSURE.quad, frame=False)

    assert (cut.quad, cut.outline) == (INNER, None)
    assert (whole.quad, whole.outline, (whole.width, whole.height)) == (None, None, seen.size)
    assert size_of(folder / "master") == seen.size


@pytest.mark.parametrize(
    ("proposal", "is_certain"),
    [
        (Proposal(INNER, proposing.CONFIDENT), True),
        (Proposal(INNER, proposing.CONFIDENT - 0.01), False),
        (Proposal(ALMOST_WHOLE, 1.0), False),
        (Proposal([(0.1, 0.1), (1.0, 0.1), (0.9, 0.9), (0.1, 0.9)], 1.0), False),
        (Proposal(INNER, 1.0, [Print(INNER, 1.0), Print(INNER, 1.0)]), False),
    ],
    ids=["sure", "not quite sure", "of the whole picture", "beyond its edge", "of several prints"],
)
def test_only_one_print_of_sure_corners_is_cut_out(proposal: Proposal, *, is_certain: bool) -> None:
    assert proposal.is_certain is is_certain


def test_corners_never_lie_outside_the_picture() -> None:
    told = proposing._told([(-0.001, 0.0), (1.0000001, 0.0), (1.0, 1.2), (0.123456789, 1.0)])

    assert told == [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.12346, 1.0)]


def test_a_small_print_gets_the_pixels_that_the_file_has_for_it(tmp_path: Path) -> None:
    """A large JPEG is decoded small at first; the print in it is not."""
    seen, _ = pictures.seen_from_the_side(pictures.textured(600, 400))
    large = seen.resize((9600, 7200), Image.Resampling.BICUBIC)
    source = pictures.saved(tmp_path / "a", large, "JPEG", quality=90)

    made, folder = prepared(source)

    assert made.quad
    across = (made.quad[1][0] - made.quad[0][0]) * large.width
    assert made.width >= min(4096, across) * 0.98
    assert max(size_of(folder / "frame")) == 4096


def test_thumbnails_have_both_sizes_and_small_photos_stay_small(tmp_path: Path) -> None:
    source = pictures.saved(tmp_path / "a", pictures.textured(1600, 1200), "JPEG")
    prepared(source, UNSURE.quad)
    assert size_of(tmp_path / "preview") == (1024, 768)
    assert size_of(tmp_path / "thumbnail") == (320, 240)

    prepared(pictures.saved(tmp_path / "b", pictures.textured(200, 100), "JPEG"), UNSURE.quad)
    assert size_of(tmp_path / "preview") == size_of(tmp_path / "thumbnail") == (200, 100)
