"""What the engine can be told by its environment, as `WAN_MODEL` and so on."""

from pydantic import Field, field_validator

from worker.diffusion.settings import EngineSettings, LightningFile

FRAMES_PER_SECOND = 16
FRAMES_MAX = 81
"""What the model was trained for: five seconds."""

PIXELS_MAX = 1280 * 720
LIGHTNING = "lightx2v/Wan2.2-Lightning/Wan2.2-I2V-A14B-4steps-lora-rank64-Seko-V1"


class WanSettings(EngineSettings):
    """A clip's size and length, and the folder with the two LoRAs of the preset `fast`.

    `lightning` "none" leaves that preset out.
    """

    model: str = "Wan-AI/Wan2.2-I2V-A14B-Diffusers"
    frames: int = Field(default=FRAMES_MAX, ge=5, le=FRAMES_MAX)
    pixels: int = Field(default=832 * 480, ge=64 * 64, le=PIXELS_MAX)
    lightning: LightningFile | None = LightningFile.parse(LIGHTNING)

    @field_validator("lightning", mode="before")
    @classmethod
    def _named(cls, told: object) -> object:
        if told == "none":
            return None
        return LightningFile.parse(told) if isinstance(told, str) else told

    @field_validator("frames")
    @classmethod
    def _in_fours(cls, frames: int) -> int:
        """Its latents hold four frames each, and the first alone."""
        if frames % 4 != 1:
            raise ValueError("must be one more than a multiple of four")
        return frames
