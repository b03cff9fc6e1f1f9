"""One call of the pipeline: the photos in its own size, its result back in theirs.

Qwen works on about one megapixel in steps of 32 pixels. A photo is brought to exactly the size the
pipeline would choose, and the result is brought back to the photo's, so that whatever that
changed of the proportions (1.6 % of a side at most) is undone and nothing is shifted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from diffusers import FlowMatchEulerDiscreteScheduler, QwenImageEditPlusPipeline
from PIL import Image

from worker.diffusion import device
from worker.failures import AttemptError
from worker.order import Options, Preset
from worker.pictures import Picture
from worker.stages import Stages

LIGHTNING = "lightning"
ASPECT_MAX = 4.0
STEP = 32
PIXELS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Course:
    """How many steps, and how strongly each is held to the prompt: above 1 it counts twice."""

    steps: int
    true_cfg_scale: float


# As the models' authors advise: https://github.com/QwenLM/Qwen-Image and
# https://github.com/ModelTC/Qwen-Image-Lightning.
COURSES: dict[Preset, Course] = {"best": Course(40, 4.0), "fast": Course(4, 1.0)}
LIGHTNING_SCHEDULE = {
    "base_shift": math.log(3),
    "max_shift": math.log(3),
    "max_image_seq_len": 8192,
    "shift_terminal": None,
    "use_dynamic_shifting": True,
}


class Editor:
    """A pipeline, and the schedule it came with, which `fast` exchanges for another."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline, self._schedule = pipeline, pipeline.scheduler.config
        self.takes_several = isinstance(pipeline, QwenImageEditPlusPipeline)

    def edit(
        self,
        photos: Sequence[Picture],
        *,
        prompt: str,
        negative: str,
        options: Options,
        stage: Stages,
    ) -> Picture:
        """Make one picture of these photos; it has the size of the first."""
        course = COURSES[options.preset]
        self._set_out(options.preset)
        images = [_for_model(photo) for photo in photos]
        width, height = images[0].size
        with device.bounded_memory():
            made = self._pipeline(
                image=images if self.takes_several else images[0],
                prompt=prompt,
                negative_prompt=negative if course.true_cfg_scale > 1 else None,
                true_cfg_scale=course.true_cfg_scale,
                num_inference_steps=course.steps,
                width=width,
                height=height,
                generator=device.lots(options.seed),
                callback_on_step_end=device.stopping(stage),
            ).images[0]
        return _back(made, photos[0])

    def _set_out(self, preset: Preset) -> None:
        """Switch the LoRA for few steps, and the schedule it was made with, on or off."""
        has_lightning = LIGHTNING in self._pipeline.get_list_adapters().get("transformer", [])
        if preset == "fast" and not has_lightning:
            raise AttemptError("input", "this worker has no weights for the preset fast")
        if has_lightning:
            switch = self._pipeline.enable_lora if preset == "fast" else self._pipeline.disable_lora
            switch()
        changes = LIGHTNING_SCHEDULE if preset == "fast" else {}
        self._pipeline.scheduler = FlowMatchEulerDiscreteScheduler.from_config(
            self._schedule, **changes
        )


def size_for_model(width: int, height: int) -> tuple[int, int]:
    """Choose as diffusers does: about a megapixel, near the photo's proportions."""
    ratio = width / height
    if not 1 / ASPECT_MAX <= ratio <= ASPECT_MAX:
        raise AttemptError("input", f"the photo is over {ASPECT_MAX:g} times as long as it is wide")
    ideal = math.sqrt(PIXELS * ratio)
    return round(ideal / STEP) * STEP, round(ideal / ratio / STEP) * STEP


def _for_model(photo: Picture) -> Image.Image:
    height, width = photo.shape[:2]
    image = Image.fromarray(np.ascontiguousarray(photo[..., ::-1]))
    return image.resize(size_for_model(width, height), Image.Resampling.LANCZOS)


def _back(made: Image.Image, photo: Picture) -> Picture:
    height, width = photo.shape[:2]
    picture = np.asarray(made.convert("RGB"))[..., ::-1]
    smaller = width * height < made.width * made.height
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    back = cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=method)
    return np.asarray(back, np.uint8)
