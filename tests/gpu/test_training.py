"""Every training script runs end to end, on a few small photos for a few steps."""

import csv
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

from bench.training import adopted, colours, export, light, photos, scratches
from bench.training.networks import Network
from bench.training.schedule import Schedule
from bench.training.wear import worn
from tests.worker.storage import Picture
from worker.engines.cpu import evenness

FREE, OTHERS = "CC0-1.0 worldwide", "CC-BY-NC-2.0"
SIDE = 64
FEW = Schedule(steps=4, minutes=1)


@pytest.fixture(scope="module")
def folder(portrait: Picture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pieces of one portrait, 40 that may be used and two that may not."""
    folder = tmp_path_factory.mktemp("photos")
    dice = np.random.default_rng(1)
    with (folder / "LICENSES.csv").open("w", newline="") as listed:
        rows = csv.writer(listed)
        rows.writerow(["file", "set", "licence", "author"])
        for place in range(42):
            piece = photos.crop(portrait, 96, dice, least=0.4)
            cv2.imwrite(str(folder / f"{place}.png"), piece)
            rows.writerow([f"{place}.png", "some", OTHERS if place < 2 else FREE, "NASA"])
    return folder


def test_only_photos_whose_weights_may_be_given_away_are_learnt_from(folder: Path) -> None:
    learnt, held_out = photos.read(folder)

    assert (len(learnt), len(held_out)) == (38, 2)


def test_too_few_photos_are_refused(tmp_path: Path) -> None:
    (tmp_path / "LICENSES.csv").write_text(f"file,set,licence,author\n1.png,some,{OTHERS},NASA\n")

    with pytest.raises(SystemExit, match="0 photos that may be used"):
        photos.read(tmp_path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("trained", [scratches.trained, colours.trained])
def test_a_network_learns_and_its_file_says_the_same(
    trained: object, folder: Path, tmp_path: Path
) -> None:
    network = trained(folder, FEW, side=SIDE)  # type: ignore[operator]
    file = tmp_path / "learnt.onnx"
    export.write(network, file, (torch.zeros(1, 1, SIDE, SIDE),))
    light = torch.rand(1, 1, 96, 128)
    with torch.no_grad():
        wanted = network(light).numpy()

    made = onnxruntime.InferenceSession(str(file)).run(None, {"light": light.numpy()})[0]

    fresh = type(network)()
    fresh.learn_from_imagenet()
    assert not torch.equal(fresh.head.weight, network.head.weight)
    assert isinstance(network, Network)
    assert np.abs(made - wanted).max() < 0.02 * np.ptp(wanted) + 0.01


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_network_for_light_learns_and_its_file_says_the_same(
    folder: Path, tmp_path: Path
) -> None:
    network = light.trained(folder, FEW)
    file = tmp_path / "learnt.onnx"
    export.write(network, file, (torch.zeros(1, 3, evenness.SIDE, evenness.SIDE),))
    thumbnail = torch.rand(1, 3, evenness.SIDE, evenness.SIDE)
    with torch.no_grad():
        wanted = network(thumbnail).numpy()

    made = onnxruntime.InferenceSession(str(file)).run(None, {"light": thumbnail.numpy()})[0]

    assert made.shape == (1, 1, evenness.SIDE // light.CELL, evenness.SIDE // light.CELL)
    assert np.abs(made - wanted).max() < 0.02 * np.ptp(wanted) + 0.01


def test_what_a_light_says_is_how_much_brighter_the_print_became(portrait: Picture) -> None:
    dice = np.random.default_rng(3)
    picture, lit = light.example(portrait, dice)

    assert picture.shape[:2] == lit.shape == (light.PRINT_SIDE, light.PRINT_SIDE)
    assert float(np.ptp(lit)) > 0.02
    assert abs(light.unlike(torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)).item()) == 0


def test_what_a_batch_calls_lost_is_what_wear_hid(portrait: Picture) -> None:
    print_ = worn(portrait, 3, steps=["damaged"])

    changed = np.abs(print_.picture.astype(int) - portrait).max(axis=2) > 40
    assert (print_.mask[changed] > 0).mean() > 0.9
    assert not (changed & (cv2.dilate(print_.mask, np.ones((3, 3), np.uint8)) == 0)).any()


def test_a_false_alarm_in_a_face_costs_more() -> None:
    logits, nothing = torch.ones(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)

    elsewhere, _ = scratches.losses(logits, nothing, faces=nothing)
    in_a_face, _ = scratches.losses(logits, nothing, faces=nothing + 1)

    assert in_a_face > elsewhere + 1


def test_ncnns_arrays_are_read_in_their_order(tmp_path: Path) -> None:
    layers = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.PReLU(2))
    mark = adopted.HALF_FLOATS.to_bytes(4, "little")
    rest = np.array([3, 4, 5, 6], np.float32).tobytes()

    adopted.read_ncnn(layers, mark + np.array([1, 2], np.float16).tobytes() + rest)

    values = [value for part in layers.parameters() for value in part.flatten().tolist()]
    assert values == [1, 2, 3, 4, 5, 6]
