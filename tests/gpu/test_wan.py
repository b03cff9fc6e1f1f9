"""From a job to a stored clip and its poster through the real pipeline of diffusers."""

import json
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from diffusers import WanImageToVideoPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from tests.gpu import tiny_wan
from tests.worker.storage import Bucket, Picture, as_png, from_png, order
from worker import clips
from worker.clips import Clip, check_clip, encode_clip
from worker.diffusion import weights
from worker.diffusion.settings import LightningFile, read_settings
from worker.diffusion.weights import Snapshot
from worker.engines.wan import filming
from worker.engines.wan.engine import WanEngine
from worker.engines.wan.filming import COURSES, HIGH_NOISE, LOW_NOISE, Course
from worker.engines.wan.loading import add_both_lightnings
from worker.engines.wan.settings import WanSettings
from worker.failures import AttemptError
from worker.handler import Handler

REVISION = "206a9ee1b7bfaaf8f7e4d81335650533490646a3"
HEADERS = {"Content-Type": "video/mp4", "If-None-Match": "*"}


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COURSES, "best", Course(2, 3.5))
    monkeypatch.setitem(COURSES, "fast", Course(2, 1.0))


@cache
def tiny() -> Any:
    return tiny_wan.build()


def engine_with(pipeline: Any) -> WanEngine:
    settings = WanSettings(frames=9, pixels=96 * 128)
    return WanEngine(settings, lambda _: (pipeline, Snapshot(Path("/nowhere"), REVISION)))


@pytest.fixture
def engine() -> WanEngine:
    return engine_with(tiny())


async def answered(engine: WanEngine, bucket: Bucket, photo: Picture, **changes: Any) -> Any:
    for name in ("/result", "/poster"):
        bucket.objects.pop(name, None)
    asked = {
        "task": "animate",
        "output": {"url": bucket.url("result"), "headers": HEADERS},
        "poster": {"url": bucket.url("poster"), "headers": {"Content-Type": "image/png"}},
        "options": {"seed": 7, "short_side_max": 480, **changes},
    }
    handler = Handler(engine, lambda _job, _progress: None)
    return await handler({"id": "1", "input": order(bucket, as_png(photo), **asked)})


def frames_of(film: bytes) -> list[Picture]:
    with av.open(BytesIO(film), "r") as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    return [np.asarray(frame, np.uint8) for frame in frames]


async def test_a_photo_becomes_a_clip_that_a_browser_plays_and_a_poster(
    engine: WanEngine, bucket: Bucket, portrait: Picture
) -> None:
    answer = await answered(engine, bucket, portrait)

    assert list(bucket.objects)[-2:] == ["/poster", "/result"], "the result is stored last"
    film, poster = bucket.objects["/result"], from_png(bucket.objects["/poster"])
    with av.open(BytesIO(film)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 16
    assert film.index(b"moov") < film.index(b"mdat")
    frames = frames_of(film)
    assert len(frames) == answer["frames"] == 9
    assert answer["clip_seconds"] == pytest.approx(9 / 16, abs=1e-3)
    assert frames[0].shape == poster.shape == (112, 96, 3)
    assert float(np.abs(frames[0].astype(int) - poster).mean()) < 12
    assert answer["media_type"] == "video/mp4"
    assert (answer["width"], answer["height"]) == (96, 112)
    assert answer["poster"]["bytes"] == len(bucket.objects["/poster"])
    assert answer["poster"]["media_type"] == "image/png"
    assert answer["model"] == {"id": "Wan-AI/Wan2.2-I2V-A14B-Diffusers", "revision": REVISION}
    assert (answer["engine"], answer["gpu"]) == ("wan", "cpu")


async def test_a_seed_means_the_same_film_to_the_byte(
    engine: WanEngine, bucket: Bucket, portrait: Picture
) -> None:
    first, again, other = [
        await answered(engine, bucket, portrait, seed=seed) for seed in (7, 7, 8)
    ]

    assert first["sha256"] == again["sha256"]
    assert first["sha256"] != other["sha256"]


async def test_a_clip_that_is_to_stay_black_and_white_has_no_colour(
    engine: WanEngine, bucket: Bucket, portrait: Picture
) -> None:
    await answered(engine, bucket, portrait)
    assert np.ptp(from_png(bucket.objects["/poster"]), axis=2).max() > 20

    await answered(engine, bucket, portrait, keep_black_and_white=True)

    assert np.ptp(from_png(bucket.objects["/poster"]), axis=2).max() == 0
    assert max(np.ptp(frame, axis=2).max() for frame in frames_of(bucket.objects["/result"])) <= 4


async def test_both_experts_are_held_to_the_prompt_alike(
    bucket: Bucket, portrait: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = tiny_wan.build()
    monkeypatch.setitem(COURSES, "best", Course(2, 2.5))

    await answered(engine_with(pipeline), bucket, portrait)

    assert (pipeline._guidance_scale, pipeline._guidance_scale_2) == (2.5, 2.5)


async def test_a_full_gpu_is_told_as_oom_and_nothing_is_stored(
    engine: WanEngine, bucket: Bucket, portrait: Picture
) -> None:
    def overflow(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    hook = tiny().transformer_2.register_forward_pre_hook(overflow)
    answer = await answered(engine, bucket, portrait)
    hook.remove()

    assert json.loads(answer["error"])["class"] == "oom"
    assert "PUT" not in bucket.requests


async def test_a_clip_that_cannot_be_encoded_leaves_no_poster(
    engine: WanEngine, bucket: Bucket, portrait: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips, "BYTES_MAX", 100)

    answer = await answered(engine, bucket, portrait)

    assert json.loads(answer["error"]) == {
        "class": "model",
        "detail": "the clip has over 100 bytes",
    }
    assert "PUT" not in bucket.requests


async def test_other_tasks_are_refused_in_its_name(
    engine: WanEngine, bucket: Bucket, portrait: Picture
) -> None:
    handler = Handler(engine, lambda _job, _progress: None)

    answer = await handler({"id": "1", "input": order(bucket, as_png(portrait))})

    assert json.loads(answer["error"]) == {
        "class": "input",
        "detail": "the engine wan cannot restore; it can: animate",
    }


async def test_fast_works_with_a_lora_for_each_expert_and_best_without(
    bucket: Bucket, portrait: Picture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(weights.FOLDERS_VARIABLE, str(tmp_path))
    snapshot = tmp_path / "models--org--lightning" / "snapshots" / REVISION
    donor = tiny_wan.build()
    for name, expert in ((HIGH_NOISE, donor.transformer), (LOW_NOISE, donor.transformer_2)):
        expert.add_adapter(LoraConfig(r=4, target_modules=["to_q"], init_lora_weights=False))
        WanImageToVideoPipeline.save_lora_weights(
            snapshot / "few",
            get_peft_model_state_dict(expert),
            weight_name=f"{name}.safetensors",
        )
    pipeline = tiny_wan.build()
    engine = engine_with(pipeline)
    before = await answered(engine, bucket, portrait)

    add_both_lightnings(pipeline, LightningFile(repository="org/lightning", file="few"))
    best = await answered(engine, bucket, portrait)
    fast = await answered(engine, bucket, portrait, preset="fast")

    assert pipeline.get_list_adapters() == {
        "transformer": [HIGH_NOISE],
        "transformer_2": [LOW_NOISE],
    }
    assert before["sha256"] == best["sha256"]
    assert "error" not in fast
    assert fast["sha256"] != best["sha256"]


@pytest.mark.parametrize(
    ("photo", "short_side_max", "chosen"),
    [
        ((1280, 720), 720, (832, 464)),
        ((720, 1280), 720, (464, 832)),
        ((4096, 2731), 720, (768, 512)),
        ((4096, 2731), 480, (704, 480)),
        ((320, 320), 720, (320, 320)),
    ],
)
def test_a_clip_is_no_larger_than_was_paid_for(
    photo: tuple[int, int], short_side_max: int, chosen: tuple[int, int]
) -> None:
    size = filming.size_for_model(*photo, pixels=832 * 480, short_side_max=short_side_max)

    assert size == chosen


def test_a_photo_is_trimmed_but_never_stretched() -> None:
    down, across = np.mgrid[0:200, 0:250].astype(np.uint8)
    photo = np.dstack([across, down, down])

    trimmed = np.asarray(filming.for_model(photo, (128, 64)))[..., ::-1].astype(float)

    a_pixel_across = (trimmed[32, 100, 0] - trimmed[32, 20, 0]) / 80
    a_pixel_down = (trimmed[54, 64, 1] - trimmed[14, 64, 1]) / 40
    assert a_pixel_across == pytest.approx(250 / 128, rel=0.03)
    assert a_pixel_down == pytest.approx(a_pixel_across, rel=0.03)


def test_a_very_long_photo_is_refused() -> None:
    with pytest.raises(AttemptError, match="over 3 times as long as it is wide") as refused:
        filming.size_for_model(400, 100, pixels=832 * 480, short_side_max=480)

    assert refused.value.failure_class == "input"


def noise(number: int = 3, side: int = 64) -> list[Picture]:
    lots = np.random.default_rng(1)
    return [lots.integers(0, 256, (side, side, 3), dtype=np.uint8) for _ in range(number)]


@pytest.mark.parametrize(
    ("clip", "sentence"),
    [
        (Clip([], 16), "no frames"),
        (Clip([*noise(), *noise(side=32)], 16), "several sizes"),
        (Clip([*noise(), np.zeros((64, 64, 3), np.uint8)], 16), "blank"),
        (Clip(noise(7), 1), "lasts 7.0 seconds"),
    ],
)
def test_a_clip_that_nobody_should_see_is_refused(clip: Clip, sentence: str) -> None:
    with pytest.raises(AttemptError, match=sentence) as refused:
        check_clip(clip)

    assert refused.value.failure_class == "model"


def test_an_encoded_clip_shows_what_was_put_in() -> None:
    frames = [np.full((64, 96, 3), (40 * number, 90, 200), np.uint8) for number in range(5)]

    shown = frames_of(encode_clip(Clip(frames, 16)))

    assert len(shown) == 5
    assert (
        max(float(np.abs(a.astype(int) - b).max()) for a, b in zip(shown, frames, strict=True)) < 8
    )


def test_the_same_frames_give_the_same_bytes_whatever_was_in_memory_before() -> None:
    lots = np.random.default_rng(2)
    frames = [np.asarray(cv2.GaussianBlur(f, (0, 0), 2), np.uint8) for f in noise(9, side=96)]
    encoded = set()

    for _ in range(12):
        rubbish = [torch.randn(int(size)) * 1e3 for size in lots.integers(1, 20_000, 80)]
        del rubbish
        encoded.add(encode_clip(Clip(frames, 16)))

    assert len(encoded) == 1


def test_settings_are_read_from_the_environment() -> None:
    told = {"WAN_FRAMES": "49", "WAN_LIGHTNING": "a/b/c/d", "WAN_QUANTIZATION": "nf4", "PATH": "/"}

    settings = read_settings(WanSettings, "WAN_", told)

    assert (settings.frames, settings.quantization) == (49, "nf4")
    assert settings.lightning == LightningFile(repository="a/b", file="c/d")
    assert settings.model == "Wan-AI/Wan2.2-I2V-A14B-Diffusers"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FRAMES", "50"),
        ("FRAMES", "801"),
        ("PIXELS", "99999999"),
        ("MODLE", "x"),
        ("LIGHTNING", "few"),
    ],
)
def test_a_wrong_setting_ends_the_worker_with_its_name(name: str, value: str) -> None:
    with pytest.raises(SystemExit, match=f"WAN_{name}: "):
        read_settings(WanSettings, "WAN_", {f"WAN_{name}": value})
