"""What the engine can be told by its environment, as `QWEN_MODEL` and so on."""

from worker.diffusion.settings import EngineSettings, Lightning


class QwenSettings(EngineSettings):
    """`lightning` is the LoRA of the preset `fast`, which is refused without it."""

    model: str = "Qwen/Qwen-Image-Edit-2511"
    lightning: Lightning | None = None
