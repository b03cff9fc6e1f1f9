"""What the engine can be told by its environment, as `WAN_MODEL` and so on."""

from pydantic import Field, field_validator

from worker.diffusion.settings import EngineSettings, Lightning

FRAMES_PER_SECOND = 16
FRAMES_MAX = 81
"""What the model was trained for: five seconds."""

PIXELS_MAX = 1280 * 720


class WanSettings(EngineSettings):
    """A clip's size and length, and the folder with the two LoRAs of the preset `fast`.

    That preset is refused without them.
    """

    model: str = "Wan-AI/Wan2.2-I2V-A14B-Diffusers"
    frames: int = Field(default=FRAMES_MAX, ge=5, le=FRAMES_MAX)
    pixels: int = Field(default=832 * 480, ge=64 * 64, le=PIXELS_MAX)
    lightning: Lightning | None = None

    @field_validator("frames")
    @classmethod
    def _in_fours(cls, frames: int) -> int:
        """Its latents hold four frames each, and the first alone."""
        if frames % 4 != 1:
            raise ValueError("must be one more than a multiple of four")
        return frames
