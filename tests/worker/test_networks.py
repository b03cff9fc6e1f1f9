import cv2
import numpy as np

from worker.engines.cpu.guess import guess_colours
from worker.engines.cpu.networks import TILE, Planes, in_tiles


def test_tiles_show_no_seams() -> None:
    planes = np.random.default_rng(1).random((1, TILE + 70, TILE + 130), np.float32)

    def smooth(tile: Planes) -> Planes:
        blurred = cv2.blur(tile[0], (5, 5), borderType=cv2.BORDER_REFLECT)
        return np.asarray(blurred, np.float32)[None]

    made = in_tiles(planes, smooth, margin=2, multiple=16)

    assert np.allclose(made, smooth(planes), atol=1e-5)


def test_a_picture_and_its_mirror_image_have_the_same_colours() -> None:
    dice = np.random.default_rng(1)
    light = np.asarray(cv2.GaussianBlur(dice.random((192, 256), np.float32), (0, 0), 6), np.float32)
    light = np.asarray((light - light.min()) / np.ptp(light), np.float32)

    straight = guess_colours(light, (256, 192))
    mirrored = guess_colours(np.ascontiguousarray(light[:, ::-1]), (256, 192))

    assert np.abs(straight).max() > 1
    assert np.allclose(mirrored[:, ::-1], straight, atol=1e-3)
