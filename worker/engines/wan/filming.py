"""One call of the pipeline: a photo in, the frames of a clip out.

A photo is scaled and trimmed, by 15 pixels of one side at most, to the nearest size that the model
has: stretching it would change faces.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from worker.clips import Clip
from worker.diffusion import device
from worker.engines.wan.settings import FRAMES_PER_SECOND, WanSettings
from worker.failures import AttemptError
from worker.order import Options, Preset
from worker.pictures import Picture
from worker.stages import Stages

HIGH_NOISE, LOW_NOISE = "high_noise_model", "low_noise_model"
ASPECT_MAX = 3.0
STEP = 16


@dataclass(frozen=True, slots=True)
class Course:
    """How many steps, and how strongly each is held to the prompt: above 1 it counts twice."""

    steps: int
    guidance_scale: float


# As the models' authors advise: https://github.com/Wan-Video/Wan2.2 (wan_i2v_A14B.py) and
# https://github.com/ModelTC/Wan2.2-Lightning.
COURSES: dict[Preset, Course] = {"best": Course(40, 3.5), "fast": Course(4, 1.0)}


class Filmer:
    """A pipeline, and how large and long its clips are."""

    def __init__(self, pipeline: Any, settings: WanSettings) -> None:
        self._pipeline, self._settings = pipeline, settings

    def film(
        self, photo: Picture, *, prompt: str, negative: str, options: Options, stage: Stages
    ) -> Clip:
        course = COURSES[options.preset]
        self._set_out(options.preset)
        height, width = photo.shape[:2]
        size = size_for_model(
            width, height, pixels=self._settings.pixels, short_side_max=options.short_side_max
        )
        with device.bounded_memory():
            frames = self._pipeline(
                image=for_model(photo, size),
                prompt=prompt,
                negative_prompt=negative,
                width=size[0],
                height=size[1],
                num_frames=self._settings.frames,
                num_inference_steps=course.steps,
                guidance_scale=course.guidance_scale,
                generator=device.lots(options.seed),
                callback_on_step_end=device.stopping(stage),
                output_type="np",
            ).frames[0]
        return Clip([_picture(frame) for frame in frames], FRAMES_PER_SECOND)

    def _set_out(self, preset: Preset) -> None:
        """Switch the LoRAs for few steps on or off, in both experts."""
        there = self._pipeline.get_list_adapters()
        has_lightning = bool(there.get("transformer")) and bool(there.get("transformer_2"))
        if preset == "fast" and not has_lightning:
            raise AttemptError("input", "this worker has no weights for the preset fast")
        if has_lightning:
            switch = self._pipeline.enable_lora if preset == "fast" else self._pipeline.disable_lora
            switch()


def size_for_model(width: int, height: int, *, pixels: int, short_side_max: int) -> tuple[int, int]:
    """Choose the nearest size in the model's steps: at most so large, and never enlarged."""
    ratio = width / height
    if not 1 / ASPECT_MAX <= ratio <= ASPECT_MAX:
        raise AttemptError("input", f"the photo is over {ASPECT_MAX:g} times as long as it is wide")
    scale = min(1.0, math.sqrt(pixels / (width * height)), short_side_max / min(width, height))
    return _in_steps(width * scale), _in_steps(height * scale)


def for_model(photo: Picture, size: tuple[int, int]) -> Image.Image:
    """Scale and trim around the middle."""
    image = Image.fromarray(np.ascontiguousarray(photo[..., ::-1]))
    return ImageOps.fit(image, size, Image.Resampling.LANCZOS)


def _in_steps(side: float) -> int:
    return max(1, int(side + 1e-6) // STEP) * STEP


def _picture(frame: Any) -> Picture:
    levels = np.nan_to_num(frame).clip(0, 1) * 255
    return np.ascontiguousarray(levels.round().astype(np.uint8)[..., ::-1])
