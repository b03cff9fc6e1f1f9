"""What the engine can be told by its environment, as `QWEN_MODEL` and so on."""

from pydantic import field_validator

from worker.diffusion.settings import EngineSettings, LightningFile


class QwenSettings(EngineSettings):
    """`lightning` is the LoRA of the preset `fast`; "none" leaves that preset out."""

    model: str = "Qwen/Qwen-Image-Edit-2511"
    lightning: LightningFile | None = LightningFile(
        repository="lightx2v/Qwen-Image-Edit-2511-Lightning",
        file="Qwen-Image-Edit-2511-Lightning-4steps-V1.0-bf16.safetensors",
    )

    @field_validator("lightning", mode="before")
    @classmethod
    def _named(cls, told: object) -> object:
        if told == "none":
            return None
        return LightningFile.parse(told) if isinstance(told, str) else told
