from itertools import pairwise
from threading import Event

import cv2
import numpy as np
import pytest

from tests.worker.storage import Picture, grey
from worker.clips import SECONDS_MAX, Clip, check_clip, encode_clip
from worker.engines.cpu.faces import find_faces
from worker.engines.cpu.motion import PIXELS_MAX, animate
from worker.stages import Stages, StoppedError


@pytest.fixture(scope="module")
def clip(portrait: Picture) -> Clip:
    return animate(portrait, Stages(lambda _: None, Event()))


def test_the_clip_begins_with_the_photo_and_comes_nearer(portrait: Picture, clip: Clip) -> None:
    first, last = clip.frames[0], clip.frames[-1]

    assert np.abs(first.astype(int) - portrait).max() <= 1
    before, after = (find_faces(grey(frame))[0].box for frame in (first, last))
    assert after.width > 1.04 * before.width


def test_it_moves_without_a_jump(clip: Clip) -> None:
    small = [cv2.resize(grey(frame), (64, 64)).astype(int) for frame in clip.frames]
    changes = [np.abs(after - before).mean() for before, after in pairwise(small)]

    assert max(changes) < 4
    assert min(changes[len(changes) // 4 : -len(changes) // 4]) > 0.05


def test_the_clip_is_one_that_can_be_shown(clip: Clip) -> None:
    check_clip(clip)

    assert clip.seconds <= SECONDS_MAX
    assert encode_clip(clip)[4:8] == b"ftyp"


def test_odd_sides_are_made_even() -> None:
    photo = np.random.default_rng(1).integers(0, 255, (51, 77, 3)).astype(np.uint8)

    assert animate(photo, Stages(lambda _: None, Event())).frames[0].shape == (50, 76, 3)


def test_a_large_photo_makes_a_clip_that_fits_into_memory(portrait: Picture) -> None:
    large = np.asarray(cv2.resize(portrait, (1800, 1200)), np.uint8)

    height, width = animate(large, Stages(lambda _: None, Event())).frames[0].shape[:2]

    assert 0.98 * PIXELS_MAX < width * height <= PIXELS_MAX
    assert width / height == pytest.approx(1.5, abs=0.01)


def test_a_cancelled_attempt_stops_between_frames(portrait: Picture) -> None:
    stop = Event()
    stop.set()

    with pytest.raises(StoppedError):
        animate(portrait, Stages(lambda _: None, stop))
