"""Load Qwen-Image-Edit, of one photo or of several, with its LoRA for few steps."""

from typing import Any

from diffusers import QwenImageEditPipeline, QwenImageEditPlusPipeline

from worker.diffusion.loading import add_lightning, load_pipeline
from worker.diffusion.weights import Snapshot, find_snapshot
from worker.engines.qwen.editing import LIGHTNING
from worker.engines.qwen.settings import QwenSettings


def load(settings: QwenSettings) -> tuple[Any, Snapshot]:
    if settings.lightning:  # looked for before tens of gigabytes are loaded in vain
        find_snapshot(settings.lightning.repository, file=settings.lightning.file)
    pipeline, snapshot = load_pipeline(
        settings,
        kind=(QwenImageEditPipeline, QwenImageEditPlusPipeline),
        large=["transformer", "text_encoder"],
    )
    if settings.lightning:
        add_lightning(pipeline, settings.lightning, adapter=LIGHTNING)
    return pipeline, snapshot
