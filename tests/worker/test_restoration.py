import cv2
import numpy as np
import pytest
from skimage import data as sample_photos
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from deploy.local.ageing import age
from tests.worker.storage import Picture, grey
from worker.engines.cpu import damage
from worker.engines.cpu.colours import to_grey
from worker.engines.cpu.damage import find_damage
from worker.engines.cpu.faces import find_faces
from worker.engines.cpu.noise import estimate_noise, soften_grain
from worker.engines.cpu.repair import FLOW_RADIUS, fill
from worker.engines.cpu.restoration import restore
from worker.engines.cpu.tone import correct_colour, correct_monochrome
from worker.engines.cpu.toning import measure_toning

GAIN_DB_LEAST = 3.0
GAIN_SIMILARITY_LEAST = 0.05


def sepia(picture: Picture) -> Picture:
    share = grey(picture).astype(np.float32) / 255
    planes = [dye * (40 + 150 * share**gamma) for dye, gamma in ((0.7, 1.4), (0.9, 1.2), (1, 1))]
    return np.stack(planes, axis=-1).astype(np.uint8)


def likeness(truth: Picture, picture: Picture) -> tuple[float, float]:
    """Peak signal-to-noise ratio and structural similarity of the lightness."""
    one, other = grey(truth), grey(picture)
    ratio = peak_signal_noise_ratio(one, other)  # type: ignore[no-untyped-call]
    similarity = structural_similarity(one, other)  # type: ignore[no-untyped-call]
    return float(ratio), float(similarity)


@pytest.mark.parametrize("seed", [3, 6])
@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_a_restored_photo_is_nearer_to_the_truth_than_the_aged_one(name: str, seed: int) -> None:
    photo = np.ascontiguousarray(getattr(sample_photos, name)()[..., ::-1])
    truth = np.asarray(cv2.resize(photo, (360, 360), interpolation=cv2.INTER_AREA), np.uint8)
    aged = age(truth, seed)

    restored = restore(aged, seed=1)

    (before, alike_before), (after, alike_after) = likeness(truth, aged), likeness(truth, restored)
    assert after > before + GAIN_DB_LEAST
    assert alike_after > alike_before + GAIN_SIMILARITY_LEAST


def test_the_same_seed_makes_the_same_pixels_and_another_does_not(portrait: Picture) -> None:
    aged = age(portrait, 3)

    assert np.array_equal(restore(aged, seed=1), restore(aged, seed=1))
    assert not np.array_equal(restore(aged, seed=1), restore(aged, seed=2))


def test_ageing_is_reproducible_and_keeps_the_size(portrait: Picture) -> None:
    assert np.array_equal(age(portrait, 5), age(portrait, 5))
    assert not np.array_equal(age(portrait, 5), age(portrait, 6))
    assert age(portrait, 5).shape == portrait.shape


def test_cracks_down_to_the_paper_are_found_and_little_else(portrait: Picture) -> None:
    print_ = sepia(portrait)
    damaged = print_.copy()
    truth = np.zeros(print_.shape[:2], np.uint8)
    for start, end in (((10, 200), (120, 310)), ((200, 5), (310, 60))):
        cv2.line(damaged, start, end, (225, 232, 236), 3)
        cv2.line(truth, start, end, 255, 3)

    found = find_damage(damaged, measure_toning(damaged), find_faces(to_grey(damaged)))

    near = cv2.dilate(truth, np.ones((7, 7), np.uint8))
    assert (found[truth > 0] > 0).mean() > 0.9
    assert (near[found > 0] > 0).mean() > 0.8


def test_nothing_in_an_undamaged_face_is_taken_for_a_scratch(portrait: Picture) -> None:
    for print_ in (portrait, sepia(portrait), cv2.cvtColor(grey(portrait), cv2.COLOR_GRAY2BGR)):
        picture = np.asarray(print_, np.uint8)
        (face, *_) = find_faces(grey(picture))

        found = find_damage(picture, measure_toning(picture), [face])

        left, top, width, height = face.box
        assert not found[top : top + height, left : left + width].any()


def test_a_short_bright_mark_in_a_face_stays_and_one_across_it_is_found(
    portrait: Picture,
) -> None:
    print_ = sepia(portrait)
    (face, *_) = find_faces(grey(portrait))
    left, top, width, height = face.box
    marks = {"short": (0.4, 0.62), "across": (-0.3, 1.3)}
    found = {}
    for name, ends in marks.items():
        marked = print_.copy()
        start, end = ((round(left + width * x), round(top + 0.6 * height)) for x in ends)
        cv2.line(marked, start, end, (225, 232, 236), 2)
        mask = find_damage(marked, measure_toning(marked), [face])
        found[name] = (mask[top : top + height, left : left + width] > 0).mean()

    assert found["short"] == 0
    assert found["across"] > 0.02


def test_a_restored_face_is_the_same_face(portrait: Picture) -> None:
    (face, *_) = find_faces(grey(portrait))
    left, top, width, height = face.box
    area = np.s_[top : top + height, left : left + width]

    restored = restore(sepia(portrait), seed=1)

    alike = np.corrcoef(grey(portrait)[area].ravel(), grey(restored)[area].ravel())[0, 1]
    assert alike > 0.95


def test_bare_paper_at_the_edge_is_a_torn_corner_but_all_around_it_is_a_border() -> None:
    corner, border = np.zeros((2, 100, 100), np.bool_)
    corner[:12, :12] = True
    border[:] = True
    border[8:-8, 8:-8] = False
    nothing = np.zeros_like(corner)

    assert np.array_equal(damage._pieces(corner, nothing, 1.0), corner)
    assert not damage._pieces(border, nothing, 1.0).any()


def test_a_small_lonely_speck_must_be_surer_than_a_scratch() -> None:
    likely = np.zeros((60, 60), np.float32)
    likely[10:13, 10:13] = likely[30, 5:45] = (damage.SEED + damage.SPECK_SEED) / 2

    assert np.array_equal(np.argwhere(damage._sure(likely, 1.0))[:, 0], [30] * 40)


def test_much_damage_is_filled_in_time_and_not_biharmonically(portrait: Picture) -> None:
    mask = np.zeros(portrait.shape[:2], np.uint8)
    mask[::8] = 255

    filled = fill(portrait, mask, [], noise=0, seed=1)

    assert np.array_equal(filled, cv2.inpaint(portrait, mask, FLOW_RADIUS, cv2.INPAINT_NS))


def test_a_picture_that_is_all_lines_is_not_erased() -> None:
    lines = np.full((200, 200, 3), 60, np.uint8)
    lines[:, ::6] = 240

    found = find_damage(lines, measure_toning(lines), [])

    assert (found > 0).mean() < 0.01


def test_the_portraits_face_is_found_and_a_wall_has_none(portrait: Picture) -> None:
    faces = find_faces(grey(portrait))
    bricks = np.asarray(sample_photos.brick(), np.uint8)  # type: ignore[no-untyped-call]

    assert [face for face in faces if face.certain]
    assert not [face for face in find_faces(bricks) if face.certain]


def test_noise_is_measured_and_calmed_but_some_grain_is_left(portrait: Picture) -> None:
    dice = np.random.default_rng(1)
    noisy = portrait + dice.normal(0, 10, portrait.shape[:2])[..., None]
    noisy = np.clip(noisy, 0, 255).astype(np.uint8)

    nowhere = np.zeros(noisy.shape[:2], np.float32)
    calm = soften_grain(noisy, estimate_noise(noisy), nowhere)
    in_a_face = soften_grain(noisy, estimate_noise(noisy), nowhere + 1)

    assert 6 < estimate_noise(noisy) < 14
    assert 0.5 < estimate_noise(calm) < 0.5 * estimate_noise(noisy)
    assert estimate_noise(in_a_face) > 1.15 * estimate_noise(calm)


def test_a_clean_photo_is_not_smoothed(portrait: Picture) -> None:
    assert np.array_equal(
        soften_grain(portrait, 1.0, np.zeros(portrait.shape[:2], np.float32)), portrait
    )


def test_a_faded_print_gets_its_range_back_and_loses_its_cast(portrait: Picture) -> None:
    faded = sepia(portrait)

    corrected = correct_monochrome(faded)

    assert np.ptp(grey(faded)) < 170
    assert np.ptp(grey(corrected)) > 230
    cast_before = np.abs(faded[..., 2].astype(int) - faded[..., 0]).mean()
    cast_after = np.abs(corrected[..., 2].astype(int) - corrected[..., 0]).mean()
    assert cast_after < 0.4 * cast_before


def test_a_colour_cast_is_taken_off_and_the_colours_stay(portrait: Picture) -> None:
    cast = (portrait * np.array([0.6, 0.9, 1.0])).astype(np.uint8)

    corrected = correct_colour(cast)

    assert not measure_toning(corrected).monochrome
    off_before = np.abs(cast.astype(float) - portrait).mean()
    assert np.abs(corrected.astype(float) - portrait).mean() < off_before


@pytest.mark.parametrize("value", [0, 127, 255])
def test_an_empty_photo_survives(value: int) -> None:
    empty = np.full((64, 48, 3), value, np.uint8)

    assert restore(empty, seed=1).shape == empty.shape


def test_a_hole_in_a_lawn_becomes_lawn() -> None:
    lawn = np.dstack([sample_photos.grass()] * 3)  # type: ignore[no-untyped-call]
    hole = np.zeros(lawn.shape[:2], np.uint8)
    cv2.circle(hole, (300, 250), 45, 255, -1)
    damaged = np.where(hole[..., None] > 0, 255, lawn).astype(np.uint8)

    filled = fill(damaged, hole, [], noise=0, seed=1)

    inside = cv2.erode(hole, np.ones((9, 9), np.uint8)) > 0
    roughness = cv2.Laplacian(grey(lawn), cv2.CV_32F)[inside].std()
    assert cv2.Laplacian(grey(filled), cv2.CV_32F)[inside].std() > 0.6 * roughness
    assert np.array_equal(filled[hole == 0], damaged[hole == 0])


def test_between_two_things_a_hole_is_smoothed_over_and_nothing_is_invented(
    portrait: Picture,
) -> None:
    hole = np.zeros(portrait.shape[:2], np.uint8)
    cv2.circle(hole, (0, 40), 70, 255, -1)
    damaged = np.where(hole[..., None] > 0, 255, portrait).astype(np.uint8)

    filled = fill(damaged, hole, [], noise=0, seed=1)

    inside = cv2.erode(hole, np.ones((15, 15), np.uint8), borderValue=255) > 0
    assert np.abs(cv2.Laplacian(grey(filled), cv2.CV_32F)[inside]).max() < 25
