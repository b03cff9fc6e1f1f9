"""Where prints lie in snapshots: a seeded slice of what `make bench only=outline` measures."""

from statistics import mean

import numpy as np
import pytest

from bench import snapshots
from bench.outline import GOOD, matched, overlap
from services.processing import geometry
from services.processing.outlines import WHOLE, Outline, find_outline, find_prints

SINGLES = range(5000, 5040)
PAGES = range(5000, 5006)
BUSY_PAGES = (10_005, 10_011, 10_016)
SIDE_BY_SIDE, ONE_AT_FIRST = 10_035, 20_001
SCANS = range(5000, 5006)


@pytest.fixture(name="singles", scope="module")
def _singles() -> list[tuple[snapshots.Snapshot, Outline]]:
    shown = [snapshots.snapshot(seed) for seed in SINGLES]
    return [(snapshot, find_outline(snapshot.pixels)) for snapshot in shown]


def fits(outline: Outline, snapshot: snapshots.Snapshot) -> float:
    return overlap(np.array(outline.quad), snapshot.quads[0])


def test_the_corners_of_most_prints_are_found(
    singles: list[tuple[snapshots.Snapshot, Outline]],
) -> None:
    ious = [fits(outline, snapshot) for snapshot, outline in singles]

    assert mean(ious) >= 0.93
    assert mean(iou >= GOOD for iou in ious) >= 0.85


def test_no_proposal_is_worse_than_the_whole_frame(
    singles: list[tuple[snapshots.Snapshot, Outline]],
) -> None:
    whole = Outline(WHOLE, 0.0)

    assert not [
        snapshot.traits
        for snapshot, outline in singles
        if fits(outline, snapshot) < fits(whole, snapshot)
    ]


def test_who_is_sure_is_right(singles: list[tuple[snapshots.Snapshot, Outline]]) -> None:
    sure = [fits(outline, snapshot) for snapshot, outline in singles if outline.confidence >= 0.9]

    assert len(sure) >= 20
    assert mean(iou >= GOOD for iou in sure) >= 0.9


def test_a_proposal_goes_round_the_print_from_the_upper_left(
    singles: list[tuple[snapshots.Snapshot, Outline]],
) -> None:
    for snapshot, outline in singles:
        height, width = snapshot.pixels.shape[:2]
        corners = geometry.corners_in_pixels(outline.quad, width, height)

        assert int(np.argmin(corners.sum(axis=1))) == 0
        assert all(0 <= part <= 1 for corner in outline.quad for part in corner)


def test_a_picture_that_fills_its_frame_is_left_whole() -> None:
    kept = [find_outline(snapshots.without_print(seed).pixels).quad == WHOLE for seed in SCANS]

    assert mean(kept) >= 0.8


def test_the_prints_of_a_page_are_found_in_reading_order() -> None:
    pages = [snapshots.album_page(seed) for seed in PAGES]
    results = [matched(find_prints(page.pixels), page.quads) for page in pages]

    prints = sum(len(page.quads) for page in pages)
    assert sum(found for found, _, _ in results) >= 0.8 * prints
    assert sum(wrong for _, wrong, _ in results) <= 0.05 * prints
    assert all(in_order for _, _, in_order in results)


def test_prints_that_merge_with_a_busy_table_are_found_beside_the_others() -> None:
    pages = [snapshots.album_page(seed) for seed in BUSY_PAGES]
    results = [matched(find_prints(page.pixels), page.quads) for page in pages]

    # A single look finds 17 of these 23.
    assert sum(found for found, _, _ in results) >= 20
    assert not sum(wrong for _, wrong, _ in results)


def test_prints_side_by_side_are_not_one() -> None:
    page = snapshots.album_page(SIDE_BY_SIDE)
    outlines = find_prints(page.pixels)

    covered = [
        sum(
            geometry.common_area(np.array(o.quad), quad) > geometry.area(quad) / 2 for o in outlines
        )
        for quad in page.quads
    ]

    assert len(outlines) == len(page.quads)
    assert covered == [1] * len(page.quads)


def test_a_page_of_which_the_first_look_shows_one_print_is_looked_at_again() -> None:
    page = snapshots.album_page(ONE_AT_FIRST)

    assert matched(find_prints(page.pixels), page.quads) == (len(page.quads), 0, True)


def test_one_print_is_not_several() -> None:
    assert not [seed for seed in SINGLES[:6] if find_prints(snapshots.snapshot(seed).pixels)]


def test_the_same_picture_has_the_same_answer_at_any_size() -> None:
    snapshot = snapshots.snapshot(SINGLES[0])
    twice = np.ascontiguousarray(snapshot.pixels.repeat(2, axis=0).repeat(2, axis=1))

    once, again = find_outline(snapshot.pixels), find_outline(twice)

    assert find_outline(snapshot.pixels) == once
    assert overlap(np.array(once.quad), np.array(again.quad)) > 0.98


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (16, 16), (63, 900), (20, 4000), (4000, 64), (70, 70), (64, 256)]
)
@pytest.mark.parametrize("filling", ["one colour", "noise", "chequered"])
def test_strange_pictures_are_left_whole(height: int, width: int, filling: str) -> None:
    rows, columns = np.indices((height, width))
    pixels = {
        "one colour": np.full((height, width, 3), 200, np.uint8),
        "noise": np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8),
        "chequered": np.repeat(((rows // 8 + columns // 8) % 2 * 255)[..., None], 3, axis=2).astype(
            np.uint8
        ),
    }[filling]

    outline = find_outline(pixels)

    assert outline.quad == WHOLE
    assert outline.confidence <= 0.6
    assert find_prints(pixels) == []
