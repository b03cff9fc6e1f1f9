"""From weights on disk to a pipeline that works: precision, placement, the LoRA for few steps."""

from typing import Any, Protocol

import torch
from diffusers import DiffusionPipeline, PipelineQuantizationConfig

from worker.diffusion.settings import EngineSettings, LightningFile, Quantization
from worker.diffusion.weights import Snapshot, find_snapshot
from worker.failures import AttemptError, from_engine

INDEX = "model_index.json"
BITS_AND_BYTES: dict[Quantization, tuple[str, dict[str, Any]]] = {
    "int8": ("bitsandbytes_8bit", {"load_in_8bit": True}),
    "nf4": (
        "bitsandbytes_4bit",
        {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_compute_dtype": torch.bfloat16,
        },
    ),
}


class Loader(Protocol):
    """Builds an engine's pipeline. It is given to the engine, so that tests bring a tiny one."""

    def __call__(self, settings: Any) -> tuple[Any, Snapshot]: ...


def load_pipeline(
    settings: EngineSettings, *, kind: tuple[type[Any], ...], large: list[str]
) -> tuple[Any, Snapshot]:
    """Load a pipeline of one of these classes; `large` names its networks worth quantizing."""
    snapshot = find_snapshot(settings.model, file=INDEX, revision=settings.revision)
    try:
        pipeline = DiffusionPipeline.from_pretrained(
            snapshot.folder,
            local_files_only=True,
            dtype=torch.bfloat16,
            quantization_config=quantization_of(settings.quantization, large),
            device_map="cuda" if _all_on_gpu(settings) else None,
        )
    except Exception as error:
        failure = from_engine(error)
        if failure.failure_class == "oom":
            raise failure from error
        raise AttemptError(
            "infra", f"the model {settings.model} cannot be loaded: {type(error).__name__}"
        ) from error
    if not isinstance(pipeline, kind):
        wanted = " or ".join(one.__name__ for one in kind)
        raise AttemptError("infra", f"the model {settings.model} is no {wanted}")
    if settings.placement == "offload" and torch.cuda.is_available():
        pipeline.enable_model_cpu_offload()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline, snapshot


def quantization_of(quantization: Quantization, large: list[str]) -> Any:
    """What diffusers is told about the precision of these networks; None leaves it as stored."""
    if quantization == "bf16":
        return None
    backend, precision = BITS_AND_BYTES[quantization]
    return PipelineQuantizationConfig(
        quant_backend=backend, quant_kwargs=precision, components_to_quantize=large
    )


def add_lightning(pipeline: Any, lightning: LightningFile, *, adapter: str, **where: Any) -> None:
    """Load a LoRA beside the weights, switched off. `where` goes to `load_lora_weights`."""
    snapshot = find_snapshot(lightning.repository, file=lightning.file)
    try:
        pipeline.load_lora_weights(
            snapshot.folder,
            weight_name=lightning.file,
            adapter_name=adapter,
            local_files_only=True,
            **where,
        )
    except Exception as error:
        raise AttemptError("infra", f"{lightning.file} is no LoRA for this model") from error


def _all_on_gpu(settings: EngineSettings) -> bool:
    return settings.placement == "gpu" and torch.cuda.is_available()
