"""The GPU engines on tiny pipelines with random weights: real code, seconds, no hub."""

import os
from collections.abc import Iterator

os.environ["HF_HUB_OFFLINE"] = "1"  # read when its library is imported
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"  # in every thread: repeatable
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import pytest
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit as one_photo
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as several_photos

from tests.worker.storage import Bucket, Picture, open_bucket, read_portrait
from worker.engines.qwen import editing

PIXELS = 128 * 128


@pytest.fixture(autouse=True)
def _small_canvas(monkeypatch: pytest.MonkeyPatch) -> None:
    """A megapixel of random numbers takes a minute and shows nothing more than this."""
    choose = one_photo.calculate_dimensions
    monkeypatch.setattr(
        one_photo, "calculate_dimensions", lambda area, ratio: choose(min(area, PIXELS), ratio)
    )
    monkeypatch.setattr(several_photos, "VAE_IMAGE_SIZE", PIXELS)
    monkeypatch.setattr(several_photos, "CONDITION_IMAGE_SIZE", 112 * 112)
    monkeypatch.setattr(editing, "PIXELS", PIXELS)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with open_bucket() as bucket:
        yield bucket


@pytest.fixture(scope="session")
def portrait() -> Picture:
    """Upright, and of proportions that no model has."""
    return read_portrait()[:301, 40:271].copy()
