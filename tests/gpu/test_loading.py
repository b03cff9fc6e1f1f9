"""From files on disk, laid out as RunPod's cached models are, to an engine that works."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import PipelineQuantizationConfig, WanImageToVideoPipeline

from tests.gpu import tiny_wan
from tests.gpu.test_wan import answered
from tests.worker.storage import Bucket, Picture
from worker.diffusion import weights
from worker.diffusion.loading import load_pipeline, quantization_of
from worker.diffusion.settings import EngineSettings
from worker.diffusion.weights import find_snapshot
from worker.engines import load_engine
from worker.engines.wan.filming import COURSES, Course
from worker.failures import AttemptError

OLD, NEW = "1" * 40, "2" * 40
MODEL = "org/tiny"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    tiny_wan.build().save_pretrained(folder)
    return folder


@pytest.fixture
def hub(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with one model in it, which the engine `wan` is told to take."""
    home = tmp_path / "hub" / "models--org--tiny"
    shutil.copytree(saved, home / "snapshots" / NEW)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(NEW)
    for name, value in {
        weights.FOLDERS_VARIABLE: f"{tmp_path / 'nothing'}:{tmp_path / 'hub'}",
        "WAN_MODEL": MODEL,
        "WAN_FRAMES": "5",
        "WAN_PIXELS": "4096",
    }.items():
        monkeypatch.setenv(name, value)
    return home


async def test_an_engine_is_chosen_by_name_loads_when_told_and_works(
    hub: Path, bucket: Bucket, portrait: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COURSES, "best", Course(1, 3.5))

    engine: Any = load_engine("wan")
    assert engine.model is None
    engine.load()
    answer = await answered(engine, bucket, portrait)

    assert answer["model"] == {"id": MODEL, "revision": NEW}
    assert answer["frames"] == 5


def test_the_weights_are_loaded_once(hub: Path) -> None:
    engine: Any = load_engine("wan")
    engine.load()

    shutil.rmtree(hub)

    engine.load()


def test_the_weights_are_as_small_as_a_gpu_wants_them(hub: Path) -> None:
    pipeline, _ = load_pipeline(
        EngineSettings(model=MODEL), kind=(WanImageToVideoPipeline,), large=[]
    )

    assert pipeline.transformer.dtype == torch.bfloat16


def without_its_second_expert(snapshot: Path) -> None:
    shutil.rmtree(snapshot / "transformer_2")


def cut_short(snapshot: Path) -> None:
    weights = snapshot / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


@pytest.mark.parametrize("damage", [without_its_second_expert, cut_short])
async def test_a_model_that_is_not_complete_is_an_infra_failure(
    damage: Callable[[Path], None], hub: Path, bucket: Bucket, portrait: Picture
) -> None:
    damage(hub / "snapshots" / NEW)

    engine: Any = load_engine("wan")
    answer = await answered(engine, bucket, portrait)

    told = json.loads(answer["error"])
    assert told["class"] == "infra"
    assert told["detail"].startswith("the model org/tiny cannot be loaded: ")
    assert "PUT" not in bucket.requests


def test_a_model_of_another_kind_is_an_infra_failure(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWEN_MODEL", MODEL)

    with pytest.raises(AttemptError, match="is no QwenImageEditPipeline or Qwen") as refused:
        load_engine("qwen").load()

    assert refused.value.failure_class == "infra"


def test_the_revision_that_was_asked_for_is_taken(hub: Path) -> None:
    shutil.copytree(hub / "snapshots" / NEW, hub / "snapshots" / OLD)

    assert find_snapshot(MODEL, file="model_index.json").revision == NEW
    assert find_snapshot(MODEL, file="model_index.json", revision=OLD).revision == OLD
    with pytest.raises(AttemptError, match=f"org/tiny at {'3' * 40} is not on this machine"):
        find_snapshot(MODEL, file="model_index.json", revision="3" * 40)


def test_the_only_revision_needs_no_name(hub: Path) -> None:
    (hub / "refs" / "main").unlink()
    assert find_snapshot(MODEL, file="model_index.json").revision == NEW

    shutil.copytree(hub / "snapshots" / NEW, hub / "snapshots" / OLD)
    with pytest.raises(AttemptError, match="is not on this machine"):
        find_snapshot(MODEL, file="model_index.json")


def test_a_lora_is_looked_for_before_the_model(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_LIGHTNING", "org/lightning/few")
    shutil.rmtree(hub)  # looked for first: the model takes minutes

    with pytest.raises(AttemptError, match="org/lightning is not on this machine") as refused:
        load_engine("wan").load()

    assert refused.value.failure_class == "infra"


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_diffusers_accepts_how_its_weights_are_to_be_quantized(quantization: Any) -> None:
    made = quantization_of(quantization, ["transformer"])

    assert isinstance(made, PipelineQuantizationConfig)
    assert made.components_to_quantize == ["transformer"]
    assert quantization_of("bf16", ["transformer"]) is None
