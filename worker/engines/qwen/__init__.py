"""The engine of Qwen-Image-Edit: restores, colourizes and brings people together, on a GPU.

What it is told is data: the prompts in `prompts.toml`, the presets in `editing.py`, and settings
from the environment (`settings.py`).
"""

from worker.diffusion.settings import read_settings
from worker.engines.qwen.engine import QwenEngine
from worker.engines.qwen.loading import load
from worker.engines.qwen.settings import QwenSettings


def create() -> QwenEngine:
    return QwenEngine(read_settings(QwenSettings, "QWEN_"), load)
