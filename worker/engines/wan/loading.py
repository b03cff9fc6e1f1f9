"""Load Wan 2.2, image to video, with its two LoRAs for few steps: one for each expert."""

from typing import Any

from diffusers import WanImageToVideoPipeline

from worker.diffusion.loading import add_lightning, load_pipeline
from worker.diffusion.settings import LightningFile
from worker.diffusion.weights import Snapshot, find_snapshot
from worker.engines.wan.filming import HIGH_NOISE, LOW_NOISE
from worker.engines.wan.settings import WanSettings


def load(settings: WanSettings) -> tuple[Any, Snapshot]:
    if settings.lightning:  # looked for before tens of gigabytes are loaded in vain
        for lightning in _of_experts(settings.lightning):
            find_snapshot(lightning.repository, file=lightning.file)
    pipeline, snapshot = load_pipeline(
        settings,
        kind=(WanImageToVideoPipeline,),
        large=["transformer", "transformer_2", "text_encoder"],
    )
    if settings.lightning:
        add_both_lightnings(pipeline, settings.lightning)
    return pipeline, snapshot


def add_both_lightnings(pipeline: Any, folder: LightningFile) -> None:
    """The first expert works on high noise, the second, from `boundary_ratio` on, on low."""
    high, low = _of_experts(folder)
    add_lightning(pipeline, high, adapter=HIGH_NOISE)
    add_lightning(pipeline, low, adapter=LOW_NOISE, load_into_transformer_2=True)


def _of_experts(folder: LightningFile) -> list[LightningFile]:
    return [
        LightningFile(repository=folder.repository, file=f"{folder.file}/{name}.safetensors")
        for name in (HIGH_NOISE, LOW_NOISE)
    ]
