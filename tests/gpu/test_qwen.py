"""From a job to a stored picture through the real pipeline of diffusers."""

import json
from functools import cache
from pathlib import Path
from threading import Event, Timer
from typing import Any

import cv2
import diffusers
import numpy as np
import pytest
import torch
from diffusers import QwenImageEditPlusPipeline
from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit import calculate_dimensions
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from tests.gpu import tiny_qwen
from tests.worker.storage import Bucket, Picture, as_png, from_png, grey, order
from worker.diffusion import loading, weights
from worker.diffusion.settings import LightningFile
from worker.diffusion.weights import Snapshot
from worker.engines.qwen import editing
from worker.engines.qwen.editing import COURSES, LIGHTNING, Course
from worker.engines.qwen.engine import QwenEngine
from worker.engines.qwen.settings import QwenSettings
from worker.failures import AttemptError
from worker.handler import Handler
from worker.order import Options
from worker.stages import Stages, StoppedError

ONE, SEVERAL = "QwenImageEditPipeline", "QwenImageEditPlusPipeline"
REVISION = "6f3ccc0b56e431dc6a0c2b2039706d7d26f22cb9"


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COURSES, "best", Course(2, 4.0))
    monkeypatch.setitem(COURSES, "fast", Course(1, 1.0))


@cache
def tiny(name: str) -> Any:
    return tiny_qwen.build(getattr(diffusers, name))


def engine_with(pipeline: Any, **settings: Any) -> QwenEngine:
    return QwenEngine(
        QwenSettings(**settings), lambda _: (pipeline, Snapshot(Path("/nowhere"), REVISION))
    )


@pytest.fixture
def engine() -> QwenEngine:
    return engine_with(tiny(SEVERAL))


async def answered(engine: QwenEngine, bucket: Bucket, photo: Picture, **asked: Any) -> Any:
    bucket.objects.pop("/result", None)
    handler = Handler(engine, lambda _job, _progress: None)
    return await handler({"id": "1", "input": order(bucket, as_png(photo), **asked)})


def options(**changes: Any) -> dict[str, Any]:
    return {"seed": 7, "short_side_max": 480, **changes}


@pytest.mark.parametrize("kind", [ONE, SEVERAL])
@pytest.mark.parametrize("task", ["restore", "colourize", "restore_colourize"])
async def test_a_photo_is_edited_and_stored_in_its_own_size(
    task: str, kind: str, bucket: Bucket, portrait: Picture
) -> None:
    answer = await answered(engine_with(tiny(kind)), bucket, portrait, task=task)

    stored = from_png(bucket.objects["/result"])
    assert stored.shape == portrait.shape
    assert (answer["width"], answer["height"]) == (231, 301)
    assert answer["engine"] == "qwen"
    assert answer["engine_version"].startswith("diffusers 0.")
    assert answer["model"] == {"id": "Qwen/Qwen-Image-Edit-2511", "revision": REVISION}
    assert answer["gpu"] == "cpu"
    assert list(answer["stages"]) == ["download", "decode", "load", task, "encode", "upload"]


async def test_a_seed_means_the_same_picture_to_the_byte(
    engine: QwenEngine, bucket: Bucket, portrait: Picture
) -> None:
    first, again, other = [
        await answered(engine, bucket, portrait, options=options(seed=seed)) for seed in (7, 7, 8)
    ]

    assert first["sha256"] == again["sha256"]
    assert first["sha256"] != other["sha256"]


async def test_a_note_changes_the_picture(
    engine: QwenEngine, bucket: Bucket, portrait: Picture
) -> None:
    plain = await answered(engine, bucket, portrait)
    noted = await answered(engine, bucket, portrait, options=options(note="the coat was green"))

    assert plain["sha256"] != noted["sha256"]


@pytest.mark.parametrize("number", [2, 3])
async def test_people_are_brought_together_in_the_size_of_the_first_photo(
    number: int, engine: QwenEngine, bucket: Bucket, portrait: Picture
) -> None:
    wide = portrait[:100]
    images = [
        {"url": bucket.add(f"photo{place}", as_png(portrait if place == 0 else wide))}
        for place in range(number)
    ]

    answer = await answered(engine, bucket, portrait, task="bring_together", images=images)
    bucket.add(f"photo{number - 1}", as_png(wide[::-1]))
    other = await answered(engine, bucket, portrait, task="bring_together", images=images)

    assert (answer["width"], answer["height"]) == (231, 301)
    assert from_png(bucket.objects["/result"]).shape == portrait.shape
    assert answer["sha256"] != other["sha256"], "the last photo was not looked at"


async def test_the_model_for_one_photo_refuses_to_bring_together(
    bucket: Bucket, portrait: Picture
) -> None:
    engine = engine_with(tiny(ONE), model="Qwen/Qwen-Image-Edit")
    images = [{"url": bucket.add("photo", as_png(portrait))}] * 2

    answer = await answered(engine, bucket, portrait, task="bring_together", images=images)

    assert json.loads(answer["error"]) == {
        "class": "input",
        "detail": "the engine qwen with Qwen/Qwen-Image-Edit takes one photo at a time",
    }


async def test_a_full_gpu_is_told_as_oom_and_the_next_attempt_works(
    engine: QwenEngine, bucket: Bucket, portrait: Picture
) -> None:
    def overflow(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    hook = tiny(SEVERAL).transformer.register_forward_pre_hook(overflow)
    refused = await answered(engine, bucket, portrait)
    hook.remove()
    assert json.loads(refused["error"])["class"] == "oom"
    assert "/result" not in bucket.objects

    assert "error" not in await answered(engine, bucket, portrait)


async def test_a_gpu_that_breaks_asks_for_a_fresh_worker(
    engine: QwenEngine, bucket: Bucket, portrait: Picture
) -> None:
    def fail(*_: Any) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    hook = tiny(SEVERAL).transformer.register_forward_pre_hook(fail)
    answer = await answered(engine, bucket, portrait)
    hook.remove()

    assert json.loads(answer["error"]) == {"class": "infra", "detail": "the GPU failed"}
    assert answer["refresh_worker"] is True


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
async def test_numbers_that_are_none_are_a_model_failure(
    engine: QwenEngine, bucket: Bucket, portrait: Picture
) -> None:
    def spoil(_: Any, __: Any, made: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        return (torch.full_like(made[0], float("nan")),)

    hook = tiny(SEVERAL).transformer.register_forward_hook(spoil)
    refused = await answered(engine, bucket, portrait)
    hook.remove()

    assert json.loads(refused["error"]) == {"class": "model", "detail": "the result is blank"}
    assert "/result" not in bucket.objects


def test_a_cancelled_attempt_ends_after_the_step_it_is_in(
    engine: QwenEngine, portrait: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COURSES, "best", Course(1_000, 4.0))
    stop = Event()
    engine.load()
    asked = Options(**options())
    timer = Timer(0.5, stop.set)
    timer.start()

    with pytest.raises(StoppedError):
        engine.tasks["restore"]([portrait], asked, Stages(lambda _: None, stop))

    timer.join()


def lightning_in(folder: Path) -> LightningFile:
    """A LoRA with random weights, stored as a hub's cache would."""
    transformer = tiny_qwen.build(QwenImageEditPlusPipeline).transformer
    transformer.add_adapter(
        LoraConfig(r=4, target_modules=["to_q", "to_k"], init_lora_weights=False)
    )
    home = folder / "models--org--lightning"
    snapshot = home / "snapshots" / REVISION
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(REVISION)
    QwenImageEditPlusPipeline.save_lora_weights(
        snapshot, get_peft_model_state_dict(transformer), weight_name="few.safetensors"
    )
    return LightningFile(repository="org/lightning", file="few.safetensors")


async def test_fast_works_with_the_lora_and_best_without(
    bucket: Bucket, portrait: Picture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(weights.FOLDERS_VARIABLE, str(tmp_path))
    monkeypatch.setitem(COURSES, "fast", Course(2, 1.0))
    pipeline = tiny_qwen.build(QwenImageEditPlusPipeline)
    engine = engine_with(pipeline)
    before = await answered(engine, bucket, portrait, options=options(preset="best"))

    loading.add_lightning(pipeline, lightning_in(tmp_path), adapter=LIGHTNING)
    best = await answered(engine, bucket, portrait, options=options(preset="best"))
    fast = await answered(engine, bucket, portrait, options=options(preset="fast"))
    shift_of_fast = pipeline.scheduler.config.max_shift
    again = await answered(engine, bucket, portrait, options=options(preset="best"))

    assert before["sha256"] == best["sha256"] == again["sha256"]
    assert fast["sha256"] != best["sha256"]
    assert shift_of_fast == pytest.approx(1.0986, abs=1e-4)
    assert pipeline.scheduler.config.max_shift == pytest.approx(1.15)


async def test_without_its_lora_fast_is_refused(
    engine: QwenEngine, bucket: Bucket, portrait: Picture
) -> None:
    answer = await answered(engine, bucket, portrait, options=options(preset="fast"))

    assert json.loads(answer["error"]) == {
        "class": "input",
        "detail": "this worker has no weights for the preset fast",
    }


async def test_a_very_long_photo_is_refused(
    engine: QwenEngine, bucket: Bucket, portrait: Picture
) -> None:
    answer = await answered(engine, bucket, portrait[:40])

    assert json.loads(answer["error"]) == {
        "class": "input",
        "detail": "the photo is over 4 times as long as it is wide",
    }


@pytest.mark.parametrize("width", range(150, 2401, 250))
def test_the_pipeline_keeps_the_size_we_choose(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise it would resize a second time, and the result would be shifted."""
    monkeypatch.setattr(editing, "PIXELS", 1024 * 1024)
    chosen = editing.size_for_model(width, 600)

    assert calculate_dimensions(1024 * 1024, chosen[0] / chosen[1])[:2] == chosen
    assert chosen[0] / chosen[1] == pytest.approx(width / 600, rel=0.035)


def test_a_photo_that_goes_there_and_back_is_not_shifted(portrait: Picture) -> None:
    back = editing._back(editing._for_model(portrait), portrait)

    before, after = [
        cv2.GaussianBlur(grey(picture), (0, 0), 3).astype(np.float32)[4:-4, 4:-4]
        for picture in (portrait, back)
    ]

    def differs_when_moved(by: tuple[int, int]) -> float:
        return float(np.abs(before - np.roll(after, by, (0, 1)))[2:-2, 2:-2].mean())

    moves = [(down, across) for down in (-1, 0, 1) for across in (-1, 0, 1)]
    assert min(moves, key=differs_when_moved) == (0, 0)


def test_a_missing_model_is_an_infra_failure_that_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(weights.FOLDERS_VARIABLE, str(tmp_path))

    with pytest.raises(AttemptError, match="Qwen/Qwen-Image-Edit-2511 is not on this machine") as e:
        loading.load_pipeline(QwenSettings(), kind=(QwenImageEditPlusPipeline,), large=[])

    assert e.value.failure_class == "infra"
    assert str(tmp_path) in e.value.detail
